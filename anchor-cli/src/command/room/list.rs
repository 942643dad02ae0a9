//! `room list`, `room show`, and `rooms`: what rooms are.

use anchor_core::id::UserId;
use anchor_core::limits::ROOMS_PAGE_MAX;
use anchor_core::session::frame::{RoomListing, Which};

use crate::args::room::List;
use crate::args::{InRoom, Rooms};
use crate::context::Context;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::output::{Output, rooms};

/// Prints what each of some rooms is, in the order of ids.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(super) async fn run(context: &Context, arguments: List) -> Result<Exit, Failure> {
    let which = match (arguments.mine, arguments.public) {
        (true, _) => Which::Mine,
        (false, Some(text)) => Which::Public(text),
        (false, None) => Which::Readable,
    };
    print(context, &which, arguments.json, rooms::line).await
}

/// Prints `ROOM HEAD` for each room that may be read, and how much of it is unread.
///
/// # Errors
/// As [`run`].
pub(in crate::command) async fn short(context: &Context, arguments: Rooms) -> Result<Exit, Failure> {
    let line = |listing: &RoomListing, _: &UserId| {
        let entry = &listing.entry;
        let unread = rooms::unread(listing).map(|unread| format!(" ({unread} unread)")).unwrap_or_default();
        format!("{} {}{unread}", escape::line(entry.room.as_str()), entry.head)
    };
    print(context, &Which::Readable, arguments.json, line).await
}

/// Prints a room a line: `line` for people, who read as a user.
async fn print(
    context: &Context,
    which: &Which,
    json: bool,
    line: impl Fn(&RoomListing, &UserId) -> String,
) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let mut output = Output::default();
    let mut after = None;
    loop {
        let page = client.rooms(which.clone(), after.as_ref(), ROOMS_PAGE_MAX as u64).await?;
        for listing in &page.rooms {
            match json {
                true => output.json(&rooms::json(listing))?,
                false => output.line(&line(listing, context.user()))?,
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
pub(super) async fn show(context: &Context, in_room: &InRoom) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let listing = client.room(&in_room.room).await?;
    let mut output = Output::default();
    match in_room.json {
        true => output.json(&rooms::json(&listing))?,
        false => {
            rooms::lines(&listing, context.user()).iter().try_for_each(|line| output.line(line))?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}
