//! Reading rooms: streams, pages, threads, and how far one has read.

use std::sync::atomic::Ordering;

use anchor_core::code::Code;
use anchor_core::id::RoomId;
use anchor_core::limits::HISTORY_EVENTS_MAX;
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::{From, HistoryRange, Page, ThreadPage};
use anchor_core::store::Direction;
use tokio::sync::mpsc;

use super::{Client, Root};
use crate::client::command::{Answer, Command, Patience, Request, SubscriptionId};
use crate::client::error::RequestError;
use crate::client::subscription::{SubscribeOptions, Subscription};
use crate::client::thread::ThreadSubscription;

impl Client {
    /// Reads a room: from a [`From`] on, or as [`SubscribeOptions`] say. Returns at once; the
    /// stream goes on across reconnects without loss or repeat, until the user may not read the room any more.
    ///
    /// A client has one subscription for a room at a time: a second one ends with `already_subscribed`.
    pub async fn subscribe(&self, room: &RoomId, options: impl Into<SubscribeOptions>) -> Subscription {
        let options = options.into();
        let (deliveries, receiver) = mpsc::channel(self.shared.subscription_buffer.max(1));
        let place = self.commands.reserve().await;
        // Nothing may come between the number and the command: every number that was given arrives at the driver.
        let subscription = SubscriptionId(self.shared.subscriptions.fetch_add(1, Ordering::Relaxed) + 1);
        // A client that has ended drops the sender: the stream is at its end.
        if let Ok(place) = place {
            place.send(Command::Subscribe { subscription, room: room.clone(), options, deliveries });
        }
        Subscription::new(subscription, room.clone(), receiver, self.commands.clone())
    }

    /// A page of a room's log, of at most `limit` events, with what later events made of them.
    ///
    /// [`Timeline`](crate::client::Timeline) puts such a page and what comes live together.
    ///
    /// # Errors
    /// [`RequestError`]; asked again after a reconnect until the configured time is over.
    pub async fn history(
        &self,
        room: &RoomId,
        range: HistoryRange,
        limit: u64,
    ) -> Result<Page, RequestError> {
        match self.request(Request::History { room: room.clone(), range, limit }).await? {
            Answer::Page(page) => Ok(page),
            _ => Err(RequestError::Closed),
        }
    }

    /// Replies to the message at `root`, in rising order, at most `limit`: the newest before an offset, or the oldest after one.
    /// [`Client::follow_thread`] goes on with what comes.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn thread(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: u64,
    ) -> Result<ThreadPage, RequestError> {
        match self.request(Request::Thread { room: room.clone(), root, from, limit }).await? {
            Answer::Thread(page) => Ok(page),
            _ => Err(RequestError::Closed),
        }
    }

    /// A page of a thread, however long it takes.
    pub(in crate::client) async fn thread_page(
        &self,
        room: &RoomId,
        root: Offset,
        after: Offset,
    ) -> Result<ThreadPage, RequestError> {
        let limit = HISTORY_EVENTS_MAX as u64;
        let request = Request::Thread { room: room.clone(), root, from: Direction::After(after), limit };
        match self.ask(|reply| Command::Request { request, patience: Patience::Endless, reply }).await?? {
            Answer::Thread(page) => Ok(page),
            _ => Err(RequestError::Closed),
        }
    }

    /// Reads a thread: the message at `root` and the replies to it as they are, then what comes of them. Returns at once; the
    /// stream goes on across reconnects without loss or repeat, until the user may not read the room any more.
    ///
    /// It reads the room to do so: while a client follows a thread, it has no other subscription for that room, and the one
    /// that came second ends with `already_subscribed`. Who reads the room anyway has all that comes of its threads.
    pub async fn follow_thread(&self, room: &RoomId, root: impl Into<Root>) -> ThreadSubscription {
        let live = self.subscribe(room, From::Now).await;
        ThreadSubscription::new(self.clone(), live, root.into())
    }

    /// The position that was saved under `name` for `room`, if one was.
    ///
    /// # Errors
    /// [`RequestError::Closed`].
    pub async fn saved_cursor(&self, name: &str, room: &RoomId) -> Result<Option<Position>, RequestError> {
        let (name, room) = (name.to_owned(), room.clone());
        self.ask(|reply| Command::SavedCursor { name, room, reply }).await
    }

    /// Saves a position under `name` for `room`; returns once it is durable. Concurrent calls share a commit.
    ///
    /// # Errors
    /// [`RequestError::State`] or [`RequestError::Closed`]; [`RequestError::Refused`] for what is no position of any log.
    pub async fn save_cursor(
        &self,
        name: &str,
        room: &RoomId,
        position: Position,
    ) -> Result<(), RequestError> {
        if !position.is_sound() {
            let message =
                "a position above offset 0 has an epoch, and an offset of at most 2^53 - 1".to_owned();
            return Err(RequestError::Refused { code: Code::Invalid, message });
        }
        let (name, room) = (name.to_owned(), room.clone());
        self.ask(|saved| Command::SaveCursor { name, room, position, saved }).await?
    }

    /// Drops the position that was saved under `name` for `room`, as is right once the room was deleted; returns once that
    /// is durable. One that is not there is no error.
    ///
    /// # Errors
    /// [`RequestError::State`] or [`RequestError::Closed`].
    pub async fn forget_cursor(&self, name: &str, room: &RoomId) -> Result<(), RequestError> {
        let (name, room) = (name.to_owned(), room.clone());
        self.ask(|forgotten| Command::ForgetCursor { name, room, forgotten }).await?
    }
}
