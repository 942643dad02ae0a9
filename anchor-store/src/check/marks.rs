//! Whether the cursors in rooms fit the logs, so that what is unread is a subtraction.

use std::collections::BTreeMap;

use anchor_core::cursor::Cursors;
use anchor_core::error::BoxError;
use anchor_core::event::Event;
use anchor_core::id::{RoomId, UserId};
use anchor_core::msgpack::Reader;
use anchor_core::position::{Mark, Offset, Ordinal};
use redb::{ReadOnlyTable, ReadTransaction};

use crate::cursors;
use crate::pages::Row;
use crate::tables::CURSORS;

/// The table of cursors, read along with the rooms.
pub(super) struct CursorTables {
    cursors: ReadOnlyTable<(u64, &'static str), &'static [u8]>,
}

/// The cursors in a room, to be compared with its log: nobody has come further than it goes, everybody has come as far as to
/// what they wrote themselves, and as many messages lie before as it says.
#[derive(Default)]
pub(super) struct Marks {
    /// Somebody's newest event.
    authors: BTreeMap<UserId, Mark>,
    /// Who has read up to there, and how many messages that would be.
    read: BTreeMap<Offset, Vec<(UserId, Ordinal)>>,
    known: BTreeMap<UserId, Cursors>,
}

impl CursorTables {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, BoxError> {
        Ok(Self { cursors: transaction.open_table(CURSORS)? })
    }

    /// What is to be compared with the log of a room.
    pub(super) fn of(&self, row: &Row) -> Result<Marks, BoxError> {
        let mut marks = Marks::default();
        for entry in self.cursors.range((row.number, "")..(row.number + 1, ""))? {
            let (key, value) = entry?;
            let user = UserId::new(key.value().1)?;
            let cursors = cursors::read(&mut Reader::from_slice(value.value()))
                .map_err(|error| format!("the cursors of {user}: {error}"))?;
            if cursors != cursors.up_to(row.state.head) {
                return Err(format!("{user} has come further than the log goes").into());
            }
            marks.read.entry(cursors.read.offset).or_default().push((user.clone(), cursors.read.ordinal));
            marks.known.insert(user, cursors);
        }
        Ok(marks)
    }
}

impl Marks {
    /// Takes the next event of the log.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), BoxError> {
        let mark = event.mark();
        for (user, ordinal) in self.read.remove(&mark.offset).unwrap_or_default() {
            if ordinal != mark.ordinal {
                return Err(format!("{user} has read {ordinal:?} messages, of {:?}", mark.ordinal).into());
            }
        }
        self.authors.insert(event.user.clone(), mark);
        Ok(())
    }

    /// All events were taken.
    pub(super) fn finish(self, room: &RoomId) -> Result<(), BoxError> {
        for (user, mark) in self.authors.iter().filter(|_| Cursors::follow_authors_in(room)) {
            let known = self.known.get(user).copied().unwrap_or_default();
            if known != known.max(Cursors::written(*mark)) {
                return Err(format!("{user} has not read what {user} wrote").into());
            }
        }
        Ok(())
    }
}
