//! How far users have come in rooms: what receipts and unread counts are derived from.
//!
//! A cursor only rises, and nothing is ever resumed from one: where a client goes on is what that client says. Whoever
//! writes has read: an append moves its author's cursor to the event, in every room but those of the server itself.

use crate::id::{RoomId, UserId};
use crate::position::{Epoch, Mark, Offset, Ordinal};
use crate::sabotage::{self, Sabotage};

/// How far a user has come in a room, over all of the user's clients. All zero for who has taken nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursors {
    /// The newest event that some client of the user has taken, with all before it.
    pub delivered: Offset,
    /// The newest event that the user has read, with all before it.
    pub read: ReadMark,
    /// As much of `read` as others are told: it stays where it is while the user keeps that from them.
    pub shown: Offset,
}

/// A place in a log with the number of messages up to it: what is unread is a subtraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadMark {
    /// The event.
    pub offset: Offset,
    /// Messages up to and including it.
    pub ordinal: Ordinal,
}

impl From<Mark> for ReadMark {
    fn from(mark: Mark) -> Self {
        Self { offset: mark.offset, ordinal: mark.ordinal }
    }
}

impl ReadMark {
    /// Messages between here and `head`; none if the head lies before.
    #[must_use]
    pub const fn unread(self, head: Ordinal) -> u64 {
        head.0.saturating_sub(self.ordinal.0)
    }
}

impl Cursors {
    /// Of a user who wrote the event at `mark`.
    #[must_use]
    pub fn written(mark: Mark) -> Self {
        Self { delivered: mark.offset, read: mark.into(), shown: mark.offset }
    }

    /// True where whoever writes has read: in every room but those of the server itself, which their authors need not read.
    #[must_use]
    pub fn follow_authors_in(room: &RoomId) -> bool {
        (!room.is_system() || room.is_direct()) && !sabotage::is(Sabotage::AuthorHasNotRead)
    }

    /// True for who has taken nothing.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        *self == Self::default()
    }

    /// Moves each to where `other` is, if that is further. What is read has been delivered, too.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if sabotage::is(Sabotage::ReadFallsBack) && !other.is_nowhere() {
            return other;
        }
        let read = self.read.max(other.read);
        let delivered = self.delivered.max(other.delivered).max(read.offset);
        Self { delivered, read, shown: self.shown.max(other.shown) }
    }

    /// The same, as far as a log goes that ends at `head`.
    #[must_use]
    pub fn up_to(self, head: Mark) -> Self {
        Self {
            delivered: self.delivered.min(head.offset),
            read: self.read.min(head.into()),
            shown: self.shown.min(head.offset),
        }
    }
}

/// Moves a user's cursors in a room, for [`crate::store::Store::move_cursors`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorMove {
    /// In which room.
    pub room: RoomId,
    /// The newest epoch of the room; a move of another log is passed over.
    pub epoch: Epoch,
    /// Whose.
    pub user: UserId,
    /// How far; what is zero does not move.
    pub to: Cursors,
}

impl CursorMove {
    /// True if it goes somewhere in a log of that newest epoch, which ends at `head`.
    #[must_use]
    pub fn is_of(&self, epoch: Epoch, head: Mark) -> bool {
        self.epoch == epoch && self.to == self.to.up_to(head) && !self.to.is_nowhere()
    }
}

/// How many users have come to an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readers {
    /// Users of whom a client has taken it.
    pub delivered: u64,
    /// Users who have read it and let others know.
    pub read: u64,
}
