//! `signal`: something said in passing.

use anchor_core::event::Body;
use anchor_core::session::frame;

use crate::args::person::Signal;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, json};

/// Says it, and prints nothing of it: whether it arrives is not told.
///
/// # Errors
/// A sentence; [`Exit::Refused`] where the user may not say it.
pub(super) async fn run(context: &Context, arguments: Signal) -> Result<Exit, Failure> {
    let Signal { room, text, to, to_client, content_type, json } = arguments;
    let body = Body::new(content_type.as_deref(), text.into())?;
    let client = context.reader().await?;
    client.signal_taken(frame::Signal { room: room.clone(), user: to, client: to_client, body }).await?;
    let mut output = Output::default();
    if json {
        output.json(&json::signalled(&room))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
