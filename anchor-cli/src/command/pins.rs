//! `pins`: what is pinned in a room.

use anchor_core::position::Offset;
use anchor_core::session::frame::HistoryRange;

use crate::args::InRoom;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::log::Log;
use crate::say;

/// Prints the pinned messages as they are now, the oldest pin first.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(super) async fn run(context: &Context, in_room: InRoom) -> Result<Exit, Failure> {
    let room = in_room.room.clone();
    let client = context.reader().await?;
    let listing = client.room(&room).await?;
    let mut log = Log::new(in_room, context.style());
    for pin in listing.info.iter().flat_map(|info| &info.pins).copied() {
        let range = HistoryRange::BeforeOffset(Offset(pin.0 + 1));
        let page = client.history(&room, range, 1).await?;
        let event = page.events.iter().find(|event| event.offset == pin);
        let changes = page.changes.iter().find(|changes| changes.target == pin);
        match event {
            Some(event) => log.current(page.epoch, event, changes)?,
            None => say::note(&format!("-- #{pin} is pinned, and can no longer be had")),
        }
    }
    log.flush()?;
    Ok(Exit::Done)
}
