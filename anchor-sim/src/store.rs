//! A store whose calls take virtual time, so that something can happen between a question and its answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::cursor::{CursorMove, Cursors, Readers};
use anchor_core::id::{ClientKey, RoomId, Seq, UserId};
use anchor_core::position::{Epoch, Mark, Offset};
use anchor_core::publish::{Durability, Outcome, Publish};
use anchor_core::record::{RecordKey, RecordWrite, Written};
use anchor_core::room::{Amendment, Member, Standing, Thread};
use anchor_core::run::Run;
use anchor_core::store::{
    ClientState, CommitObserver, Direction, Place, Read, Readiness, RoomState, Store, StoreError, StoredRoom,
};
use anchor_core::user::{TooManyBlocked, UserChange, UserRow};
use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::society::{Society, Tap};

/// `S` with pauses before and after each read; appends go to it at once, as the contract asks.
pub struct Paced<S> {
    inner: S,
    clock: Clock,
    /// Told whenever there may be something to write.
    work: Arc<Notify>,
    /// What it says of itself instead of what `S` says.
    durability: Durability,
    longest: Duration,
    /// Hears of everything first.
    society: Society,
}

impl<S: Store> Paced<S> {
    /// Wraps `inner`, whose reads take up to twice `longest`, and now and then seconds.
    pub fn new(inner: S, clock: Clock, work: Arc<Notify>, longest: Duration, society: Society) -> Self {
        Self { inner, clock, work, durability: Durability::Disk, longest, society }
    }

    async fn pause(&self) {
        let pause = match self.clock.below(2 * SLOW_ONE_IN) {
            0 => self.clock.between(self.longest, SLOW),
            odds if odds % 2 == 0 => self.clock.between(Duration::from_micros(5), self.longest),
            _ => return,
        };
        self.clock.kernel().sleep(pause).await;
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods, reason = "a wrapper passes everything on")]
impl<S: Store> Store for Paced<S> {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.inner.observe(Arc::new(Tap::new(self.society.clone(), observer)));
    }

    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError> {
        self.pause().await;
        self.work.notify_one();
        let state = self.inner.open_client(client, waits).await;
        self.pause().await;
        state
    }

    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        self.work.notify_one();
        let stamped = self.inner.append(batch);
        let durability = self.durability;
        Box::pin(async move {
            let mut outcomes = stamped.await?;
            for outcome in &mut outcomes {
                if let Outcome::Acked(ack) = outcome {
                    ack.durability = durability;
                }
            }
            Ok(outcomes)
        })
    }

    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError> {
        self.pause().await;
        let state = self.inner.room(room).await;
        self.pause().await;
        state
    }

    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError> {
        self.pause().await;
        let mark = self.inner.locate(room, place).await;
        self.pause().await;
        mark
    }

    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError> {
        let asked_at = self.clock.kernel().now();
        self.pause().await;
        let runs = self.inner.read(read).await;
        if let Ok(runs) = &runs {
            self.society.gives(runs, asked_at);
        }
        self.pause().await;
        runs
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError> {
        self.pause().await;
        let heads = self.inner.heads(rooms).await;
        self.pause().await;
        heads
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError> {
        self.pause().await;
        self.inner.rooms(after, limit).await
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError> {
        self.pause().await;
        self.inner.standing(room, user).await
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError> {
        self.pause().await;
        self.inner.members(room, after, limit).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        self.pause().await;
        self.inner.rooms_of(user, after, limit).await
    }

    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError> {
        self.pause().await;
        self.inner.amendments(room, targets, limit).await
    }

    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError> {
        self.pause().await;
        self.inner.edits(room, targets).await
    }

    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError> {
        self.pause().await;
        self.inner.threads(room, roots).await
    }

    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError> {
        self.pause().await;
        self.inner.replies(room, root, from, limit).await
    }

    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError> {
        self.pause().await;
        self.inner.user(user).await
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        self.pause().await;
        self.work.notify_one();
        self.inner.change_user(user, change).await
    }

    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError> {
        self.pause().await;
        self.work.notify_one();
        self.inner.is_decided(client, seq).await
    }

    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        self.work.notify_one();
        let trimming = self.society.trims(room, horizon);
        self.inner.trim(room, epoch, horizon).await?;
        self.society.trimmed(room, &trimming);
        Ok(())
    }

    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError> {
        self.inner.cursors(user, rooms).await
    }

    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError> {
        self.inner.room_cursors(room, after, limit).await
    }

    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError> {
        self.inner.count_readers(room, offsets).await
    }

    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.move_cursors(moves)
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.record(key).await
    }

    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        self.inner.records(prefix, after, limit).await
    }

    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>> {
        self.inner.write_records(write)
    }

    fn readiness(&self) -> Readiness {
        self.inner.readiness()
    }
}

impl<S: fmt::Debug> fmt::Debug for Paced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// One in so many pauses is as long as that of a disk that others keep busy. Source: chosen.
const SLOW_ONE_IN: u64 = 200;

/// How long such a pause is, at most. Source: chosen; longer than a heartbeat and the time between two looks at the heads, so
/// that beats have something to name.
const SLOW: Duration = Duration::from_secs(20);
