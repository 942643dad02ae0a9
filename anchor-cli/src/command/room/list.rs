//! `room list` and `room show`: what rooms are.

use anchor_core::id::RoomId;
use anchor_core::limits::ROOMS_PAGE_MAX;
use anchor_core::session::frame::Which;

use crate::args::room::List;
use crate::connection;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, rooms};

/// Prints a room a line, in the order of ids.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(super) async fn run(context: &Context, arguments: List) -> Result<Exit, Failure> {
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
    let which = match (arguments.mine, arguments.public) {
        (true, _) => Which::Mine,
        (false, Some(text)) => Which::Public(text),
        (false, None) => Which::Readable,
    };
    let mut output = Output::default();
    let mut after = None;
    loop {
        let page = client.rooms(which.clone(), after.as_ref(), ROOMS_PAGE_MAX as u64).await?;
        for listing in &page.rooms {
            match arguments.json {
                true => output.json(&rooms::json(listing))?,
                false => output.line(&rooms::line(listing, context.user()))?,
            }
        }
        output.flush()?;
        after = page.next;
        if after.is_none() {
            return Ok(Exit::Done);
        }
    }
}

/// Prints what one room is.
///
/// # Errors
/// A sentence.
pub(super) async fn show(context: &Context, room: &RoomId, json: bool) -> Result<Exit, Failure> {
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
    let listing = client.room(room).await?;
    let mut output = Output::default();
    match json {
        true => output.json(&rooms::json(&listing))?,
        false => {
            rooms::lines(&listing, context.user()).iter().try_for_each(|line| output.line(line))?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}
