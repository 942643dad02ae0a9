//! The frames of the protocol, as `docs/protocol.md` lists them; their two encodings live in `anchor-transport`.
//!
//! Those of clients are in `client`, those of servers in `server`; what they are made of stands beside them, by subject.

mod client;
mod consuming;
mod rooms;
mod server;
mod watching;

pub use self::client::{ClientFrame, CursorFrame, Hello, PublishFrame, ResumeRoom};
pub use self::consuming::{
    Consume, Consumed, ConsumedPart, ConsumerChange, ConsumerListing, DeadLetter, Webhook, WebhookChange,
    WebhookListing, WebhookSecret, Whose,
};
pub use self::rooms::{
    Events, Page, RoomEntry, RoomListing, SessionLimits, StoredPage, ThreadPage, Unread, Welcome,
};
pub use self::server::ServerFrame;
pub use self::watching::{Presence, Receipt, Sighting, Watching};

use crate::event::Body;
use crate::id::{ClientTag, RoomId, UserId};
use crate::position::{Offset, Position};

/// A number that a client gives to a request, repeated in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

/// Where a subscription starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the oldest event there is.
    Start,
    /// After a position, verified.
    After(Position),
    /// After a position, verified; but if more messages than so many are missing, at the last so many of them, behind a gap of
    /// reason `skipped`.
    Recent {
        /// The position.
        after: Position,
        /// Messages, at least one.
        last: u64,
    },
    /// After a bare offset, unverified: for people and scripts.
    Offset(Offset),
    /// At the last so many messages.
    Last(u64),
    /// With what comes next.
    Now,
}

impl From {
    /// True if a stream that starts at `position` leaves out nothing of what was asked for; else a gap comes first.
    #[must_use]
    pub fn is_met_by(&self, position: &Position) -> bool {
        match self {
            Self::Start => position.offset == Offset::ZERO,
            Self::After(asked) | Self::Recent { after: asked, .. } => {
                (asked.offset, asked.chain) == (position.offset, position.chain)
            }
            Self::Offset(asked) => *asked == position.offset,
            Self::Last(_) | Self::Now => true,
        }
    }
}

/// Which part of a log a page is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryRange {
    /// The newest events.
    Newest,
    /// The newest events before a position, that event excluded.
    Before(Position),
    /// The newest events before a bare offset, unverified: for people and scripts.
    BeforeOffset(Offset),
    /// The oldest events after a position.
    After(Position),
}

/// Which rooms a list has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Those that the user may read without an invitation, and those that are the user's own.
    #[default]
    Readable,
    /// Those that the user has joined or is invited to.
    Mine,
    /// Public ones that are not archived, whose id or title has this text in it, whatever its case; all where it is empty.
    Public(String),
}

/// What is said in passing: never stored, dropped under pressure. To those who are subscribed to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Through which room: its sender may write in it.
    pub room: RoomId,
    /// To this user alone, from a client; by this user, from a server.
    pub user: Option<UserId>,
    /// To this client alone, from a client; with this client, from a server.
    pub client: Option<ClientTag>,
    /// What.
    pub body: Body,
}
