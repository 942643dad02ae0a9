//! The final read: every room from its horizon to its head, by a client that has no part in anything.

use std::collections::BTreeMap;

use anchor_core::conformance::promise::{Entry, Log};
use anchor_core::id::RoomId;
use anchor_core::limits::HISTORY_EVENTS_MAX;
use anchor_core::position::Position;
use anchor_core::session::frame::HistoryRange;
use anchor_transport::client::Client;

use crate::exit::{Exit, Failure};

/// Reads `rooms` in full. One that nobody has written to is left out.
///
/// # Errors
/// A sentence where the server does not answer, or not as it should.
pub(super) async fn read(client: &Client, rooms: &[RoomId]) -> Result<BTreeMap<RoomId, Log>, Failure> {
    let mut logs = BTreeMap::new();
    for room in rooms {
        if let Some(log) = read_room(client, room).await? {
            logs.insert(room.clone(), log);
        }
    }
    Ok(logs)
}

async fn read_room(client: &Client, room: &RoomId) -> Result<Option<Log>, Failure> {
    let mut after = Position::START;
    let mut log: Option<Log> = None;
    loop {
        let page = client.history(room, HistoryRange::After(after), HISTORY_EVENTS_MAX as u64).await?;
        let Some(epoch) = page.epoch else { return Ok(log) };
        let log =
            log.get_or_insert_with(|| Log { epoch, before: page.horizon.previous(), entries: Vec::new() });
        log.epoch = epoch;
        log.entries.extend(page.events.iter().map(|event| Entry::of_marked(epoch, event)));
        match page.next {
            // Pages go forward, or this would never end.
            Some(next) if next.offset > after.offset => after = next,
            Some(_) => {
                let what = format!("the server answers the same page of {room} again and again");
                return Err(Failure::new(Exit::Failure, what));
            }
            None => return Ok(Some(std::mem::take(&mut log.entries)).map(|entries| Log { entries, ..*log })),
        }
    }
}
