//! What is kept of users beside the logs, and what is said to them beside the rooms.

use std::collections::{BTreeMap, BTreeSet};

use anchor_core::id::{RoomId, UserId};

use super::Society;
use super::announced::Announced;
use super::changes::Changes;
use super::contacts::Begun;
use super::reports::Reports;
use super::signals::Signals;

/// What was asked for and told so far.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) changes: Changes,
    pub(super) begun: Begun,
    pub(super) announced: Announced,
    pub(super) reports: Reports,
    pub(super) signals: Signals,
    readers: BTreeMap<UserId, BTreeSet<RoomId>>,
}

impl Society {
    /// A client of `user` reads these rooms, or tries to.
    pub fn knows_reader<'a>(&self, user: &UserId, rooms: impl Iterator<Item = &'a RoomId>) {
        self.inner().people.readers.entry(user.clone()).or_default().extend(rooms.cloned());
    }
}

impl People {
    /// The rooms that some client of `user` reads, or tries to.
    pub(super) fn rooms_of(&self, user: &UserId) -> impl Iterator<Item = &RoomId> {
        self.readers.get(user).into_iter().flatten()
    }

    /// True if some client of `user` reads the room, or tries to.
    pub(super) fn reads(&self, user: &UserId, room: &RoomId) -> bool {
        self.readers.get(user).is_some_and(|rooms| rooms.contains(room))
    }
}

#[cfg(test)]
mod tests;
