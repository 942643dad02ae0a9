//! The frames of a server.

use super::{
    Consumed, ConsumerListing, DeadLetter, Events, Page, Receipt, RequestId, RoomEntry, RoomListing,
    Sighting, Signal, ThreadPage, Watching, WebhookListing, Welcome,
};
use crate::code::Code;
use crate::cursor::Readers;
use crate::engine::ConsumerName;
use crate::event::EventKey;
use crate::id::{RoomId, Seq, UserId};
use crate::position::{Offset, Position};
use crate::publish::Ack;
use crate::resume::Gap;
use crate::room::Member;
use crate::search::Found;
use crate::user::{Direct, Profile, ReadReceipts};

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
        /// Whether others are told how far the user has read.
        receipts: ReadReceipts,
    },
    /// Answers what changes something: it is so, durably.
    Done {
        /// That of the request.
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
    /// How far users have come in a room: the user's own cursors, and those of others in a room that is watched.
    Receipts {
        /// In which room.
        room: RoomId,
        /// Whose have moved, and where they are.
        receipts: Vec<Receipt>,
    },
    /// Who comes and goes in a room that is watched.
    Presence {
        /// In which room.
        room: RoomId,
        /// Whose has changed, and what it is.
        sightings: Vec<Sighting>,
        /// Users that are online.
        online: u64,
        /// Users that are away.
        away: u64,
    },
    /// Who types in a room that is watched.
    Typing {
        /// In which room.
        room: RoomId,
        /// All who do, but the user; cut at [`crate::limits::TYPING_USERS_MAX`].
        users: Vec<UserId>,
    },
    /// Answers `search`.
    Found {
        /// That of `search`.
        id: RequestId,
        /// What was found.
        found: Box<Found>,
    },
    /// Answers `readers`.
    ReadBy {
        /// That of `readers`.
        id: RequestId,
        /// Which room.
        room: RoomId,
        /// Of each event that was asked for, in that order.
        readers: Vec<(Offset, Readers)>,
    },
    /// Answers `watch`.
    Watching(Box<Watching>),
    /// Answers `unwatch`, or ends the watching by itself: nothing of it follows.
    Unwatched {
        /// That of `unwatch`, if that is why.
        id: Option<RequestId>,
        /// Which room.
        room: RoomId,
    },
    /// Answers `consume`.
    Consumed(Box<Consumed>),
    /// Answers `consumers`.
    ConsumerList {
        /// That of `consumers`.
        id: RequestId,
        /// The consumers, in the order of names.
        consumers: Vec<ConsumerListing>,
        /// More follow this one.
        next: Option<ConsumerName>,
    },
    /// Answers `webhooks`.
    WebhookList {
        /// That of `webhooks`.
        id: RequestId,
        /// The webhooks, in the order of names.
        webhooks: Vec<WebhookListing>,
        /// More follow this one.
        next: Option<ConsumerName>,
    },
    /// Answers `dead_letters`.
    DeadLetterList {
        /// That of `dead_letters`.
        id: RequestId,
        /// Which webhook.
        name: ConsumerName,
        /// The letters, in the order of keys.
        letters: Vec<DeadLetter>,
        /// More follow this one.
        next: Option<EventKey>,
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
