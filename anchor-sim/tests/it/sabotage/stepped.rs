//! The redb store in the thread of its caller, where deliberate faults reach it: whoever waits for an answer takes the steps.

use std::sync::{Arc, Mutex, PoisonError};

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::store::{Factory, Reopen, Restore};
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
use anchor_sim::disk::{Disk, Power};
use anchor_store::{RedbStore, Step};
use async_trait::async_trait;
use futures::future::BoxFuture;

/// Stores on disks in memory; the suites use one at a time.
#[derive(Default)]
pub(super) struct SteppedRedb(Mutex<Option<[Disk; 2]>>);

/// A [`RedbStore`] without threads.
#[derive(Debug)]
pub(super) struct Stepped(RedbStore);

impl SteppedRedb {
    fn disks(&self) -> [Disk; 2] {
        let disks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        disks.as_ref().expect("a store was created").each_ref().map(Disk::attach)
    }

    fn open(&self, env: &TestEnvironment) -> Stepped {
        let [journal, pages] = self.disks();
        Stepped(RedbStore::with_backends(journal, pages, env.clone()).expect("the store opens"))
    }
}

#[async_trait]
impl Factory for SteppedRedb {
    type Store = Stepped;

    async fn create(&self, env: &TestEnvironment) -> Stepped {
        let power = Power::new();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some([power.disk(), power.disk()]);
        self.open(env)
    }
}

#[async_trait]
impl Reopen for SteppedRedb {
    async fn reopen(&self, store: Stepped, env: &TestEnvironment) -> Stepped {
        store.0.close();
        self.open(env)
    }
}

#[async_trait]
impl Restore for SteppedRedb {
    async fn restore(&self, store: Stepped, env: &TestEnvironment) -> Stepped {
        store.0.close();
        let [journal, pages] = self.disks();
        anchor_store::restore_backends(journal, pages, env.clone()).expect("the store is restored");
        self.open(env)
    }
}

/// Takes the writer's steps until nothing waits, and the pager's where the writer waits for it.
fn work(store: &RedbStore) -> Result<(), StoreError> {
    loop {
        match store.step_writer()? {
            Step::Idle => return Ok(()),
            Step::Worked => {}
            Step::Waiting => drop(store.step_pager()?),
        }
    }
}

/// Takes the pager's steps until nothing waits.
fn page(store: &RedbStore) -> Result<(), StoreError> {
    while store.step_pager()? == Step::Worked {}
    Ok(())
}

#[async_trait]
#[deny(clippy::missing_trait_methods, reason = "a wrapper passes everything on")]
impl Store for Stepped {
    fn durability(&self) -> Durability {
        self.0.durability()
    }

    fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.0.observe(observer);
    }

    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError> {
        let mut opening = self.0.open_client(client, waits);
        // The first poll puts it into the line.
        drop(futures::poll!(&mut opening));
        work(&self.0)?;
        opening.await
    }

    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        let (store, answer) = (self.0.clone(), self.0.append(batch));
        Box::pin(async move {
            work(&store)?;
            answer.await
        })
    }

    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError> {
        self.0.room(room).await
    }

    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError> {
        self.0.locate(room, place).await
    }

    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError> {
        self.0.read(read).await
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError> {
        self.0.heads(rooms).await
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError> {
        self.0.rooms(after, limit).await
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError> {
        self.0.standing(room, user).await
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError> {
        self.0.members(room, after, limit).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        self.0.rooms_of(user, after, limit).await
    }

    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError> {
        self.0.amendments(room, targets, limit).await
    }

    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError> {
        self.0.edits(room, targets).await
    }

    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError> {
        self.0.threads(room, roots).await
    }

    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError> {
        self.0.replies(room, root, from, limit).await
    }

    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError> {
        self.0.user(user).await
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        self.0.change_user(user, change).await
    }

    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError> {
        self.0.is_decided(client, seq).await
    }

    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        let mut trimming = self.0.trim(room, epoch, horizon);
        drop(futures::poll!(&mut trimming));
        work(&self.0)?;
        trimming.await
    }

    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError> {
        self.0.cursors(user, rooms).await
    }

    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError> {
        self.0.room_cursors(room, after, limit).await
    }

    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError> {
        self.0.count_readers(room, offsets).await
    }

    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>> {
        let (store, answer) = (self.0.clone(), self.0.move_cursors(moves));
        Box::pin(async move {
            page(&store)?;
            answer.await
        })
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.record(key).await
    }

    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        self.0.records(prefix, after, limit).await
    }

    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>> {
        let (store, answer) = (self.0.clone(), self.0.write_records(write));
        Box::pin(async move {
            page(&store)?;
            answer.await
        })
    }

    fn readiness(&self) -> Readiness {
        self.0.readiness()
    }
}
