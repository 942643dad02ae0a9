//! What keeps an index up with the logs: a durable consumer over all rooms.
//!
//! ```text
//! consumer ──▶ take ──▶ commit ──▶ done          the index is durable before the consumer's cursor moves
//!                          └──▶ settle           within seconds: what was taken away leaves the files
//! walk: rooms of the index against the store     what no consumer is told: trims behind it, a store that was set back
//! ```

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::engine::{Anchor, Begin, Consumer, ConsumerError, ConsumerId, ConsumerName, Delivery};
use anchor_core::engine::{Scope, Taken as Part};
use anchor_core::environment::Monotonic;
use anchor_core::error::ErrorKind;
use anchor_core::event::Event;
use anchor_core::id::{RoomId, UserId};
use anchor_core::limits::{
    RUN_BYTES_MAX, RUN_EVENTS_MAX, SEARCH_COMMIT_WITHIN, SEARCH_RETRY, SEARCH_ROOMS_KNOWN_MAX,
    SEARCH_SETTLE_WITHIN, SEARCH_WALK_EVERY,
};
use anchor_core::position::{Offset, Position};
use anchor_core::room::RoomKind;
use anchor_core::store::{Direction, Read, Readiness, StoreError};
use futures::FutureExt;
use futures::future::{Either, select};
use thiserror::Error;

use crate::error::IndexError;
use crate::indexer::Taken;
use crate::pending::Audience;
use crate::service::SearchService;
use crate::worker::Writer;

/// Gives an index what the logs have. Runs beside the engine.
#[derive(Debug)]
pub struct Follower {
    service: Arc<SearchService>,
    writer: Writer,
}

/// Why an index does not follow.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The logs could not be read, or are read by another process by now.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// It is not to follow, or words that were taken away are still being read: neither is waited for.
    #[error(
        "the search index could not be brought to an end: its consumer `anchor.search` is paused, or it is being searched"
    )]
    NotSettled,
}

impl From<StoreError> for FollowError {
    fn from(error: StoreError) -> Self {
        Self::Consumer(error.into())
    }
}

impl FollowError {
    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Index(error) => error.kind(),
            Self::Consumer(error) => error.kind(),
            Self::NotSettled => ErrorKind::Retry,
        }
    }

    /// True if it is not worth to begin again.
    fn is_final(&self) -> bool {
        match self {
            Self::Index(error) => matches!(error, IndexError::Stopped),
            // One that somebody removed is made again.
            Self::Consumer(error) => {
                matches!(error.kind(), ErrorKind::Closed) && !matches!(error, ConsumerError::Removed)
            }
            Self::NotSettled => false,
        }
    }
}

impl Follower {
    pub(crate) const fn new(service: Arc<SearchService>, writer: Writer) -> Self {
        Self { service, writer }
    }

    /// Which consumer follows the logs for the index.
    ///
    /// # Panics
    /// Never: the name is one.
    #[must_use]
    pub fn consumer() -> ConsumerId {
        ConsumerId::of_host(name())
    }

    /// Takes what the logs have now, writes every segment anew that has words which were taken away, and ends: for an index whose
    /// server is stopped.
    ///
    /// # Errors
    /// [`FollowError`]; what fails is not tried again.
    pub async fn catch_up(self, anchor: Anchor) -> Result<(), FollowError> {
        self.begin(&anchor).await?.catch_up().await
    }

    /// Follows, for ever: what fails is tried again. While the store's disk is full it waits, and writes nothing. What is in the logs now is in the index some time later;
    /// [`SearchService::lag`] says how much is not. New words are found within [`SEARCH_COMMIT_WITHIN`], about; old ones are in no
    /// file [`SEARCH_SETTLE_WITHIN`] after that, and the time which it takes to write the segments anew that have them.
    ///
    /// # Errors
    /// [`FollowError`], where it cannot go on in this process: another process follows now, or the store has failed.
    ///
    /// # Cancellation
    /// Dropping the future loses nothing. What the writer has begun goes on: see [`SearchService::close`].
    pub async fn run(self, anchor: Anchor) -> Result<(), FollowError> {
        loop {
            let followed = AssertUnwindSafe(self.follow(&anchor)).catch_unwind().await;
            let Err(error) = followed.unwrap_or_else(|_| Err(IndexError::Panicked.into()));
            self.service.lags(None);
            if error.is_final() {
                return Err(error);
            }
            tracing::warn!(%error, source = std::error::Error::source(&error), "the search index does not follow; it begins again");
            anchor.env().sleep_until(anchor.now() + SEARCH_RETRY).await;
        }
    }

    async fn follow(&self, anchor: &Anchor) -> Result<std::convert::Infallible, FollowError> {
        wait_for_room(anchor).await;
        self.begin(anchor).await?.run().await
    }

    async fn begin<'a>(&'a self, anchor: &'a Anchor) -> Result<Following<'a>, FollowError> {
        let (is_new, index) = self.writer.open().await?;
        self.service.opened(index);
        if is_new {
            match anchor.remove_consumer(&Self::consumer()).await {
                Ok(()) | Err(ConsumerError::Removed) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let consumer = anchor.consumer(&name(), Scope::All, Begin::Start).await?;
        if is_new {
            self.writer.run(|indexer| indexer.begun()).await?;
        }
        let now = anchor.now();
        Ok(Following {
            anchor,
            service: &self.service,
            writer: &self.writer,
            consumer,
            batch: Vec::new(),
            commit_at: None,
            // What an earlier process left.
            settle_at: Some(now),
            commits: 0,
            walk_at: now,
            walked: None,
            audiences: HashMap::new(),
        })
    }
}

/// An index that follows.
struct Following<'a> {
    anchor: &'a Anchor,
    service: &'a SearchService,
    writer: &'a Writer,
    consumer: Consumer,
    /// What was taken and not committed.
    batch: Vec<(RoomId, Position)>,
    commit_at: Option<Monotonic>,
    settle_at: Option<Monotonic>,
    /// Since it was settled.
    commits: usize,
    walk_at: Monotonic,
    /// The last room that the walk which is under way has seen.
    walked: Option<RoomId>,
    audiences: HashMap<RoomId, Audience>,
}

impl Following<'_> {
    async fn run(mut self) -> Result<std::convert::Infallible, FollowError> {
        loop {
            let due =
                [self.commit_at, self.settle_at].into_iter().flatten().fold(self.walk_at, Monotonic::min);
            let alarm = self.anchor.env().sleep_until(due);
            let part = match select(pin!(self.consumer.next()), alarm).await {
                Either::Left((part, _)) => Some(part?),
                Either::Right(_) => None,
            };
            if self.anchor.store().readiness() == Readiness::DiskFull {
                self.service.lags(None);
                wait_for_room(self.anchor).await;
            }
            if let Some(part) = part {
                self.take(part).await?;
            }
            let now = self.anchor.now();
            if self.batch.len() >= BATCH_PARTS || self.commit_at.is_some_and(|at| at <= now) {
                self.commit().await?;
            }
            if self.settle_at.is_some_and(|at| at <= now) || self.commits >= COMMITS_MAX {
                self.settle().await?;
            }
            if self.walk_at <= now {
                self.walk().await?;
            }
            self.service.lags(self.consumer.lag());
        }
    }

    async fn catch_up(mut self) -> Result<(), FollowError> {
        loop {
            match self.consumer.next_now(usize::MAX).await? {
                Some(part) => self.take(part).await?,
                None if self.consumer.is_paused() => return Err(FollowError::NotSettled),
                None if self.batch.is_empty() => break,
                None => self.commit().await?,
            }
            if self.batch.len() >= BATCH_PARTS {
                self.commit().await?;
            }
        }
        let begun = self.anchor.now();
        while self.walk_at <= begun {
            self.walk().await?;
        }
        self.settle().await?;
        self.consumer.flush().await?;
        match self.settle_at {
            None => Ok(()),
            Some(_) => Err(FollowError::NotSettled),
        }
    }

    async fn take(&mut self, part: Part) -> Result<(), FollowError> {
        let (room, position) = (part.room.clone(), part.position());
        if !is_searched(&room) {
            self.consumer.done(&room, &position);
            return Ok(());
        }
        let taken = match part.delivery {
            Delivery::Events(events) => {
                let (epoch, decoded) = (events.epoch(), events.iter().collect::<Result<Vec<_>, _>>());
                let decoded = decoded.map_err(StoreError::from)?;
                self.give(&room, epoch, decoded).await?
            }
            Delivery::Gap(gap) => {
                self.audiences.remove(&room);
                let room = room.clone();
                self.writer.run(move |indexer| indexer.gap(&room, &gap)).await?
            }
        };
        if taken == Taken::Anew {
            self.give_anew(&room, position.offset).await?;
        }
        self.batch.push((room, position));
        // Where one room has much to give, it gives no more before that is done.
        let within =
            if self.batch.len() < BACKLOG_PARTS { SEARCH_COMMIT_WITHIN } else { SEARCH_COMMIT_WITHIN / 10 };
        let at = self.anchor.now() + within;
        self.commit_at = Some(self.commit_at.map_or(at, |due| due.min(at)));
        Ok(())
    }

    async fn give(
        &mut self,
        room: &RoomId,
        epoch: anchor_core::position::Epoch,
        events: Vec<Event>,
    ) -> Result<Taken, FollowError> {
        let (audience, room) = (self.audience(room).await?, room.clone());
        Ok(self.writer.run(move |indexer| indexer.take(&room, audience, epoch, events)).await?)
    }

    /// Gives what the log of a room has up to `last`, from its start.
    async fn give_anew(&mut self, room: &RoomId, last: Offset) -> Result<(), FollowError> {
        let Some(state) = self.anchor.store().room(room).await? else { return Ok(()) };
        let mut after = state.horizon.previous();
        while after < last {
            let (events_max, bytes_max) = (RUN_EVENTS_MAX, RUN_BYTES_MAX);
            let read = Read { room: room.clone(), from: Direction::After(after), events_max, bytes_max };
            let runs = self.anchor.store().read(read).await?;
            let Some(end) = runs.last().map(|run| run.last()).filter(|end| *end > after) else {
                return Ok(());
            };
            for run in runs {
                let events: Result<Vec<_>, _> = run.events().collect();
                let mut events = events.map_err(StoreError::from)?;
                events.retain(|event| event.offset > after && event.offset <= last);
                if self.give(room, run.epoch(), events).await? == Taken::Anew {
                    // It was set back once more: the gap that tells so is still to come.
                    return Ok(());
                }
            }
            after = end;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), FollowError> {
        let has_leftovers = self
            .writer
            .run(|indexer| {
                indexer.commit()?;
                indexer.has_leftovers()
            })
            .await?;
        for (room, position) in std::mem::take(&mut self.batch) {
            self.consumer.done(&room, &position);
        }
        self.commit_at = None;
        self.commits += 1;
        if has_leftovers && self.settle_at.is_none() {
            self.settle_at = Some(self.anchor.now() + SEARCH_SETTLE_WITHIN);
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), FollowError> {
        let has_leftovers = self
            .writer
            .run(|indexer| {
                indexer.settle()?;
                indexer.has_leftovers()
            })
            .await?;
        self.commits = 0;
        self.settle_at = has_leftovers.then(|| self.anchor.now() + SEARCH_SETTLE_WITHIN);
        Ok(())
    }

    /// Compares some rooms of the index with the store: what retention took since, what is in no log any more.
    async fn walk(&mut self) -> Result<(), FollowError> {
        let after = self.walked.take();
        let spans = self
            .writer
            .run(move |indexer| {
                let index = indexer.index();
                let rooms = index.rooms(after.as_ref(), WALK_ROOMS)?;
                rooms
                    .into_iter()
                    .map(|room| Ok((index.span(&room)?, room)))
                    .collect::<Result<Vec<_>, IndexError>>()
            })
            .await?;
        let is_last = spans.len() < WALK_ROOMS;
        for (span, room) in spans {
            self.walked = Some(room.clone());
            let Some((oldest, newest, epoch)) = span else { continue };
            // Read behind the span: the index has nothing that the log had not before.
            let state = self.anchor.store().room(&room).await?;
            let horizon = match &state {
                Some(state) if newest <= state.head.offset && state.epoch_at(newest) == epoch => {
                    state.horizon
                }
                _ => {
                    let forgotten = room.clone();
                    self.writer.run(move |indexer| indexer.forget(&forgotten)).await?;
                    let head = state.map_or(Offset::ZERO, |state| state.head.offset);
                    self.give_anew(&room, head).await?;
                    self.commit().await?;
                    continue;
                }
            };
            if oldest < horizon {
                self.writer.run(move |indexer| indexer.trim(&room, horizon)).await?;
                self.commit().await?;
            }
        }
        if is_last {
            (self.walked, self.walk_at) = (None, self.anchor.now() + SEARCH_WALK_EVERY);
        }
        Ok(())
    }

    async fn audience(&mut self, room: &RoomId) -> Result<Audience, FollowError> {
        if let Some(audience) = self.audiences.get(room) {
            return Ok(*audience);
        }
        let anybody = UserId::new("anybody").expect("a plain word is a user id");
        let info = self.anchor.store().standing(room, &anybody).await?.info;
        let audience = match info.map(|info| info.kind) {
            Some(RoomKind::Group | RoomKind::Direct) => Audience::Members,
            _ if room.is_direct() => Audience::Members,
            Some(RoomKind::Public | RoomKind::System) | None => Audience::Everybody,
        };
        if self.audiences.len() >= SEARCH_ROOMS_KNOWN_MAX {
            self.audiences.clear();
        }
        self.audiences.insert(room.clone(), audience);
        Ok(audience)
    }
}

/// Returns once there is room on the disk of the store, which leaves the last of it to messages.
async fn wait_for_room(anchor: &Anchor) {
    let mut is_told = false;
    while anchor.store().readiness() == Readiness::DiskFull {
        if !std::mem::replace(&mut is_told, true) {
            tracing::warn!("the disk is nearly full: the search index takes nothing until there is room");
        }
        anchor.env().sleep_until(anchor.now() + ROOM_LOOK).await;
    }
}

/// True for rooms in which people talk: not for reports, and not for the logs in which Anchor keeps what concerns one user.
fn is_searched(room: &RoomId) -> bool {
    !room.is_system() || room.is_direct() || *room == RoomId::announcements()
}

fn name() -> ConsumerName {
    ConsumerName::new("anchor.search").expect("a plain word is the name of a consumer")
}

/// Time between two looks at a full disk. Source: chosen; nobody notices, and it costs nothing.
const ROOM_LOOK: Duration = Duration::from_secs(1);

/// Parts in one commit. Source: chosen; half of what a consumer gives that is not done.
const BATCH_PARTS: usize = anchor_core::limits::CONSUMER_PARTS_MAX / 2;

/// Parts of a batch from which on there is a backlog: what one room gives at most.
const BACKLOG_PARTS: usize = anchor_core::limits::CONSUMER_ROOM_PARTS_MAX;

/// Commits after which small segments are joined. Source: chosen; each makes one.
const COMMITS_MAX: usize = 32;

/// Rooms that a walk looks at at a time. Source: chosen; some milliseconds of the writer.
const WALK_ROOMS: usize = 100;
