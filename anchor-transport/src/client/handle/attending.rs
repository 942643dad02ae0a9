//! Being there: how far the user has read, who else has, who is there and who types; and the user's own log.

use std::sync::atomic::Ordering;

use anchor_core::cursor::Readers;
use anchor_core::id::RoomId;
use anchor_core::limits::READERS_OFFSETS_MAX;
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::{From, Presence};
use anchor_core::user::{ReadReceipts, UserChange};
use futures::Stream;
use tokio::sync::watch;

use super::Client;
use super::listening::passing;
use crate::client::answer::ReadTo;
use crate::client::command::{Answer, Command, Request, WatchId};
use crate::client::error::{PublishError, RequestError};
use crate::client::subscription::Subscription;
use crate::client::watched::RoomWatch;

impl Client {
    /// The user has read everything in a room up to `position`. Told to the server at most once a second, again with each session
    /// until it is durable there, and forgotten with this process.
    ///
    /// What this client has *taken* of the rooms that it is subscribed to it tells by itself, unless
    /// [`ClientConfig::without_receipts`](crate::client::ClientConfig::without_receipts) says otherwise.
    ///
    /// # Errors
    /// [`RequestError::Closed`].
    pub async fn read(&self, room: &RoomId, position: Position) -> Result<(), RequestError> {
        self.send(Command::Read { room: room.clone(), position }).await
    }

    /// How far the user has read in rooms, from now on: of the rooms that a session resumes as it begins, then whenever one of
    /// the user's clients has read on. A slow taker misses the oldest.
    pub fn reading(&self) -> impl Stream<Item = ReadTo> + Send + Unpin + use<> {
        passing(self.shared.reading.resubscribe())
    }

    /// Follows who has read, is there and types in a room, as long as the stream lives. A client watches a room once: a second
    /// stream ends with `already_subscribed`.
    pub async fn watch(&self, room: &RoomId) -> RoomWatch {
        let (told, receiver) = watch::channel(None);
        let watch = WatchId(self.shared.watches.fetch_add(1, Ordering::Relaxed));
        // A client that has ended drops the sender: the stream is at its end.
        let _ = self.commands.send(Command::Watch { watch, room: room.clone(), told }).await;
        RoomWatch::new(watch, room.clone(), receiver, self.commands.clone())
    }

    /// How many users have come to each of `offsets`, in any room, however large.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn readers(
        &self,
        room: &RoomId,
        offsets: &[Offset],
    ) -> Result<Vec<(Offset, Readers)>, RequestError> {
        let mut known = Vec::with_capacity(offsets.len());
        for offsets in offsets.chunks(READERS_OFFSETS_MAX) {
            match self.request(Request::Readers { room: room.clone(), offsets: offsets.to_vec() }).await? {
                Answer::Readers(readers) => known.extend(readers),
                _ => return Err(RequestError::Closed),
            }
        }
        Ok(known)
    }

    /// How the user is there, as far as this client goes: [`Presence::Online`], as at first, or [`Presence::Away`]. Said again
    /// with each session. [`Presence::Offline`] is for who closes the client, and counts as away.
    ///
    /// # Errors
    /// [`RequestError::Closed`].
    pub async fn set_presence(&self, presence: Presence) -> Result<(), RequestError> {
        self.send(Command::Presence(presence)).await
    }

    /// The user types in a room: called with each key, told to others at most every three seconds, over by itself five seconds
    /// after the last.
    ///
    /// # Errors
    /// [`RequestError::Closed`].
    pub async fn typing(&self, room: &RoomId) -> Result<(), RequestError> {
        self.send(Command::Typing { room: room.clone(), typing: true }).await
    }

    /// The user has stopped typing in a room without saying anything.
    ///
    /// # Errors
    /// [`RequestError::Closed`].
    pub async fn stopped_typing(&self, room: &RoomId) -> Result<(), RequestError> {
        self.send(Command::Typing { room: room.clone(), typing: false }).await
    }

    /// Says whether others are told how far the user has read, as [`Client::change_user`].
    ///
    /// # Errors
    /// As [`Client::change_user`].
    pub async fn show_read_receipts(&self, receipts: ReadReceipts) -> Result<(), RequestError> {
        self.change_user(UserChange::Receipts(receipts)).await
    }

    /// The user's own log: what concerns the user in all rooms, mentions above all. A room like any other:
    /// [`Entry::from_body`](anchor_core::engine::Entry::from_body) reads what its messages say, and [`Client::read`] says how
    /// many of them the user has seen.
    ///
    /// # Errors
    /// [`PublishError::Stopped`], [`PublishError::Closed`] where it does not become known who this client speaks as.
    pub async fn own_log(&self, from: From) -> Result<Subscription, PublishError> {
        let room = RoomId::own_log(&self.known_user().await?);
        Ok(self.subscribe(&room, from).await)
    }
}
