//! The handle that applications hold: cheap to clone, each method one command to the driver.

//!
//! What it does, by subject: `publishing` (the outbox), `messages`, `rooms` and `members` (what is published into it),
//! `reading` and `asking` (rooms as they are), `people` (users), `listening` (what comes without being asked for), `attending`
//! (who is there and has read), `consuming` (work taken from the log).

mod asking;
mod attending;
mod consuming;
mod listening;
mod members;
mod messages;
mod people;
mod publishing;
mod reading;
mod rooms;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anchor_core::environment::Environment;
use anchor_core::id::UserId;
use anchor_core::session::frame::Signal;
use anchor_core::user::Profile;
use futures::Stream;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};

pub use messages::Root;
pub use publishing::{Changed, Changing, PublishBody, Publishing};

use super::announcements::Announcements;
use super::answer::ReadTo;
use super::command::{Answer, Command, Patience, Request};
use super::config::ClientConfig;
use super::driver::{self, ClientDriver};
use super::error::{OpenError, PublishError, RequestError};
use super::notice::{ConnectionState, Notice};
use super::notices::Notices;

/// A client of a server, which connects, resumes and resends by itself for as long as a handle of it lives.
///
/// Clones are handles of the same client. When the last handle, [`Subscription`](super::Subscription) and [`Publishing`] of
/// it is dropped, it ends; what is in a durable outbox then stays there for the next start.
///
/// # What is durable
/// Whatever becomes an event (messages and what is done to them, rooms, members) goes through the outbox, as
/// [`Client::publish`] says: once such a call has returned it happens exactly once, in the order of the calls, if the server
/// allows it; the future that it returns says whether it did. Questions and what is kept of users ([`Client::change_user`])
/// are asked now, and again after a reconnect, until their time is over. Signals are said in passing.
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
    /// Who the client speaks as, once that is known.
    pub(super) user: watch::Receiver<Option<UserId>>,
    pub(super) notices: Arc<Notices>,
    /// Held by who waits for the next announcement.
    pub(super) announcements: Arc<tokio::sync::Mutex<Announcements>>,
    /// To be cloned from, never received with.
    pub(super) signals: broadcast::Receiver<Signal>,
    /// As `signals`.
    pub(super) profiles: broadcast::Receiver<(UserId, Profile)>,
    /// As `signals`.
    pub(super) reading: broadcast::Receiver<ReadTo>,
    pub(super) subscription_buffer: usize,
    /// How many subscriptions were asked for.
    pub(super) subscriptions: AtomicU64,
    /// How many rooms were asked to be watched.
    pub(super) watches: AtomicU64,
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

    /// Who this client speaks as: what it was configured with, or what its state or the server said; `None` before that.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.shared.user.borrow().clone()
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

    /// Ends the client: what is queued becomes durable, the directory is free on return. Waits for no ack.
    pub async fn close(&self) {
        let (closed, done) = oneshot::channel();
        if self.commands.send(Command::Close { closed }).await.is_ok() {
            let _ = done.await;
        }
    }

    pub(super) async fn send(&self, command: Command) -> Result<(), RequestError> {
        self.commands.send(command).await.map_err(|_| RequestError::Closed)
    }

    async fn request(&self, request: Request) -> Result<Answer, RequestError> {
        self.ask(|reply| Command::Request { request, patience: Patience::Limited, reply }).await?
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| RequestError::Closed)?;
        answer.await.map_err(|_| RequestError::Closed)
    }

    /// Waits until it is known who this client speaks as.
    async fn known_user(&self) -> Result<UserId, PublishError> {
        let mut user = self.shared.user.clone();
        let mut states = self.shared.states.clone();
        loop {
            if let Some(user) = user.borrow_and_update().clone() {
                return Ok(user);
            }
            if let ConnectionState::Stopped { .. } | ConnectionState::Closed = *states.borrow_and_update() {
                return Err(self.ended());
            }
            // Both are looked at again, whichever it was.
            tokio::select! {
                biased;
                changed = user.changed() => changed.map_err(|_| PublishError::Closed)?,
                changed = states.changed() => changed.map_err(|_| PublishError::Closed)?,
            }
        }
    }

    fn ended(&self) -> PublishError {
        match self.state() {
            ConnectionState::Stopped { code, message } => PublishError::Stopped { code, message },
            _ => PublishError::Closed,
        }
    }
}
