//! A group with an owner, a moderator and a member, for the rules that need one.

use super::{Author, ack_of, append_one, room, user};
use crate::id::RoomId;
use crate::publish::Ack;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::room::{Role, RoomKind};
use crate::store::Store;

/// The group, and those in it. Its log has five events.
pub(super) struct Club {
    pub(super) room: RoomId,
    /// The owner.
    pub(super) ada: Author,
    /// The moderator.
    pub(super) bob: Author,
    /// A member.
    pub(super) eve: Author,
}

impl Club {
    /// Founds the group `name`.
    pub(super) async fn found(store: &dyn Store, name: &str) -> Self {
        // Each club is founded with clients of its own, so that several stand beside each other.
        let installation = blake3::hash(name.as_bytes()).as_bytes()[0];
        let mut club = Self {
            room: room(name),
            ada: Author::open(store, "ada", installation).await,
            bob: Author::open(store, "bob", installation).await,
            eve: Author::open(store, "eve", installation).await,
        };
        let Self { room, ada, bob, eve } = &mut club;
        let create = RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None };
        drop(ack_of(append_one(store, ada.room(room, &create)).await));
        for (other, role) in [(bob, Role::Moderator), (eve, Role::Member)] {
            let invite = MembershipChange::Invite { user: other.user().clone(), role: Some(role) };
            drop(ack_of(append_one(store, ada.membership(room, &invite)).await));
            drop(ack_of(append_one(store, other.membership(room, &MembershipChange::Accept)).await));
        }
        club
    }

    /// The owner changes who belongs to the group.
    pub(super) async fn change(&mut self, store: &dyn Store, change: &MembershipChange) -> Ack {
        ack_of(append_one(store, self.ada.membership(&self.room, change)).await)
    }

    /// The owner changes the group.
    pub(super) async fn set(&mut self, store: &dyn Store, change: &RoomChange) -> Ack {
        ack_of(append_one(store, self.ada.room(&self.room, change)).await)
    }
}

pub(super) fn ban(name: &str) -> MembershipChange {
    MembershipChange::Ban { user: user(name) }
}

pub(super) fn kick(name: &str) -> MembershipChange {
    MembershipChange::Kick { user: user(name) }
}

pub(super) fn invite(name: &str) -> MembershipChange {
    MembershipChange::Invite { user: user(name), role: None }
}
