//! What was taken from the logs and is not in the index yet: for each place the newest that is to stand there.
//!
//! Words that are replaced or taken away before they are written never reach a file.

use std::collections::BTreeMap;

use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Epoch, Offset};

/// Who might read a room, as far as its kind says so: it never changes. It narrows a search; whether somebody may read a message
/// is for its permit to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Anybody: public rooms, announcements.
    Everybody,
    /// Those that it names: groups, what two say to each other.
    Members,
}

/// A message as it is to stand in the index.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) epoch: Epoch,
    pub(crate) ts: u64,
    pub(crate) user: UserId,
    pub(crate) audience: Audience,
    pub(crate) text: String,
    pub(crate) version: Offset,
}

/// What is to happen at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// What is to stand there; nothing if it is to be taken away.
    pub(crate) document: Option<Document>,
    /// Something may stand there now.
    pub(crate) replaces: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Pending {
    changes: BTreeMap<(RoomId, Offset), Change>,
    bytes: usize,
}

impl Pending {
    pub(crate) fn set(&mut self, room: &RoomId, offset: Offset, change: Change) {
        self.bytes += size(&change);
        if let Some(old) = self.changes.insert((room.clone(), offset), change) {
            self.bytes -= size(&old);
        }
    }

    pub(crate) fn get(&self, room: &RoomId, offset: Offset) -> Option<&Change> {
        self.changes.get(&(room.clone(), offset))
    }

    /// Forgets what is to happen in a room from one offset to another, both included.
    pub(crate) fn forget(&mut self, room: &RoomId, first: Offset, last: Offset) {
        let range = (room.clone(), first)..=(room.clone(), last);
        let gone: Vec<_> = self.changes.range(range).map(|(place, _)| place.clone()).collect();
        for place in gone {
            self.bytes -= self.changes.remove(&place).as_ref().map_or(0, size);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes that it takes, about.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RoomId, Offset, &Change)> {
        self.changes.iter().map(|((room, offset), change)| (room, *offset, change))
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn size(change: &Change) -> usize {
    CHANGE_BYTES + change.document.as_ref().map_or(0, |document| document.text.len())
}

/// What a change takes beside its text, in bytes. Source: its fields and a node of the map, about.
const CHANGE_BYTES: usize = 200;

impl std::fmt::Debug for Document {
    /// Shows the length of the text, never the text: bodies do not belong into logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { epoch, ts, user, version, text, .. } = self;
        write!(f, "Document({epoch} {ts} {user:?} {version} text[{} bytes])", text.len())
    }
}
