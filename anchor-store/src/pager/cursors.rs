//! Writing how far users have come: who wrote what a cut moves, and who was moved.

use std::collections::BTreeMap;

use anchor_core::cursor::{CursorMove, Cursors};
use anchor_core::error::BoxError;
use anchor_core::event::encoding;
use anchor_core::id::{RoomId, UserId};
use anchor_core::msgpack::Reader;
use anchor_core::position::{Epoch, Mark};
use redb::{ReadableTable, Table, WriteTransaction};

use super::Changed;
use crate::codec::Encoder;
use crate::cursors;
use crate::pages::{Page, Row};
use crate::shared::Shared;
use crate::tables::{CURSORS, DELETING, META, PAGES, RESERVED, ROOM_NUMBERS, ROOMS, read_number};
use crate::visible::Found;

/// The rows while they are written.
struct Rows<'t> {
    table: Table<'t, (u64, &'static str), &'static [u8]>,
    out: Encoder,
}

/// A room in which cursors are moved.
struct Log {
    epoch: Epoch,
    head: Mark,
    /// Where its rows are.
    place: Place,
}

enum Place {
    Number(u64),
    /// The pages do not know it; it began with this epoch.
    New(Epoch),
}

/// Writes the rows of those whose newest events come into the pages with a cut up to commit `upto`. `changed` is in the order
/// of room numbers.
pub(super) fn write_authors(
    shared: &Shared,
    transaction: &WriteTransaction,
    changed: &[Changed<'_>],
    upto: u64,
) -> Result<(), BoxError> {
    let mut rows = Rows::open(transaction)?;
    for change in changed.iter().filter(|change| !change.runs.is_empty()) {
        // One room at a time, lest commits wait for all of them.
        let authors = shared.visible().authors(&change.room, upto);
        for (user, written) in authors {
            rows.write(change.row.number, &user, written)?;
        }
    }
    Ok(())
}

/// Moves cursors; true if there was something to move.
pub(super) fn make_moves(
    shared: &Shared,
    transaction: &WriteTransaction,
    mut moves: Vec<CursorMove>,
) -> Result<bool, BoxError> {
    moves.sort_by(|one, other| one.room.cmp(&other.room));
    let mut found: Vec<(u64, UserId, Cursors)> = Vec::with_capacity(moves.len());
    {
        let rooms = transaction.open_table(ROOMS)?;
        for moves in moves.chunk_by(|one, other| one.room == other.room) {
            let room = &moves[0].room;
            let Some(Log { epoch, head, place }) = log_of(shared, &rooms, room)? else { continue };
            let mut valid = moves.iter().filter(|to| to.is_of(epoch, head)).peekable();
            if valid.peek().is_none() {
                continue;
            }
            let number = match place {
                Place::Number(number) => number,
                Place::New(begun) => reserve(transaction, room, begun)?,
            };
            found.extend(valid.map(|to| (number, to.user.clone(), to.to)));
        }
    }
    if found.is_empty() {
        return Ok(false);
    }
    found.sort_by(|(room, user, _), (other_room, other_user, _)| (room, user).cmp(&(other_room, other_user)));
    let mut rows = Rows::open(transaction)?;
    let mut is_change = false;
    for (number, user, to) in &found {
        is_change |= rows.raise(*number, user, *to)?;
    }
    Ok(is_change)
}

/// The room of a move as it is now, with this transaction; none if there is no such room.
fn log_of(
    shared: &Shared,
    rooms: &impl ReadableTable<&'static str, &'static [u8]>,
    room: &RoomId,
) -> Result<Option<Log>, BoxError> {
    let seen = match shared.visible().find(room) {
        Found::Gone(_) => return Ok(None),
        Found::Live(live) => {
            let place = live.number.map_or_else(|| Place::New(live.begun_with()), Place::Number);
            Some(Log { epoch: live.state.epoch(), head: live.state.head, place })
        }
        Found::Paged => None,
    };
    if let Some(Log { place: Place::Number(_), .. }) = seen {
        return Ok(seen);
    }
    let row = rooms.get(room.as_str())?.map(|row| Row::decode(row.value())).transpose()?;
    Ok(match (seen, row) {
        (None, None) => None,
        (None, Some(row)) => {
            Some(Log { epoch: row.state.epoch(), head: row.state.head, place: Place::Number(row.number) })
        }
        // The cut of this very transaction may have brought it.
        (Some(Log { epoch, head, place: Place::New(begun) }), Some(row)) if row.begun() == begun => {
            Some(Log { epoch, head, place: Place::Number(row.number) })
        }
        (seen, _) => seen,
    })
}

/// The number that a room will have that began with epoch `begun` and of which the pages know nothing.
fn reserve(transaction: &WriteTransaction, room: &RoomId, begun: Epoch) -> Result<u64, BoxError> {
    let number = match take_reserved(transaction, room, begun)? {
        Some(number) => number,
        None => {
            let mut meta = transaction.open_table(META)?;
            let known = read_number(&meta, ROOM_NUMBERS)?.ok_or("pages.redb has lost its count of rooms")?;
            meta.insert(ROOM_NUMBERS, (known + 1).to_be_bytes().as_slice())?;
            known + 1
        }
    };
    transaction.open_table(RESERVED)?.insert(room.as_str(), (number, begun.as_bytes()))?;
    Ok(number)
}

/// Takes away the number that waits for a room that began with epoch `begun`. One that waits for another room of that id
/// waits in vain: what has it is to be removed.
pub(super) fn take_reserved(
    transaction: &WriteTransaction,
    room: &RoomId,
    begun: Epoch,
) -> Result<Option<u64>, BoxError> {
    let mut reserved = transaction.open_table(RESERVED)?;
    let Some((number, is_its_own)) = reserved_for(&reserved, room, begun)? else { return Ok(None) };
    reserved.remove(room.as_str())?;
    if is_its_own {
        return Ok(Some(number));
    }
    transaction.open_table(DELETING)?.insert(number, room.as_str())?;
    Ok(None)
}

/// The number that waits for a room of this id, and whether it is for the one that began with epoch `begun`.
pub(super) fn reserved_for(
    reserved: &impl ReadableTable<&'static str, (u64, &'static [u8; 8])>,
    room: &RoomId,
    begun: Epoch,
) -> Result<Option<(u64, bool)>, BoxError> {
    let value = reserved.get(room.as_str())?;
    Ok(value.map(|value| {
        let (number, of) = value.value();
        (number, of == begun.as_bytes())
    }))
}

/// Gives up all numbers that wait for rooms: once everything is in the pages, there will be no such rooms.
pub(crate) fn give_up_reserved(transaction: &WriteTransaction) -> Result<(), BoxError> {
    let mut reserved = transaction.open_table(RESERVED)?;
    let mut deleting = transaction.open_table(DELETING)?;
    for entry in reserved.extract_if(|_, _| true)? {
        let (room, value) = entry?;
        deleting.insert(value.value().0, room.value())?;
    }
    Ok(())
}

/// Takes the cursors in room `number` back to `head` that are further: in a copy they may have been saved after the log.
pub(crate) fn bound(transaction: &WriteTransaction, number: u64, head: Mark) -> Result<(), BoxError> {
    let mut rows = Rows::open(transaction)?;
    let mut further = Vec::new();
    for entry in rows.table.range((number, "")..(number + 1, ""))? {
        let (key, row) = entry?;
        let cursors = cursors::read(&mut Reader::from_slice(row.value()))?;
        if cursors != cursors.up_to(head) {
            further.push((key.value().1.to_owned(), cursors.up_to(head)));
        }
    }
    for (user, cursors) in further {
        cursors::write(rows.out.clear(), &cursors);
        rows.table.insert((number, user.as_str()), rows.out.as_bytes())?;
    }
    Ok(())
}

/// Makes the rows of all who wrote what the pages have, for a store of a format that had none.
pub(crate) fn make(transaction: &WriteTransaction) -> Result<(), BoxError> {
    let mut rows = Rows::open(transaction)?;
    let (rooms, pages) = (transaction.open_table(ROOMS)?, transaction.open_table(PAGES)?);
    for entry in rooms.iter()? {
        let (room, row) = entry?;
        if !Cursors::follow_authors_in(&RoomId::new(room.value())?) {
            continue;
        }
        let number = Row::decode(row.value())?.number;
        let mut authors: BTreeMap<UserId, Mark> = BTreeMap::new();
        for entry in pages.range((number, 0)..=(number, u64::MAX))? {
            let (_, page) = entry?;
            let mut events = Reader::from_slice(Page::decode(page.value())?.events);
            while !events.is_empty() {
                let event = encoding::read(&mut events)?;
                authors.insert(event.user.clone(), event.mark());
            }
        }
        for (user, mark) in authors {
            rows.write(number, &user, Cursors::written(mark))?;
        }
    }
    Ok(())
}

impl<'t> Rows<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, BoxError> {
        Ok(Self { table: transaction.open_table(CURSORS)?, out: Encoder::default() })
    }

    /// Moves a user's cursors that are hardly ever further already.
    fn write(&mut self, number: u64, user: &UserId, to: Cursors) -> Result<(), BoxError> {
        cursors::write(self.out.clear(), &to);
        let key = (number, user.as_str());
        let known = self.table.insert(key, self.out.as_bytes())?;
        let known = known.map(|row| cursors::read(&mut Reader::from_slice(row.value()))).transpose()?;
        if let Some(furthest) = known.map(|known| known.max(to)).filter(|furthest| *furthest != to) {
            cursors::write(self.out.clear(), &furthest);
            self.table.insert(key, self.out.as_bytes())?;
        }
        Ok(())
    }

    /// Moves a user's cursors, if they are not there already; true if they were not.
    fn raise(&mut self, number: u64, user: &UserId, to: Cursors) -> Result<bool, BoxError> {
        let key = (number, user.as_str());
        let known = self.table.get(key)?.map(|row| cursors::read(&mut Reader::from_slice(row.value())));
        let known = known.transpose()?.unwrap_or_default();
        let furthest = known.max(to);
        if furthest == known {
            return Ok(false);
        }
        cursors::write(self.out.clear(), &furthest);
        self.table.insert(key, self.out.as_bytes())?;
        Ok(true)
    }
}
