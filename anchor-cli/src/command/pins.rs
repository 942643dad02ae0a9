//! `pins`: what is pinned in a room.

use anchor_core::position::Offset;
use anchor_core::session::frame::HistoryRange;

use crate::args::message::Pins;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, json};
use crate::{connection, say};

/// Prints the pinned messages as they are now, the oldest pin first.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(super) async fn run(context: &Context, arguments: Pins) -> Result<Exit, Failure> {
    let Pins { room, json } = arguments;
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
    let listing = client.room(&room).await?;
    let mut output = Output::default();
    for pin in listing.info.iter().flat_map(|info| &info.pins).copied() {
        let range = HistoryRange::BeforeOffset(Offset(pin.0 + 1));
        let page = client.history(&room, range, 1).await?;
        let event = page.events.iter().find(|event| event.offset == pin);
        let changes = page.changes.iter().find(|changes| changes.target == pin);
        match event {
            Some(event) if json => output.json(&json::current(&room, page.epoch, event, changes))?,
            Some(event) => output.line(&context.style().current(&room, event, changes))?,
            None => say::note(&format!("-- #{pin} is pinned, and can no longer be had")),
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}
