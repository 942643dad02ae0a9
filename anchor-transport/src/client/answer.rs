//! What questions to the server are answered with, where the protocol's own types say more than an application needs.

use std::collections::BTreeSet;

use anchor_core::engine::ConsumerName;
use anchor_core::event::EventKey;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Offset, Ordinal};
use anchor_core::room::Member;
use anchor_core::session::frame::{ConsumerListing, DeadLetter, RoomListing, WebhookListing};
use anchor_core::user::{Direct, ReadReceipts};

/// The answer to [`super::Client::rooms`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPage {
    /// The rooms, in the order of their ids.
    pub rooms: Vec<RoomListing>,
    /// After which one to ask for more; `None` at the end. There may be more although this page has none.
    pub next: Option<RoomId>,
}

/// The answer to [`super::Client::members`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPage {
    /// Users and their places in the room, in the order of user ids: those who have joined or are invited; to moderators
    /// also those who left, were removed or are banned.
    pub members: Vec<(UserId, Member)>,
    /// After which one to ask for more; `None` at the end. There may be more although this page has none.
    pub next: Option<UserId>,
}

/// The answer to [`super::Client::who`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Users with a session subscribed to the room, in the order of ids; cut at a limit of the server.
    pub users: Vec<UserId>,
    /// How many there are.
    pub total: u64,
}

/// The answer to [`super::Client::contact`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contacts {
    /// Who may open a direct room with the user.
    pub direct: Direct,
    /// Who may not talk to the user.
    pub blocked: BTreeSet<UserId>,
    /// Whether others are told how far the user has read.
    pub receipts: ReadReceipts,
}

/// How far the user has read in a room, over all of the user's clients. See [`super::Client::reading`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadTo {
    /// Which room.
    pub room: RoomId,
    /// The newest event that the user has read, with all before it.
    pub read: Offset,
    /// Messages up to `read`, where that is told: what is unread is the ordinal of the newest event less this.
    pub ordinal: Option<Ordinal>,
    /// Messages behind `read`, as a session began with them.
    pub unread: Option<u64>,
}

/// The answer to [`super::Client::consumers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPage {
    /// The consumers, in the order of their names.
    pub consumers: Vec<ConsumerListing>,
    /// After which one to ask for more; `None` at the end.
    pub next: Option<ConsumerName>,
}

/// The answer to [`super::Client::webhooks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPage {
    /// The webhooks, in the order of their names.
    pub webhooks: Vec<WebhookListing>,
    /// After which one to ask for more; `None` at the end.
    pub next: Option<ConsumerName>,
}

/// The answer to [`super::Client::dead_letters`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// The letters, in the order of their keys.
    pub letters: Vec<DeadLetter>,
    /// After which one to ask for more; `None` at the end.
    pub next: Option<EventKey>,
}
