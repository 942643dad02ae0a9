//! Rooms of two: who they are, and that nobody else has anything in them.

use std::time::Duration;

use anchor_core::event::{Body, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::room::RoomKind;
use anchor_core::room::change::RoomChange;

use super::ledger::Life;

/// Two users who may talk to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The two.
    pub users: [UserId; 2],
    /// Their room.
    pub room: RoomId,
    /// When both sides open it for the first time, at the same moment.
    pub opens_at: Duration,
}

impl Pair {
    /// The room of `one` and `other`.
    #[must_use]
    pub fn new(one: &UserId, other: &UserId, opens_at: Duration) -> Self {
        Self { users: [one.clone(), other.clone()], room: RoomId::direct(one, other), opens_at }
    }

    /// The other of the two; none for anybody else.
    #[must_use]
    pub fn other_than(&self, user: &UserId) -> Option<&UserId> {
        let [one, other] = &self.users;
        match (user == one, user == other) {
            (true, _) => Some(other),
            (_, true) => Some(one),
            _ => None,
        }
    }
}

/// What is in a direct room that must not be: it begins with one of its users opening it, once, for the other, and only
/// the two say anything in it.
pub(super) fn defects(room: &RoomId, life: &Life) -> Vec<String> {
    let mut broken = Vec::new();
    let mut users: Option<[UserId; 2]> = None;
    for event in life.prefix().map(|known| &known.event) {
        let (user, offset) = (&event.user, event.offset);
        let change = event.body.as_ref().filter(|_| event.kind == EventKind::ROOM).map(RoomChange::from_body);
        match (&users, change) {
            (None, Some(Ok(RoomChange::Create { kind: RoomKind::Direct, user: Some(other), .. })))
                if RoomId::direct(user, &other) == *room =>
            {
                users = Some([user.clone(), other]);
            }
            (None, _) => broken.push(format!("{offset} of {room} does not open it, and nobody did before")),
            (Some(_), Some(Ok(RoomChange::Create { .. }))) => {
                broken.push(format!("{room} was opened anew at {offset}, and was there"));
            }
            // Admins archive rooms.
            (Some(_), Some(Ok(RoomChange::Archive | RoomChange::Unarchive))) => {}
            (Some(users), _) if users.contains(user) => {}
            (Some(users), _) => {
                let what = event.body.as_ref().and_then(Body::as_text);
                broken.push(format!("{user} said {what:?} at {offset} of {room}, where {users:?} talk"));
            }
        }
    }
    broken
}
