//! The reference [`Store`]: everything in memory, simple and obviously right. Nothing outlives the process.
//!
//! It is what the rest of Anchor is tested on, and what other stores are compared with. Two things beyond the contract
//! serve that: [`MemoryStore::node`] gives another instance on the same logs, as two nodes that share a database have
//! it; [`MemoryStore::snapshot`] and its counterparts change history, as somebody with a backup does.
//!
//! Every append is decided when it is called, so its future is ready at once.

mod decide;
mod log;

use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::cursor::{CursorMove, Cursors, Readers};
use crate::environment::Environment;
use crate::id::{ClientKey, RoomId, Seq, UserId};
use crate::position::{Epoch, Mark, Offset};
use crate::publish::{Durability, Outcome, Publish};
use crate::record::{RecordKey, RecordWrite, Written};
use crate::room::{Amendment, Member, Standing, Thread};
use crate::run::Run;
use crate::sabotage::{self, Sabotage};
use crate::store::{
    ClientState, CommitObserver, Direction, Place, Read, Readiness, RoomState, Store, StoreError, StoredRoom,
};
use crate::user::{TooManyBlocked, UserChange, UserRow};

use self::decide::{Added, Data, Sessions, random_epoch};

/// A store in memory. Clones are the same instance; [`MemoryStore::node`] is another one.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    observer: Arc<Mutex<Option<Arc<dyn CommitObserver>>>>,
}

struct Shared {
    env: Box<dyn Environment>,
    /// Held from the decision of a batch until its observer knows of it, so that commits are told in their order.
    commit: Mutex<Sessions>,
    /// Held for one decision or one read, never while an observer is called.
    data: Mutex<Data>,
}

/// What a [`MemoryStore`] held at some moment, as a copy of a data directory does: logs and windows, no sessions.
#[derive(Clone)]
pub struct Snapshot(Data);

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(env: impl Environment) -> Self {
        Self::open(env, Snapshot(Data::default()))
    }

    /// A store that goes on from a snapshot, as a process does that opens what an earlier one left.
    #[must_use]
    pub fn open(env: impl Environment, mut snapshot: Snapshot) -> Self {
        if sabotage::is(Sabotage::WindowLostOnReopen) {
            snapshot.0.windows.clear();
        }
        let shared = Shared { env: Box::new(env), commit: Mutex::default(), data: Mutex::new(snapshot.0) };
        Self { shared: Arc::new(shared), observer: Arc::default() }
    }

    /// Another instance on the same logs, windows and sessions, with an observer of its own: each observer hears only
    /// the commits of its own instance.
    #[must_use]
    pub fn node(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), observer: Arc::default() }
    }

    /// What the store holds now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.data().clone())
    }

    /// Puts `snapshot` in place of what the store holds, epochs and all, and tells nobody: what an operator does who
    /// copies an older data directory back and leaves out the proper restore. Sessions stay as they are.
    pub fn revert_to(&self, snapshot: Snapshot) {
        let _commit = self.commit();
        *self.data() = snapshot.0;
    }

    /// Restores `snapshot` properly: as [`MemoryStore::revert_to`], and a new epoch begins in every room.
    pub fn restore_from(&self, snapshot: Snapshot) {
        let mut restored = snapshot.0;
        for log in restored.logs.values_mut() {
            if sabotage::is(Sabotage::EpochKeptAfterRestore) {
                break;
            }
            log.begin_epoch(random_epoch(&*self.shared.env));
        }
        self.revert_to(Snapshot(restored));
    }

    fn commit(&self) -> MutexGuard<'_, Sessions> {
        self.shared.commit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.shared.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observer(&self) -> Option<Arc<dyn CommitObserver>> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn observe(&self, observer: Arc<dyn CommitObserver>) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(observer);
    }

    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError> {
        let mut sessions = self.commit();
        Ok(self.data().open_client(client, waits, &mut sessions))
    }

    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let mut sessions = self.commit();
        let mut added = Added::default();
        let outcomes = {
            let mut data = self.data();
            let decide = |publish| data.decide(publish, &mut sessions, &*self.shared.env, &mut added);
            batch.iter().map(decide).collect()
        };
        let runs: Vec<Run> = added.runs.into_values().flatten().collect();
        if let Some(observer) = self.observer() {
            added.deleted.iter().for_each(|room| observer.deleted(room));
            if !runs.is_empty() {
                observer.committed(&runs);
            }
        }
        Box::pin(std::future::ready(Ok(outcomes)))
    }

    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError> {
        Ok(self.data().logs.get(room).map(log::Log::state))
    }

    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError> {
        Ok(self.data().logs.get(room).map_or(Ok(None), |log| log.locate(place))?)
    }

    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError> {
        Ok(self.data().logs.get(&read.room).map_or_else(Vec::new, |log| log.read(&read)))
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError> {
        let data = self.data();
        let head = |room| data.logs.get(room).map(log::Log::state).map(|state| (state.epoch(), state.head));
        Ok(rooms.iter().map(head).collect())
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let data = self.data();
        let rooms = data.logs.range((from, Bound::Unbounded)).take(limit);
        let stored = |(room, log): (&RoomId, &log::Log)| StoredRoom {
            room: room.clone(),
            state: log.state(),
            info: log.info.clone(),
        };
        Ok(rooms.map(stored).collect())
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError> {
        let data = self.data();
        let log = data.logs.get(room);
        Ok(Standing {
            info: log.and_then(|log| log.info.clone()),
            member: log.and_then(|log| log.members.get(user).copied()),
            deleted: data.deleted.get(room).copied(),
        })
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let data = self.data();
        let Some(log) = data.logs.get(room) else { return Ok(Vec::new()) };
        let members = log.members.range((from, Bound::Unbounded)).take(limit);
        Ok(members.map(|(user, member)| (user.clone(), *member)).collect())
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let data = self.data();
        let rooms = data.logs.range((from, Bound::Unbounded));
        let places = rooms.filter_map(|(room, log)| Some((room.clone(), *log.members.get(user)?)));
        Ok(places.filter(|(_, member)| member.membership.is_listed()).take(limit).collect())
    }

    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError> {
        let data = self.data();
        let mut amendments = data.logs.get(room).map_or(Ok(Vec::new()), |log| log.amendments(targets))?;
        amendments.truncate(limit);
        Ok(amendments)
    }

    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError> {
        let amendments = self.amendments(room, targets, usize::MAX).await?;
        Ok(amendments.into_iter().filter(|amendment| amendment.kind.changes_body()).collect())
    }

    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError> {
        Ok(self.data().logs.get(room).map_or(Ok(Vec::new()), |log| log.threads(roots))?)
    }

    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError> {
        let data = self.data();
        Ok(data.logs.get(room).map_or(Ok(Vec::new()), |log| log.replies(root, from, limit))?)
    }

    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError> {
        Ok(self.data().users.get(user).cloned().unwrap_or_default())
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        let _commit = self.commit();
        let mut data = self.data();
        let mut row = data.users.get(user).cloned().unwrap_or_default();
        if let Err(error) = row.apply(change) {
            return Ok(Err(error));
        }
        data.users.insert(user.clone(), row.clone());
        Ok(Ok(row))
    }

    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError> {
        Ok(self.data().windows.get(client).is_some_and(|window| window.is_decided(seq)))
    }

    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        let mut data = self.data();
        let log = data.logs.get_mut(room).filter(|log| log.state().epoch() == epoch);
        Ok(log.map_or(Ok(()), |log| log.trim(horizon))?)
    }

    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError> {
        let data = self.data();
        let of =
            |room| data.logs.get(room).and_then(|log| log.cursors.get(user)).copied().unwrap_or_default();
        Ok(rooms.iter().map(of).collect())
    }

    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let data = self.data();
        let Some(log) = data.logs.get(room) else { return Ok(Vec::new()) };
        let cursors = log.cursors.range((from, Bound::Unbounded)).take(limit);
        Ok(cursors.map(|(user, cursors)| (user.clone(), *cursors)).collect())
    }

    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError> {
        let data = self.data();
        let counted: Vec<_> = data.logs.get(room).into_iter().flat_map(log::Log::counted).collect();
        let count =
            |has_come: &dyn Fn(&Cursors) -> bool| counted.iter().filter(|it| has_come(it)).count() as u64;
        let readers = |offset: &Offset| Readers {
            delivered: count(&|cursors| cursors.delivered >= *offset),
            read: count(&|cursors| cursors.shown >= *offset),
        };
        Ok(offsets.iter().map(readers).collect())
    }

    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut data = self.data();
        for moved in moves {
            if let Some(log) = data.logs.get_mut(&moved.room) {
                log.move_cursors(moved);
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.data().records.get(key).cloned())
    }

    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        let data = self.data();
        let records = data.records.iter().filter(|(key, _)| key.as_str().starts_with(prefix));
        let behind = records.filter(|(key, _)| after.is_none_or(|after| *key > after));
        Ok(behind.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>> {
        let written = self.data().write_records(write);
        Box::pin(std::future::ready(Ok(written)))
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

impl fmt::Debug for MemoryStore {
    /// Shows the number of rooms, never what was said in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("rooms", &self.data().logs.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Snapshot {
    /// Shows the number of rooms, never what was said in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("rooms", &self.0.logs.len()).finish_non_exhaustive()
    }
}
