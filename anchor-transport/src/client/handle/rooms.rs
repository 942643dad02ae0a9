//! What rooms are: created, changed, archived, deleted.
//!
//! Each is a publish to the room itself ([`RoomChange`]): durable in the outbox, made once, seen by everybody who reads the
//! room. What each role may do stands in `docs/guide/rooms.md`.

use anchor_core::event::{Draft, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::room::RoomKind;
use anchor_core::room::change::{RoomChange, Settings};

use super::{Changing, Client};
use crate::client::error::PublishError;

impl Client {
    /// Creates a room, public or a group, with the user as its owner. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): there is a room of this id (`room_exists`), with settings and owners of
    /// its own: [`Client::room`] tells.
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied` for an id that begins with `@`.
    pub async fn create_room(
        &self,
        room: &RoomId,
        kind: RoomKind,
        settings: Settings,
    ) -> Result<Changing, PublishError> {
        self.change_room(room, &RoomChange::Create { kind, settings, user: None }).await
    }

    /// Changes those settings of a room that are given. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): they are so (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied`, `not_a_member`, `room_archived`, `room_unknown`.
    pub async fn set_room(&self, room: &RoomId, settings: Settings) -> Result<Changing, PublishError> {
        self.change_room(room, &RoomChange::Set(settings)).await
    }

    /// Ends what is said in a room; it can be read. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): it is archived (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::set_room`].
    pub async fn archive_room(&self, room: &RoomId) -> Result<Changing, PublishError> {
        self.change_room(room, &RoomChange::Archive).await
    }

    /// Opens an archived room again. Durable and made once, as [`Client::publish`].
    ///
    /// [`Changed::Already`](super::Changed::Already): it is not archived (`unchanged`).
    ///
    /// # Errors
    /// As [`Client::set_room`].
    pub async fn unarchive_room(&self, room: &RoomId) -> Result<Changing, PublishError> {
        self.change_room(room, &RoomChange::Unarchive).await
    }

    /// Deletes a room with all that was ever said in it; nothing brings it back. Durable and made once, as
    /// [`Client::publish`]. Its readers get a gap (`deleted`), behind which their subscriptions end; the ack tells where the
    /// event would have stood.
    ///
    /// # Errors
    /// As [`Client::publish`]; refused later: `denied` for all but owners and admins, `room_unknown` where there is none.
    pub async fn delete_room(&self, room: &RoomId) -> Result<Changing, PublishError> {
        self.change_room(room, &RoomChange::Delete).await
    }

    /// The direct room with `user`, which comes into being if need be: one that exists (`room_exists`) is as good. Waits for
    /// the server's answer; until that comes the wish is durable in the outbox, as [`Client::publish`].
    ///
    /// # Errors
    /// As [`Client::publish`]; [`PublishError::Refused`] with `denied` where `user` does not take direct messages from this
    /// user, or is blocked by this user.
    pub async fn direct(&self, user: &UserId) -> Result<RoomId, PublishError> {
        let room = RoomId::direct(&self.known_user().await?, user);
        let (kind, settings, user) = (RoomKind::Direct, Settings::default(), Some(user.clone()));
        self.change_room(&room, &RoomChange::Create { kind, settings, user }).await?.await?;
        Ok(room)
    }

    async fn change_room(&self, room: &RoomId, change: &RoomChange) -> Result<Changing, PublishError> {
        self.change(room, Draft { kind: EventKind::ROOM, target: None, body: change.to_body() }).await
    }
}
