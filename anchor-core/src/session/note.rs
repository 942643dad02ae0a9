//! What a client says of its user without asking anything: how far the user has come, is there, types.

use super::frame::{CursorFrame, Presence};
use crate::id::RoomId;

/// Something that the engine is told, and that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// How far the user has come in a room.
    Cursor(CursorFrame),
    /// How the user is there, as far as the session goes.
    Presence(Presence),
    /// The user types, or has stopped.
    Typing {
        /// In which room.
        room: RoomId,
        /// True while it goes on.
        typing: bool,
    },
}

impl Note {
    /// True if whoever is told `later` need not be told this.
    pub(super) fn is_overtaken_by(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::Cursor(one), Self::Cursor(other)) => one.room == other.room,
            (Self::Presence(_), Self::Presence(_)) => true,
            (Self::Typing { room: one, .. }, Self::Typing { room: other, .. }) => one == other,
            _ => false,
        }
    }

    /// Becomes what both come to.
    pub(super) fn overtake(&mut self, later: Self) {
        let earlier = std::mem::replace(self, later);
        if let (Self::Cursor(now), Self::Cursor(earlier)) = (self, earlier)
            && now.epoch == earlier.epoch
        {
            now.delivered = now.delivered.max(earlier.delivered);
            now.read = now.read.max(earlier.read);
        }
    }
}
