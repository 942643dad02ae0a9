//! The engine: ties a store, a bus and an environment into rooms that can be published to and read.
//!
//! ```text
//! publish ──▶ Store::append ──▶ commit ──▶ CommitObserver ──▶ tails ──▶ mailboxes wake ──▶ feeds read at their cursors
//!                    │                             └────────▶ Bus, for other nodes
//!                    └────────▶ outcome
//! ```
//!
//! Nothing here runs by itself: futures are polled by their callers, and [`Anchor::maintain`] by the host.

mod asking;
mod attend;
mod builder;
mod changes;
mod consumers;
mod due;
mod ear;
mod errands;
mod feed;
mod history;
mod hook;
mod joins;
mod joint;
mod line;
mod listing;
mod mailbox;
mod members;
mod open;
mod own_log;
mod passing;
mod permit;
mod prepare;
mod presence;
mod profiles;
mod publisher;
mod receipts;
mod redacted;
mod retention;
mod rulings;
mod searching;
mod sessions;
mod signals;
mod subscription;
mod tail;
mod tails;
mod thread;
mod typing;
mod unread;
mod watched;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, Shared, join};

pub use self::builder::AnchorBuilder;
pub(crate) use self::consumers::Claim;
use self::consumers::Consumers;
pub use self::consumers::{
    Begin, CONSUMER_NAME_BYTES_MAX, Consumer, ConsumerError, ConsumerId, ConsumerInfo, ConsumerName,
    Interest, InvalidConsumerName, Scope, Series, Taken, Whose,
};
use self::due::Due;
use self::errands::Errands;
pub use self::feed::{Feed, Step};
use self::hook::Hooked;
pub use self::hook::{Hook, HookFailure, Proposal, Ruling};
pub use self::listing::Part;
pub use self::mailbox::{Mailbox, Notice, Post, Slot, Watcher};
pub use self::open::{Opened, Verified};
pub use self::own_log::{ENTRY_CONTENT_TYPE, Entry, EntryKind};
pub use self::passing::Passing;
pub use self::permit::ReadError;
pub(crate) use self::prepare::decided_before;
pub use self::profiles::Introduction;
pub use self::publisher::{PublishError, Publisher};
use self::receipts::Moves;
use self::retention::Walk;
use self::rulings::Rulings;
use self::sessions::Sessions;
pub use self::sessions::{Drain, SessionGuard};
pub use self::subscription::{Delivery, Events, Subscription};
use self::tails::Tails;
use self::watched::Watched;
pub use self::watched::{News, RoomWatch};
use crate::bus::Bus;
use crate::environment::{Environment, Monotonic};
use crate::id::{ClientId, ClientKey, RoomId, UserId};
use crate::limits::HEADS_POLL;
use crate::position::{Epoch, Offset};
use crate::publish::{MissingRoom, Outcome, Publish};
use crate::sabotage::{self, Sabotage};
use crate::search::Search;
use crate::session::Identity;
use crate::session::frame::From;
use crate::store::{ClientState, Readiness, Store, StoreError};
use crate::webhooks::Webhooks;

/// Durable chat, embedded: rooms to publish to and to subscribe to. Clones share.
#[derive(Clone, Debug)]
pub struct Anchor(Arc<Engine>);

#[derive(Debug)]
struct Engine {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    env: Arc<dyn Environment>,
    missing_room: MissingRoom,
    heartbeat: Duration,
    hooked: Option<Hooked>,
    search: Option<Arc<dyn Search>>,
    webhooks: Option<Arc<dyn Webhooks>>,
    rulings: Arc<Rulings>,
    tails: Tails,
    sessions: Sessions,
    errands: Errands,
    consumers: Consumers,
    /// They are derived by whoever maintains this.
    own_logs: bool,
    moves: Moves,
    watched: Watched,
    due: Arc<Due>,
    /// When the heads were last known from the store, in milliseconds since the Unix epoch.
    heads_known_at: AtomicU64,
    failed: Shared<oneshot::Receiver<()>>,
}

impl Anchor {
    /// Begins to put an engine together from a store and an environment.
    pub fn builder(store: impl Store, env: impl Environment) -> AnchorBuilder {
        AnchorBuilder::new(Arc::new(store), Arc::new(env))
    }

    /// As [`Anchor::builder`], for parts that are shared already.
    #[must_use]
    pub fn builder_shared(store: Arc<dyn Store>, env: Arc<dyn Environment>) -> AnchorBuilder {
        AnchorBuilder::new(store, env)
    }

    /// A client of this process that publishes without a connection: allocates and orders its seqs.
    ///
    /// A program without a durable outbox of its own takes a new `id` at every start. [`Publisher::as_admin`] lets it act for
    /// an admin of the server.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot open the client.
    pub async fn client(&self, user: UserId, id: ClientId) -> Result<Publisher, StoreError> {
        Publisher::open(self.clone(), ClientKey { user, id }).await
    }

    /// Reads a room from `from` on, for ever, as the host itself, who may read everything: what is there, and what comes.
    ///
    /// # Errors
    /// [`ReadError`] if the room cannot be read.
    pub async fn subscribe(&self, room: &RoomId, from: From) -> Result<Subscription, ReadError> {
        Subscription::open(self.clone(), room, from, None).await
    }

    /// As [`Anchor::subscribe`], for a user: what the room lets that user read, as long as it does.
    ///
    /// # Errors
    /// [`ReadError`] if the room cannot be read, or not by that user.
    pub async fn subscribe_as(
        &self,
        reader: Identity,
        room: &RoomId,
        from: From,
    ) -> Result<Subscription, ReadError> {
        Subscription::open(self.clone(), room, from, Some(reader)).await
    }

    /// Raises the horizon of a room: what lies below it can no longer be read. Durable on return.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trim(&self, room: &RoomId, horizon: Offset) -> Result<(), StoreError> {
        match self.epoch_now(room).await? {
            Some(epoch) => self.trim_log(room, epoch, horizon).await,
            None => Ok(()),
        }
    }

    async fn trim_log(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        self.store().trim(room, epoch, horizon).await?;
        if let (Some(tail), Some(state)) = (self.0.tails.get(room), self.store().room(room).await?) {
            tail.trimmed(&state);
        }
        Ok(())
    }

    /// Whether publishes go through now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.store().readiness()
    }

    /// Ends once the store has failed for good in this process.
    pub async fn failed(&self) {
        // The sender lives as long as the store's observer; a store that dropped it will fail nobody any more.
        if self.0.failed.clone().await.is_err() {
            futures::future::pending::<()>().await;
        }
    }

    /// Tells every session, and every one that comes later, to go and to come back in a slot of its own.
    pub fn drain(&self, drain: Drain) {
        self.0.sessions.drain(drain);
    }

    /// Sessions that are open now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.0.sessions.len()
    }

    /// Keeps the node's knowledge fresh, for ever: reads the heads of its rooms from the store, lets tails age, and takes
    /// from rooms what they do not keep any longer; derives users' own logs; writes and tells how far users have come, who is
    /// there and who types.
    /// The host drives it; nothing that was acknowledged is lost without, but `at` in beats stands still, other nodes' commits
    /// come late, and receipts and presence stay where they are.
    pub async fn maintain(&self) {
        join(self.freshen(), self.attend()).await;
    }

    async fn freshen(&self) {
        let mut errands = std::pin::pin!(join(self.0.errands.run(), self.derive_own_logs()));
        let mut walk = Walk::new(self.now());
        loop {
            let due = self.0.env.sleep_until(self.now() + HEADS_POLL);
            futures::future::select(due, &mut errands).await;
            self.0.tails.age(self.now());
            self.0.rulings.age(self.now());
            if let Err(error) = self.poll_heads().await {
                tracing::warn!(%error, "the heads could not be read from the store");
            }
            let step = std::pin::pin!(walk.step(self));
            if let Either::Left((Err(error), _)) = futures::future::select(step, &mut errands).await {
                tracing::warn!(%error, "what rooms do not keep any longer could not be taken from the store");
            }
        }
    }

    /// Compares every tail with the store, once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn poll_heads(&self) -> Result<(), StoreError> {
        let asked_at = self.0.env.unix_ms();
        let tails: Vec<_> = self.0.tails.all().into_iter().map(|tail| (tail.head(), tail)).collect();
        let rooms: Vec<_> = tails.iter().map(|(_, tail)| tail.room().clone()).collect();
        let heads = self.store().heads(&rooms).await?;
        for ((before, tail), head) in tails.iter().zip(heads) {
            if !sabotage::is(Sabotage::LastWakeUpLost) {
                tail.check(*before, head);
            }
        }
        self.0.heads_known_at.store(asked_at, Ordering::Release);
        Ok(())
    }

    /// When the heads were last known from the store, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn heads_known_at(&self) -> u64 {
        if sabotage::is(Sabotage::BeatLies) {
            return self.0.env.unix_ms();
        }
        self.0.heads_known_at.load(Ordering::Acquire)
    }

    /// The store underneath.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The clock and the dice.
    #[must_use]
    pub fn env(&self) -> &Arc<dyn Environment> {
        &self.0.env
    }

    /// What a publish to a room without events does.
    #[must_use]
    pub fn missing_room(&self) -> MissingRoom {
        self.0.missing_room
    }

    /// Silence after which either side of a session says that it is there.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        self.0.heartbeat
    }

    /// Announces a session to the node; its notices go to `mailbox` until the guard is dropped.
    #[must_use]
    pub fn enter(&self, mailbox: Arc<Mailbox>) -> SessionGuard {
        self.0.sessions.enter(mailbox)
    }

    /// Opens a client for a session: fences its older sessions, and tells them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_client(
        &self,
        guard: &SessionGuard,
        client: &ClientKey,
        waits: crate::id::Seq,
    ) -> Result<ClientState, StoreError> {
        let state = self.store().open_client(client, waits).await?;
        self.opened_ruled(client, &state, waits);
        guard.opened(client, state.session);
        Ok(state)
    }

    /// Hands publishes to the store, in line as of this call. See [`Store::append`]. What must be prepared has passed
    /// [`Anchor::prepare`] before: nothing is looked up and no hook is asked here.
    #[must_use]
    pub fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        match self.is_moderated() {
            true => self.append_ruled(batch),
            false => self.store().append(batch),
        }
    }

    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Monotonic {
        self.0.env.now()
    }
}

#[cfg(test)]
pub(crate) mod tests;
