//! Rooms in frames: what `welcome` says of them, how lists show them, and pages of their logs.

use std::sync::Arc;

use super::RequestId;
use crate::event::Event;
use crate::id::{ClientTag, RoomId, Seq, SessionId, UserId};
use crate::msgpack::Malformed;
use crate::position::{Epoch, Offset, Position};
use crate::resume::Gap;
use crate::room::{Changes, Member, RoomInfo};
use crate::run::Run;

/// The answer to `hello`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The name of this session, for logs.
    pub session: SessionId,
    /// Who the server takes the client for.
    pub user: UserId,
    /// The name under which others see this client.
    pub client: ClientTag,
    /// The highest seq decided for this client; zero if none.
    pub seq: Seq,
    /// Silence after which to send a beat, in milliseconds.
    pub heartbeat_ms: u64,
    /// What the server takes.
    pub limits: SessionLimits,
    /// Of the client's features, those that are used.
    pub features: Vec<String>,
    /// The rooms of `hello.resume`, in their order.
    pub rooms: Vec<RoomEntry>,
}

/// What a server takes in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Body of an event, in bytes.
    pub body_bytes: u64,
    /// Frame to the server, in bytes.
    pub frame_in_bytes: u64,
    /// Frame from the server, in bytes.
    pub frame_out_bytes: u64,
    /// Rooms.
    pub rooms: u64,
    /// Seqs sent from `waits` on.
    pub window: u64,
    /// Bytes of bodies on their way.
    pub in_flight_bytes: u64,
    /// Events of a page.
    pub history_events: u64,
}

/// A room in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomEntry {
    /// Which room.
    pub room: RoomId,
    /// Its newest epoch; none without events.
    pub epoch: Option<Epoch>,
    /// The newest offset; zero without events.
    pub head: Offset,
    /// The oldest offset that can still be read.
    pub horizon: Offset,
    /// How far the asking user has read, where that is told.
    pub unread: Option<Unread>,
}

/// How far a user has read in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The newest event that the user has read, with all before it.
    pub read: Offset,
    /// Messages behind it that the user may read.
    pub messages: u64,
}

impl RoomEntry {
    /// A room without a log: nothing of it is read.
    #[must_use]
    pub const fn without_log(room: RoomId) -> Self {
        Self { room, epoch: None, head: Offset::ZERO, horizon: Offset(1), unread: None }
    }
}

/// A room in an answer to `rooms` or `room`: its log, what it is, and the asking user's place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomListing {
    /// Its log, as far as the user may read it.
    pub entry: RoomEntry,
    /// What it is; none if it came into being with its first message and nothing more was decided.
    pub info: Option<Arc<RoomInfo>>,
    /// The user's place in it.
    pub member: Option<Member>,
}

/// Contiguous events of a room and an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// Which room.
    pub room: RoomId,
    /// In which history they were written.
    pub epoch: Epoch,
    /// The offset of the first.
    pub first: Offset,
    /// The events, in rising order.
    pub events: Vec<Event>,
}

/// The answer to `history`, with its events decoded, or as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<E = Vec<Event>> {
    /// That of `history`.
    pub id: RequestId,
    /// Which room.
    pub room: RoomId,
    /// In which history the events were written; none if there are none.
    pub epoch: Option<Epoch>,
    /// The offset of the first event; zero if there are none.
    pub first: Offset,
    /// Contiguous events, in rising order.
    pub events: E,
    /// The newest offset; zero without events.
    pub head: Offset,
    /// The oldest offset that can still be read.
    pub horizon: Offset,
    /// What cannot be had of what was asked.
    pub gap: Option<Gap>,
    /// Where the next page in the same direction begins; none at the end.
    pub next: Option<Position>,
    /// What later events made of those in this page, be they in it or not, in the order of offsets.
    pub changes: Vec<Changes>,
}

/// A page as a server has it: runs that follow each other, in one epoch.
pub type StoredPage = Page<Vec<Run>>;

impl StoredPage {
    /// Number of events.
    #[must_use]
    pub fn count(&self) -> usize {
        self.events.iter().map(Run::len).sum()
    }

    /// The page with its events decoded.
    ///
    /// # Errors
    /// [`Malformed`] if what was stored is no event.
    pub fn decode(self) -> Result<Page, Malformed> {
        let events = self.events.iter().flat_map(Run::events).collect::<Result<_, _>>()?;
        let Self { id, room, epoch, first, events: _, head, horizon, gap, next, changes } = self;
        Ok(Page { id, room, epoch, first, events, head, horizon, gap, next, changes })
    }
}

/// The answer to `thread`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPage {
    /// That of `thread`.
    pub id: RequestId,
    /// Which room.
    pub room: RoomId,
    /// The message that began it, if it can still be read.
    pub root: Option<Event>,
    /// Replies in rising order, not contiguous.
    pub replies: Vec<Event>,
    /// What later events made of those in this page, in the order of offsets.
    pub changes: Vec<Changes>,
    /// How many replies there are.
    pub total: u64,
    /// The offset from which to ask for more in the same direction; none at the end.
    pub next: Option<Offset>,
    /// In which history the event at `head` was written.
    pub epoch: Epoch,
    /// The newest offset that its reader may read: everything up to there is in this page, nothing behind it.
    pub head: Offset,
}
