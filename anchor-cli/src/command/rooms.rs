//! `rooms`: the rooms there are, in short.

use anchor_core::limits::ROOMS_PAGE_MAX;
use anchor_core::session::frame::Which;

use crate::args::Rooms;
use crate::connection;
use crate::context::Context;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::output::{Output, rooms};

/// Prints `ROOM HEAD` for each room, in the order of ids.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(crate) async fn run(context: &Context, arguments: Rooms) -> Result<Exit, Failure> {
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
    let mut output = Output::default();
    let mut after = None;
    loop {
        let page = client.rooms(Which::Readable, after.as_ref(), ROOMS_PAGE_MAX as u64).await?;
        for listing in &page.rooms {
            let entry = &listing.entry;
            match arguments.json {
                true => output.json(&rooms::json(listing))?,
                false => output.line(&format!("{} {}", escape::line(entry.room.as_str()), entry.head))?,
            }
        }
        output.flush()?;
        after = page.next;
        if after.is_none() {
            return Ok(Exit::Done);
        }
    }
}
