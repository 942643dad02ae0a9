//! What questions to the server are answered with, where the protocol's own types say more than an application needs.

use anchor_core::id::{RoomId, UserId};
use anchor_core::room::Member;
use anchor_core::session::frame::RoomListing;

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
pub struct Presence {
    /// Users with a session subscribed to the room, in the order of ids; cut at a limit of the server.
    pub users: Vec<UserId>,
    /// How many there are.
    pub total: u64,
}
