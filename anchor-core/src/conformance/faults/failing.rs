//! A store that fails when a test says so, in every way that the contract knows.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::conformance::yielding::yield_now;
use crate::cursor::{CursorMove, Cursors, Readers};
use crate::error::BoxError;
use crate::id::{ClientKey, RoomId, Seq, SessionNumber, UserId};
use crate::position::{Epoch, Mark, Offset};
use crate::publish::{Durability, Outcome, Publish};
use crate::record::{RecordKey, RecordWrite, Written};
use crate::room::{Amendment, Member, Standing, Thread};
use crate::run::Run;
use crate::store::{
    ClientState, CommitObserver, Direction, Place, Read, Readiness, RoomState, Store, StoreError, StoreExt,
    StoredRoom,
};
use crate::user::{TooManyBlocked, UserChange, UserRow};

/// How an append fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// [`StoreError::Unavailable`]: nothing was written.
    Unavailable,
    /// [`StoreError::Unknown`], and nothing was written.
    UnknownUnwritten,
    /// [`StoreError::Unknown`], and all of it was written.
    UnknownWritten,
    /// [`StoreError::Failed`], and nothing was written. Everything later fails, too, but reading.
    FailedUnwritten,
    /// [`StoreError::Failed`], and all of it was written. Everything later fails, too, but reading.
    FailedWritten,
}

/// A store with faults. Clones are the same instance; it passes everything on until told otherwise.
#[derive(Clone)]
pub struct FailingStore<S>(Arc<Shared<S>>);

struct Shared<S> {
    inner: S,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    away: bool,
    failed: bool,
    /// What is looked up comes with the second poll.
    hesitates: bool,
    /// Reads find no events any more.
    lost: bool,
    /// What is trimmed right before the next read.
    trim_next: Option<(RoomId, Offset)>,
    /// What happens right before a read that is still to come, and how many come before that one.
    change: Option<(u32, Box<dyn FnOnce() + Send>)>,
    /// The newest session of each client that an append of has failed: nothing more is taken from it.
    ended: BTreeMap<ClientKey, SessionNumber>,
    /// The newest session of each client that was opened here.
    opened: BTreeMap<ClientKey, SessionNumber>,
    /// The same as of the newest fail-over: the next append of such a session is of unknown outcome.
    failed_over: BTreeMap<ClientKey, SessionNumber>,
    observer: Option<Arc<dyn CommitObserver>>,
}

impl<S: Store> FailingStore<S> {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self(Arc::new(Shared { inner, state: Mutex::default() }))
    }

    /// Lets the next append fail; several faults are for as many appends, in their order.
    pub fn fail_next(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// Goes away: every call, reading too, is [`StoreError::Unavailable`].
    pub fn go_away(&self) {
        self.state().away = true;
    }

    /// Comes back after [`FailingStore::go_away`].
    pub fn come_back(&self) {
        self.state().away = false;
    }

    /// Has whatever is looked up of rooms and records come with the second poll, so that a test can give it up before.
    pub fn hesitate(&self) {
        self.state().hesitates = true;
    }

    /// Breaks the connection to what lies inside, which may be older when it comes again: nothing more of the sessions that
    /// are open is written, and the next append of each is [`StoreError::Unknown`].
    pub fn fail_over(&self) {
        let mut state = self.state();
        state.failed_over = state.opened.clone();
    }

    /// Loses every event: reads find none any more, though the rooms are as they were.
    pub fn lose_events(&self) {
        self.state().lost = true;
    }

    /// Trims `room` right before the next event, place or member is looked for.
    pub fn trim_before_next_read(&self, room: &RoomId, horizon: Offset) {
        self.state().trim_next = Some((room.clone(), horizon));
    }

    /// Lets `change` happen right before an event, a place or a member is looked for, once that was done `reads` times more.
    pub fn change_after_reads(&self, reads: u32, change: impl FnOnce() + Send + 'static) {
        self.state().change = Some((reads, Box::new(change)));
    }

    /// The store inside.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.0.inner
    }

    async fn before_read(&self) -> Result<&S, StoreError> {
        let (trim, change) = {
            let mut state = self.state();
            let is_due = state.change.as_mut().is_some_and(|(reads, _)| {
                let is_due = *reads == 0;
                *reads = reads.saturating_sub(1);
                is_due
            });
            (state.trim_next.take(), state.change.take_if(|_| is_due))
        };
        if let Some((_, change)) = change {
            change();
        }
        if let Some((room, horizon)) = trim {
            self.0.inner.trim_newest(&room, horizon).await?;
        }
        self.in_time().await
    }

    async fn in_time(&self) -> Result<&S, StoreError> {
        if self.state().hesitates {
            yield_now().await;
        }
        self.here()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn here(&self) -> Result<&S, StoreError> {
        if self.state().away { Err(unavailable()) } else { Ok(&self.0.inner) }
    }

    /// Hands over `batch` without the publishes of sessions that an earlier fault has ended; those are fenced.
    fn append_of_live_sessions(
        &self,
        batch: Vec<Publish>,
    ) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let is_live: Vec<bool> = {
            let state = self.state();
            let ended = |publish: &Publish| {
                publish.session.is_some_and(|number| Some(&number) <= state.ended.get(&publish.client))
            };
            batch.iter().map(|publish| !ended(publish)).collect()
        };
        let live =
            batch.into_iter().zip(&is_live).filter(|(_, is_live)| **is_live).map(|(publish, _)| publish);
        let append = self.0.inner.append(live.collect());
        Box::pin(async move {
            let mut decided = append.await?.into_iter();
            let outcome = |is_live| if is_live { decided.next() } else { Some(Outcome::Fenced) };
            Ok(is_live.into_iter().map_while(outcome).collect())
        })
    }
}

impl State {
    /// The fault that an append of `batch` meets now.
    fn take_fault(&mut self, batch: &[Publish]) -> Option<Fault> {
        let of_before = |publish: &Publish| {
            let (over, ended) = (self.failed_over.get(&publish.client), self.ended.get(&publish.client));
            publish.session.is_some_and(|number| Some(&number) <= over && Some(&number) > ended)
        };
        let fault = match (self.failed, self.away) {
            (true, _) => Some(Fault::FailedUnwritten),
            (_, true) => Some(Fault::Unavailable),
            _ if batch.iter().any(of_before) => Some(Fault::UnknownUnwritten),
            _ => self.faults.pop_front(),
        };
        self.failed |= matches!(fault, Some(Fault::FailedUnwritten | Fault::FailedWritten));
        fault
    }

    /// Nothing behind `batch` may overtake it.
    fn end_sessions(&mut self, batch: &[Publish]) {
        for publish in batch {
            if let Some(number) = publish.session {
                let ended = self.ended.entry(publish.client.clone()).or_default();
                *ended = number.max(*ended);
            }
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods, reason = "a wrapper passes everything on")]
impl<S: Store> Store for FailingStore<S> {
    fn durability(&self) -> Durability {
        self.0.inner.durability()
    }

    fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.state().observer = Some(observer.clone());
        self.0.inner.observe(observer);
    }

    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError> {
        if self.state().failed {
            return Err(failed());
        }
        let opened = self.here()?.open_client(client, waits).await?;
        self.state().opened.insert(client.clone(), opened.session);
        Ok(opened)
    }

    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let (fault, observer) = {
            let mut state = self.state();
            let failed_before = state.failed;
            let Some(fault) = state.take_fault(&batch) else {
                drop(state);
                return self.append_of_live_sessions(batch);
            };
            let observer = if state.failed && !failed_before { state.observer.clone() } else { None };
            (fault, observer)
        };
        let written = match fault {
            Fault::UnknownWritten | Fault::FailedWritten => Some(self.append_of_live_sessions(batch.clone())),
            Fault::Unavailable | Fault::UnknownUnwritten | Fault::FailedUnwritten => None,
        };
        self.state().end_sessions(&batch);
        if let Some(observer) = observer {
            observer.failed();
        }
        let error = match fault {
            Fault::Unavailable => unavailable(),
            Fault::UnknownUnwritten | Fault::UnknownWritten => unknown(),
            Fault::FailedUnwritten | Fault::FailedWritten => failed(),
        };
        match written {
            Some(written) => written.map(|_| Err(error)).boxed(),
            None => Box::pin(std::future::ready(Err(error))),
        }
    }

    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError> {
        self.in_time().await?.room(room).await
    }

    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError> {
        self.before_read().await?.locate(room, place).await
    }

    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError> {
        let runs = self.before_read().await?.read(read).await?;
        Ok(if self.state().lost { Vec::new() } else { runs })
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError> {
        self.in_time().await?.heads(rooms).await
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError> {
        self.in_time().await?.rooms(after, limit).await
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError> {
        self.here()?.standing(room, user).await
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError> {
        self.before_read().await?.members(room, after, limit).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        self.here()?.rooms_of(user, after, limit).await
    }

    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError> {
        self.here()?.amendments(room, targets, limit).await
    }

    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError> {
        self.here()?.edits(room, targets).await
    }

    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError> {
        self.here()?.threads(room, roots).await
    }

    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError> {
        self.here()?.replies(room, root, from, limit).await
    }

    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError> {
        self.here()?.user(user).await
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        if self.state().failed {
            return Err(failed());
        }
        self.here()?.change_user(user, change).await
    }

    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError> {
        self.here()?.is_decided(client, seq).await
    }

    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        if self.state().failed {
            return Err(failed());
        }
        self.here()?.trim(room, epoch, horizon).await
    }

    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError> {
        self.here()?.cursors(user, rooms).await
    }

    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError> {
        self.here()?.room_cursors(room, after, limit).await
    }

    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError> {
        self.here()?.count_readers(room, offsets).await
    }

    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>> {
        match self.here() {
            Ok(store) => store.move_cursors(moves),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.in_time().await?.record(key).await
    }

    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        self.in_time().await?.records(prefix, after, limit).await
    }

    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>> {
        match self.here() {
            Ok(store) => store.write_records(write),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn readiness(&self) -> Readiness {
        let state = self.state();
        match (state.failed, state.away) {
            (true, _) => Readiness::Failed,
            (_, true) => Readiness::Unavailable,
            _ => self.0.inner.readiness(),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for FailingStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingStore").field("inner", &self.0.inner).finish_non_exhaustive()
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { backend: BACKEND, source: source() }
}

fn unknown() -> StoreError {
    StoreError::Unknown { backend: BACKEND, source: source() }
}

fn failed() -> StoreError {
    StoreError::Failed { backend: BACKEND, source: source() }
}

fn source() -> Arc<BoxError> {
    Arc::new("the test wants it so".into())
}

const BACKEND: &str = "failing";
