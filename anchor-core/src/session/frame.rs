//! The frames of the protocol, as `docs/protocol.md` lists them; their two encodings live in `anchor-transport`.

use std::sync::Arc;

use crate::code::Code;
use crate::event::{Body, Draft, Event};
use crate::id::{ClientId, ClientTag, Nonce, RoomId, Seq, SessionId, UserId};
use crate::msgpack::Malformed;
use crate::position::{Epoch, Offset, Position};
use crate::publish::Ack;
use crate::resume::Gap;
use crate::room::{Changes, Member, RoomInfo};
use crate::run::Run;
use crate::store::Direction;
use crate::user::{Direct, Profile, UserChange};

/// A number that a client gives to a request, repeated in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Opens the session: authenticates, and resumes rooms in the same round trip.
    Hello(Hello),
    /// Resumes more rooms.
    Resume {
        /// Repeated in `resumed`.
        id: RequestId,
        /// Rooms and the positions after which they go on.
        rooms: Vec<(RoomId, Position)>,
    },
    /// Subscribes to a room.
    Subscribe {
        /// Repeated in `subscribed`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// From where.
        from: From,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// Repeated in `unsubscribed`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// Appends an event, once.
    Publish(PublishFrame),
    /// Asks for a page of a room's log.
    History {
        /// Repeated in `page`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Around which place.
        range: HistoryRange,
        /// Events wanted, at most.
        limit: u64,
    },
    /// Asks for the rooms there are.
    Rooms {
        /// Repeated in `room_list`.
        id: RequestId,
        /// Those after this one, in the order of ids.
        after: Option<RoomId>,
        /// Rooms wanted, at most.
        limit: u64,
        /// Which.
        which: Which,
    },
    /// Asks what a room is.
    Room {
        /// Repeated in `room_info`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// Asks who belongs to a room.
    Members {
        /// Repeated in `member_list`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Those after this one, in the order of ids.
        after: Option<UserId>,
        /// Members wanted, at most.
        limit: u64,
    },
    /// Asks for the replies to a message.
    Thread {
        /// Repeated in `thread_page`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// The message that began it.
        root: Offset,
        /// The newest before an offset, or the oldest after one.
        from: Direction,
        /// Replies wanted, at most.
        limit: u64,
    },
    /// Asks for what others see of some users.
    Profiles {
        /// Repeated in `profile_list`.
        id: RequestId,
        /// Whose; at most [`crate::limits::PROFILES_MAX`].
        users: Vec<UserId>,
    },
    /// Asks who may talk to the user.
    Contact {
        /// Repeated in `contacts`.
        id: RequestId,
    },
    /// Changes what is kept of the user.
    ChangeUser {
        /// Repeated in `done`.
        id: RequestId,
        /// What.
        change: UserChange,
    },
    /// Says something to those who are there now, in passing.
    Signal(Signal),
    /// Asks who is subscribed to a room now.
    Who {
        /// Repeated in `present`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// A sign of life.
    Beat,
}

/// The first frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// A token, where the server wants one.
    pub token: Option<String>,
    /// The user, where the server believes it.
    pub user: Option<UserId>,
    /// The secret of this installation.
    pub client_id: ClientId,
    /// The lowest seq in the outbox as it stands on the client's disk.
    pub waits: Seq,
    /// What the client can do beyond this version's base.
    pub features: Vec<String>,
    /// Rooms and the positions after which they go on.
    pub resume: Vec<(RoomId, Position)>,
}

/// A publish, as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishFrame {
    /// The client's number for it.
    pub seq: Seq,
    /// The client's random bits for it.
    pub nonce: Nonce,
    /// The lowest seq in the outbox as it stands on the client's disk.
    pub waits: Seq,
    /// Into which room.
    pub room: RoomId,
    /// What to append.
    pub draft: Draft,
    /// Only to settle a publish of an older `client_id` of the same user.
    pub client_id: Option<ClientId>,
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

/// Where a subscription starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the oldest event there is.
    Start,
    /// After a position, verified.
    After(Position),
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
            Self::After(asked) => (asked.offset, asked.chain) == (position.offset, position.chain),
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

/// What a server sends; live and stored events go out as a [`crate::run::Run`] encoded once, which a client
/// reads as [`ServerFrame::Events`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// Answers `hello`.
    Welcome(Box<Welcome>),
    /// Answers `resume`.
    Resumed {
        /// That of `resume`.
        id: RequestId,
        /// The rooms, in their order.
        rooms: Vec<RoomEntry>,
    },
    /// Answers `subscribe`: a barrier, the events of this subscription follow it.
    Subscribed {
        /// That of `subscribe`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Where the stream starts.
        position: Position,
        /// The newest offset; zero without events.
        head: Offset,
        /// The oldest offset that can still be read.
        horizon: Offset,
    },
    /// Answers `unsubscribe`: a barrier, no event of the subscription follows it.
    Unsubscribed {
        /// That of `unsubscribe`.
        id: RequestId,
        /// Which room.
        room: RoomId,
    },
    /// A publish stands in the log.
    Ack(Ack),
    /// A publish never will.
    Refused {
        /// The client's number for it.
        seq: Seq,
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
    },
    /// Contiguous events of a room.
    Events(Events),
    /// Events that the reader will not get, or must drop; its cursor becomes the gap's position.
    Gap {
        /// In which room.
        room: RoomId,
        /// Which, and why.
        gap: Gap,
    },
    /// Answers `history`.
    Page(Box<Page>),
    /// Answers `rooms`.
    RoomList {
        /// That of `rooms`.
        id: RequestId,
        /// The rooms, in the order of ids.
        rooms: Vec<RoomListing>,
        /// More follow this one.
        next: Option<RoomId>,
    },
    /// Answers `room`.
    RoomInfo {
        /// That of `room`.
        id: RequestId,
        /// What it is.
        room: Box<RoomListing>,
    },
    /// Answers `members`.
    MemberList {
        /// That of `members`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Users and their places, in the order of ids.
        members: Vec<(UserId, Member)>,
        /// More follow this one.
        next: Option<UserId>,
    },
    /// Answers `thread`.
    ThreadPage(Box<ThreadPage>),
    /// Answers `profiles`.
    ProfileList {
        /// That of `profiles`.
        id: RequestId,
        /// Of each user that was asked for, in that order.
        profiles: Vec<(UserId, Profile)>,
    },
    /// Answers `contact`.
    Contacts {
        /// That of `contact`.
        id: RequestId,
        /// Who may open a direct room with the user.
        direct: Direct,
        /// Who may not talk to the user, in the order of ids.
        blocked: Vec<UserId>,
    },
    /// Answers `change_user`: it is so, durably.
    Done {
        /// That of `change_user`.
        id: RequestId,
    },
    /// Somebody who shares a room with the user has another profile. In passing: who was away asks.
    Profile {
        /// Who.
        user: UserId,
        /// What others see now.
        profile: Profile,
    },
    /// Somebody said something in passing.
    Signal(Box<Signal>),
    /// A subscription has ended: the user may not read the room any more. All that the user may read was sent before.
    Ended {
        /// Which room.
        room: RoomId,
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
    },
    /// Answers `who`.
    Present {
        /// That of `who`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Users with a session subscribed to it, in the order of ids; cut at a limit.
        users: Vec<UserId>,
        /// How many there are.
        total: u64,
    },
    /// Answers a request that failed, or a frame that was not understood.
    Error {
        /// That of the request, if it had one.
        id: Option<RequestId>,
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
        /// Milliseconds after which to ask again.
        retry_after_ms: Option<u64>,
    },
    /// What this node knows when it is idle.
    Beat {
        /// When it last knew the heads from the store, in milliseconds since the Unix epoch.
        at: u64,
        /// Rooms of which the client has not been sent everything, and their heads.
        lag: Vec<(RoomId, Offset)>,
    },
    /// The last frame of a session.
    Goodbye {
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
        /// Milliseconds after which to come back.
        reconnect_after_ms: Option<u64>,
    },
}

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
}

impl RoomEntry {
    /// A room without a log: nothing of it is read.
    #[must_use]
    pub const fn without_log(room: RoomId) -> Self {
        Self { room, epoch: None, head: Offset::ZERO, horizon: Offset(1) }
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
