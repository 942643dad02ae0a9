//! What is told of users while they are there: how far they have read, whether they are online, and who types.

use super::RequestId;
use crate::id::{RoomId, UserId};
use crate::position::{Offset, Ordinal};

/// How far a user has come in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who.
    pub user: UserId,
    /// The newest event that a client of the user has taken, with all before it; none where that is not kept, as in rooms of
    /// more than [`crate::limits::RECEIPTS_MEMBERS_MAX`].
    pub delivered: Option<Offset>,
    /// The newest event that the user has read, with all before it: of others, as far as they let that be known.
    pub read: Offset,
    /// Messages up to `read`; told to the user alone.
    pub ordinal: Option<Ordinal>,
}

/// How a user is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Some session of the user is, and says so.
    Online,
    /// All sessions of the user say that they are away.
    Away,
    /// There is none.
    #[default]
    Offline,
}

impl Presence {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Offline => "offline",
        }
    }

    /// The presence of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Online, Self::Away, Self::Offline].into_iter().find(|presence| presence.name() == name)
    }
}

/// How a user was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Who.
    pub user: UserId,
    /// How the user is there.
    pub presence: Presence,
    /// When the user went, in milliseconds since the Unix epoch; none while the user is there, or where that is not known.
    pub seen: Option<u64>,
}

/// The answer to `watch`: how things stand; what changes comes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watching {
    /// That of `watch`.
    pub id: RequestId,
    /// Which room.
    pub room: RoomId,
    /// How far users have come, in the order of their ids; none in a room that is too large for a list.
    pub receipts: Option<Vec<Receipt>>,
    /// Who is there, and who is not, in the order of their ids; a sample in a room that is too large for a list.
    pub sightings: Vec<Sighting>,
    /// Users that are online.
    pub online: u64,
    /// Users that are away.
    pub away: u64,
    /// Users who type, but the asking one.
    pub typing: Vec<UserId>,
}
