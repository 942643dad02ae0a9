//! The handle that applications hold: cheap to clone, each method one command to the driver.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use anchor_core::code::Code;
use anchor_core::environment::Environment;
use anchor_core::event::{Body, Draft};
use anchor_core::id::{RoomId, Seq, UserId};
use anchor_core::limits::BODY_BYTES_MAX;
use anchor_core::position::Position;
use anchor_core::publish::{Ack, Refusal};
use anchor_core::session::frame::{From, HistoryRange, Page, RoomEntry};
use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::command::{Answer, Command, Request, SubscriptionId};
use super::config::ClientConfig;
use super::driver::{self, ClientDriver};
use super::error::{OpenError, PublishError, RequestError};
use super::notice::{ConnectionState, Notice, Undecided, UndecidedId};
use super::notices::Notices;
use super::subscription::Subscription;

/// A client of a server, which connects, resumes and resends by itself for as long as a handle of it lives.
///
/// Clones are handles of the same client. When the last handle, [`Subscription`] and [`Publishing`] of it is dropped,
/// it ends; what is in a durable outbox then stays there for the next start.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

/// What handles and driver share beside the commands.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) places: Arc<Semaphore>,
    pub(super) pending: watch::Receiver<usize>,
    pub(super) current: watch::Receiver<Option<Current>>,
    pub(super) states: watch::Receiver<ConnectionState>,
    pub(super) notices: Arc<Notices>,
    pub(super) subscription_buffer: usize,
    /// How many subscriptions were asked for.
    pub(super) subscriptions: AtomicU64,
    /// Held by one publish at a time on its way to the driver, so that they arrive in the order of their calls.
    pub(super) line: tokio::sync::Mutex<()>,
}

/// What a beat said, and of how many subscriptions (since the client was opened) it was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current {
    pub(super) as_of: u64,
    pub(super) subscriptions: u64,
}

impl Client {
    /// Opens the state, takes the lock of its directory, and starts to connect on the current tokio runtime.
    ///
    /// Returns without waiting for the server: see [`Client::states`]. Blocks briefly on the directory's files.
    ///
    /// # Errors
    /// [`OpenError`]: the address or the state cannot be used. A server that is away is no error here.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(config: ClientConfig, env: impl Environment) -> Result<Self, OpenError> {
        Self::open_shared(config, Arc::new(env))
    }

    /// As [`Client::open`], with an environment that is shared already.
    ///
    /// # Errors
    /// As [`Client::open`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open_shared(config: ClientConfig, env: Arc<dyn Environment>) -> Result<Self, OpenError> {
        let (client, driver) = Self::open_driven(config, env)?;
        tokio::spawn(driver);
        Ok(client)
    }

    /// As [`Client::open_shared`], with the driving left to the caller, on whatever polls futures: nothing happens but
    /// while the driver is polled. Needs no runtime, unless the configuration does: [`super::DialTcp`] and a state
    /// directory are tokio's.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub fn open_driven(
        config: ClientConfig,
        env: Arc<dyn Environment>,
    ) -> Result<(Self, ClientDriver), OpenError> {
        let (shared, commands, driver) = driver::open(config, env)?;
        Ok((Self { shared: Arc::new(shared), commands }, driver))
    }

    /// Puts a publish into the outbox and returns once it is on disk there (at once where the state is in memory).
    ///
    /// It is sent in the order of the calls (in which they are first polled, where several run at once), now or whenever
    /// there is a server, and appended exactly once. Waits while the outbox is full. The future that it returns resolves
    /// with the ack. Calls that run at once share a commit: many lines want many calls in flight.
    ///
    /// # Errors
    /// - [`PublishError::Refused`]: the body is larger than any server takes, or the target is no event's offset.
    /// - [`PublishError::Stopped`], [`PublishError::Closed`], [`PublishError::Outbox`]: it was not queued.
    ///
    /// # Cancellation
    /// Dropping the future may or may not have queued it.
    pub async fn publish(
        &self,
        room: &RoomId,
        draft: impl Into<PublishBody>,
    ) -> Result<Publishing, PublishError> {
        let PublishBody(draft) = draft.into();
        if draft.body.bytes().len() > BODY_BYTES_MAX {
            let message =
                format!("a body has at most {BODY_BYTES_MAX} bytes, this one {}", draft.body.bytes().len());
            return Err(PublishError::Refused(Refusal::new(Code::BodyTooLarge, message)));
        }
        if !draft.is_sound() {
            let message = "an event is about an offset from 1 to 2^53 - 1";
            return Err(PublishError::Refused(Refusal::new(Code::Invalid, message)));
        }
        let room = room.clone();
        self.queue(|place, queued, settled| Command::Publish { room, draft, place, queued, settled }).await
    }

    /// Reads a room from `from` on. Returns at once; the stream goes on across reconnects without loss or repeat.
    ///
    /// A client has one subscription for a room at a time: a second one ends with `already_subscribed`.
    pub async fn subscribe(&self, room: &RoomId, from: From) -> Subscription {
        let (deliveries, receiver) = mpsc::channel(self.shared.subscription_buffer.max(1));
        let place = self.commands.reserve().await;
        // Nothing may come between the number and the command: every number that was given arrives at the driver.
        let subscription = SubscriptionId(self.shared.subscriptions.fetch_add(1, Ordering::Relaxed) + 1);
        // A client that has ended drops the sender: the stream is at its end.
        if let Ok(place) = place {
            place.send(Command::Subscribe { subscription, room: room.clone(), from, deliveries });
        }
        Subscription::new(subscription, room.clone(), receiver, self.commands.clone())
    }

    /// A page of a room's log, of at most `limit` events.
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
            Answer::Rooms { .. } | Answer::Presence(_) => Err(RequestError::Closed),
        }
    }

    /// The rooms after `after` in the order of their ids, at most `limit`, and after which one more follow.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn rooms(&self, after: Option<&RoomId>, limit: u64) -> Result<RoomPage, RequestError> {
        match self.request(Request::Rooms { after: after.cloned(), limit }).await? {
            Answer::Rooms { rooms, next } => Ok(RoomPage { rooms, next }),
            Answer::Page(_) | Answer::Presence(_) => Err(RequestError::Closed),
        }
    }

    /// Who is subscribed to a room now.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn who(&self, room: &RoomId) -> Result<Presence, RequestError> {
        match self.request(Request::Who { room: room.clone() }).await? {
            Answer::Presence(presence) => Ok(presence),
            Answer::Page(_) | Answer::Rooms { .. } => Err(RequestError::Closed),
        }
    }

    /// How the connection stands: first as it is now, then each change. A slow reader sees the newest only.
    pub fn states(&self) -> impl Stream<Item = ConnectionState> + Send + Unpin + use<> {
        let mut states = self.shared.states.clone();
        states.mark_changed();
        Box::pin(futures::stream::unfold(states, async |mut states| {
            states.changed().await.ok()?;
            let state = states.borrow_and_update().clone();
            Some((state, states))
        }))
    }

    /// How the connection stands now.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.shared.states.borrow().clone()
    }

    /// When everything that is subscribed was last known to be complete: milliseconds since the Unix epoch, by the clock of
    /// the server's store, told when the connection is idle. `None` before the first time, and from a new subscription on
    /// until it is told of that room, too.
    ///
    /// A room that was quiet all night and one whose news have not arrived look the same otherwise.
    #[must_use]
    pub fn current_as_of(&self) -> Option<u64> {
        let current = (*self.shared.current.borrow())?;
        (current.subscriptions == self.shared.subscriptions.load(Ordering::Relaxed)).then_some(current.as_of)
    }

    /// What concerns no call of this process. Kept, within bounds, from the opening until somebody takes it; each notice
    /// goes to one taker.
    pub fn notices(&self) -> impl Stream<Item = Notice> + Send + Unpin + use<> {
        let notices = self.shared.notices.clone();
        Box::pin(futures::stream::unfold(notices, async |notices| {
            let notice = notices.next().await?;
            Some((notice, notices))
        }))
    }

    /// How many publishes are in the outbox, unanswered.
    #[must_use]
    pub fn pending(&self) -> usize {
        *self.shared.pending.borrow()
    }

    /// Waits until every publish in the outbox is answered.
    ///
    /// # Errors
    /// [`PublishError::Closed`] or [`PublishError::Stopped`] if that cannot happen any more.
    pub async fn flushed(&self) -> Result<(), PublishError> {
        let mut pending = self.shared.pending.clone();
        let mut states = self.shared.states.clone();
        loop {
            if *pending.borrow_and_update() == 0 {
                return Ok(());
            }
            match states.borrow_and_update().clone() {
                ConnectionState::Stopped { code, message } => {
                    return Err(PublishError::Stopped { code, message });
                }
                ConnectionState::Closed => return Err(PublishError::Closed),
                _ => {}
            }
            // Both are looked at again, whichever it was.
            tokio::select! {
                biased;
                changed = pending.changed() => changed.map_err(|_| PublishError::Closed)?,
                changed = states.changed() => changed.map_err(|_| PublishError::Closed)?,
            }
        }
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

    /// The publishes that only a person can decide about, oldest first.
    ///
    /// # Errors
    /// [`RequestError::Closed`].
    pub async fn undecided(&self) -> Result<Vec<Undecided>, RequestError> {
        self.ask(|reply| Command::Undecided { reply }).await
    }

    /// Sends an undecided publish as a new one, behind everything that is queued.
    ///
    /// # Errors
    /// As [`Client::publish`]; [`PublishError::Unconfirmed`] if nothing undecided has this id.
    pub async fn resend(&self, id: UndecidedId) -> Result<Publishing, PublishError> {
        self.queue(|place, queued, settled| Command::Resend { id, place, queued, settled }).await
    }

    /// Gives an undecided publish up; one that is decided already is no error.
    ///
    /// # Errors
    /// [`RequestError::State`] or [`RequestError::Closed`].
    pub async fn discard(&self, id: UndecidedId) -> Result<(), RequestError> {
        self.ask(|done| Command::Discard { id, done }).await?
    }

    /// Ends the client: what is queued becomes durable, the directory is free on return. Waits for no ack.
    pub async fn close(&self) {
        let (closed, done) = oneshot::channel();
        if self.commands.send(Command::Close { closed }).await.is_ok() {
            let _ = done.await;
        }
    }

    async fn queue(
        &self,
        command: impl FnOnce(OwnedSemaphorePermit, QueuedSender, SettledSender) -> Command,
    ) -> Result<Publishing, PublishError> {
        let (queued, queued_at) = oneshot::channel();
        let (settled, outcome) = oneshot::channel();
        {
            let _first_in_line = self.shared.line.lock().await;
            let place = self.shared.places.clone().acquire_owned().await.map_err(|_| self.ended())?;
            self.commands.send(command(place, queued, settled)).await.map_err(|_| self.ended())?;
        }
        let seq = queued_at.await.map_err(|_| self.ended())??;
        Ok(Publishing { seq, outcome, client: self.clone() })
    }

    async fn request(&self, request: Request) -> Result<Answer, RequestError> {
        self.ask(|reply| Command::Request { request, reply }).await?
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| RequestError::Closed)?;
        answer.await.map_err(|_| RequestError::Closed)
    }

    fn ended(&self) -> PublishError {
        match self.state() {
            ConnectionState::Stopped { code, message } => PublishError::Stopped { code, message },
            _ => PublishError::Closed,
        }
    }
}

type QueuedSender = oneshot::Sender<Result<Seq, PublishError>>;
type SettledSender = oneshot::Sender<Result<Ack, PublishError>>;

/// A queued publish: resolves with its ack, however many reconnects that takes.
///
/// Dropping it does not take the publish back.
#[must_use = "a publish may be refused"]
#[derive(Debug)]
pub struct Publishing {
    seq: Seq,
    outcome: oneshot::Receiver<Result<Ack, PublishError>>,
    client: Client,
}

impl Publishing {
    /// The number it was queued under. A client that turns out to be a copy of another may send it under a new one.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }
}

impl Future for Publishing {
    type Output = Result<Ack, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(context));
        Poll::Ready(outcome.unwrap_or_else(|_| Err(self.client.ended())))
    }
}

/// What [`Client::publish`] takes: a [`Draft`], or a text or [`Body`] that becomes a message.
#[derive(Clone, Debug)]
pub struct PublishBody(Draft);

impl std::convert::From<Draft> for PublishBody {
    fn from(draft: Draft) -> Self {
        Self(draft)
    }
}

impl std::convert::From<Body> for PublishBody {
    fn from(body: Body) -> Self {
        Self(Draft::message(body))
    }
}

impl std::convert::From<&str> for PublishBody {
    fn from(text: &str) -> Self {
        Self(Draft::message(text))
    }
}

impl std::convert::From<String> for PublishBody {
    fn from(text: String) -> Self {
        Self(Draft::message(text))
    }
}

/// The answer to [`Client::rooms`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPage {
    /// The rooms, in the order of their ids.
    pub rooms: Vec<RoomEntry>,
    /// After which one to ask for more; `None` at the end.
    pub next: Option<RoomId>,
}

/// The answer to [`Client::who`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Users with a session subscribed to the room, in the order of ids; cut at a limit of the server.
    pub users: Vec<UserId>,
    /// How many there are.
    pub total: u64,
}
