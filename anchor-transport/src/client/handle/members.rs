//! Who belongs to rooms: invitations, joining and leaving, removal, bans, muting, roles.
//!
//! Each is a publish to the room itself ([`MembershipChange`]): durable in the outbox, made once, seen by everybody who reads
//! the room. What each role may do stands in `docs/guide/rooms.md`.

use anchor_core::event::{Draft, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::room::Role;
use anchor_core::room::change::MembershipChange;

use super::{Changing, Client};
use crate::client::error::PublishError;

impl Client {
    /// Asks a user into a room, with a role or the room's default one. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is a member, or is invited with this role (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied` (the user is banned, or one's role does not let one), `not_a_member`, `room_archived`.
    pub async fn invite(
        &self,
        room: &RoomId,
        user: &UserId,
        role: Option<Role>,
    ) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Invite { user: user.clone(), role }).await
    }

    /// Takes an invitation. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is a member (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `not_a_member` where there is no invitation, `room_banned`, `room_archived`, `full`.
    pub async fn accept(&self, room: &RoomId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Accept).await
    }

    /// Turns an invitation down. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): there is none (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`.
    pub async fn decline(&self, room: &RoomId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Decline).await
    }

    /// Becomes a member of a public room. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is a member (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `not_a_member` for a room that is joined by invitation, `room_banned`, `room_archived`, `room_unknown`, `full`.
    pub async fn join(&self, room: &RoomId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Join).await
    }

    /// Is no member of a room any more. Its readers with this user get the event with which that happened as their last. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is no member (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`, for the last owner or in a direct room.
    pub async fn leave(&self, room: &RoomId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Leave).await
    }

    /// Removes a member, who may come again. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is no member (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`, `not_a_member`.
    pub async fn kick(&self, room: &RoomId, user: &UserId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Kick { user: user.clone() }).await
    }

    /// Removes a user, who may not come again. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is banned (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`, `not_a_member`.
    pub async fn ban(&self, room: &RoomId, user: &UserId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Ban { user: user.clone() }).await
    }

    /// Lets a banned user come again, who is no member by that. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is not banned (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`, `not_a_member`.
    pub async fn unban(&self, room: &RoomId, user: &UserId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Unban { user: user.clone() }).await
    }

    /// Takes a member's word away, until [`Client::unmute`]. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is muted (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`, `not_a_member`.
    pub async fn mute(&self, room: &RoomId, user: &UserId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Mute { user: user.clone() }).await
    }

    /// Gives a member the word again. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user is not muted (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`, `not_a_member`.
    pub async fn unmute(&self, room: &RoomId, user: &UserId) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Unmute { user: user.clone() }).await
    }

    /// Gives a member another role. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): the user has it (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`, `not_a_member`.
    pub async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<Changing, PublishError> {
        self.change_member(room, &MembershipChange::Role { user: user.clone(), role }).await
    }

    async fn change_member(
        &self,
        room: &RoomId,
        change: &MembershipChange,
    ) -> Result<Changing, PublishError> {
        self.change(room, Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() }).await
    }
}
