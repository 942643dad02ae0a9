//! The store as others hold it: the trait's methods, the threads that drive the steps, and the end.

use std::fmt;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::{self, JoinHandle, ThreadId};

use anchor_core::cursor::{CursorMove, Cursors, Readers};
use anchor_core::environment::Environment;
use anchor_core::error::BoxError;
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
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use redb::StorageBackend;

use crate::error::OpenError;
use crate::notes::Note;
use crate::options::{
    DISK_COMMIT_BYTES, DISK_RESERVE_BYTES, DISK_RETRY, FREE_BYTES_HOLD, IDLE, Options, READER_THREADS_MAX,
    REWRITTEN_BYTES,
};
use crate::queue::{Reply, Request};
use crate::reader::{Look, Reach};
use crate::shared::{BACKEND, Databases, Shared};
use crate::writer::Step;
use crate::{directory, disk, pager, replay};

/// The embedded store: two redb databases in one directory. Clones are the same store.
///
/// A writer's thread makes one durable commit after another, each of everything that waits; a pager's thread moves what
/// was committed into pages. Reads of what is in memory are answered by the thread that polls them; others by one of a few
/// threads, in turn. Dropping the last clone closes the store, as [`RedbStore::close`] does.
///
/// A write or sync that fails is final, and so is a panic in a step or in the observer that it tells: from then on
/// everything is answered [`StoreError::Failed`], and the directory must be opened anew, by another process if possible.
#[derive(Clone)]
pub struct RedbStore {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    /// Held by whoever closes the store.
    threads: Mutex<Option<Threads>>,
    drive: Drive,
    /// The threads' ids, also while they are being waited for.
    ids: Vec<ThreadId>,
}

struct Threads {
    writer: JoinHandle<()>,
    pager: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
}

/// Who drives the writer and the pager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    Threads,
    Steps,
}

impl RedbStore {
    /// Opens the store in `dir` with the usual options, making both if they are not there.
    ///
    /// What an earlier process journalled and did not page is read again: at most some hundred thousand events.
    ///
    /// # Errors
    /// [`OpenError`], each with its remedy.
    pub fn open(dir: impl AsRef<Path>, env: impl Environment) -> Result<Self, OpenError> {
        Self::options().open(dir, env)
    }

    /// Opens a store on two storages, with no thread: nothing is written but by [`RedbStore::step_writer`] and
    /// [`RedbStore::step_pager`]. For simulations; [`Options::open_backends`] is the same with threads.
    ///
    /// Two storages that are empty become a new store. Making one is not safe from a loss of power: until this has returned,
    /// what is half made does not open and must be thrown away, as directories do by making files under other names.
    ///
    /// # Errors
    /// [`OpenError`], each with its remedy.
    pub fn with_backends(
        journal: impl StorageBackend,
        pages: impl StorageBackend,
        env: impl Environment,
    ) -> Result<Self, OpenError> {
        Self::options().open_stepped(journal, pages, env)
    }

    /// What can be set about a store.
    pub fn options() -> Options {
        Options::default()
    }

    /// Makes one commit of everything that waits. For stores without threads.
    ///
    /// # Errors
    /// [`StoreError::Failed`], also where a step before it failed; [`StoreError::Closed`].
    pub fn step_writer(&self) -> Result<Step, StoreError> {
        let shared = &self.handle.shared;
        shared.guard(|| shared.writer().step(shared))
    }

    /// Moves something into the pages: what was set aside for it, or else everything that was committed; with cursors that
    /// are to be moved and records that are to be written. For stores without threads.
    ///
    /// # Errors
    /// [`StoreError::Failed`], also where a step before it failed; [`StoreError::Closed`].
    pub fn step_pager(&self) -> Result<Step, StoreError> {
        let shared = &self.handle.shared;
        shared.guard(|| {
            if shared.cuts.is_empty() {
                shared.writer().cut(shared);
            }
            pager::step(shared)
        })
    }

    /// True if something waits for the writer: [`RedbStore::step_writer`] would not be [`Step::Idle`].
    pub fn writer_has_work(&self) -> bool {
        !self.handle.shared.queue.is_empty()
    }

    /// True if something was committed and is not in the pages, a cursor is to be moved or a record to be written, or
    /// something can no longer be read and is not removed:
    /// [`RedbStore::step_pager`] would not be [`Step::Idle`]. Also where that cannot be told: then the step says why.
    pub fn pager_has_work(&self) -> bool {
        let shared = &self.handle.shared;
        let is_idle = shared.cuts.is_empty() && shared.notes.is_empty() && !shared.writer().has_uncut();
        !is_idle || pager::has_removable(shared).unwrap_or(true)
    }

    /// Looks in memory, and where that does not do has a reader's thread look. Without threads it looks everywhere.
    async fn looked<T: Send + 'static>(
        &self,
        look: impl Fn(Look<'_>) -> Result<T, BoxError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = &self.handle.shared;
        let everywhere = move |shared: &Shared, look: &dyn Fn(Look<'_>) -> Result<T, BoxError>| {
            let found = shared.guard_read(Reach::Disk, look)?;
            Ok(found.expect("a look that reaches the disk does not end before it"))
        };
        if self.handle.drive == Drive::Steps {
            return everywhere(shared, &look);
        }
        if let Some(found) = shared.guard_read(Reach::Memory, &look)? {
            return Ok(found);
        }
        let (reply, answer) = oneshot::channel();
        shared.readers.push(Box::new(move |shared| {
            if !reply.is_canceled() {
                drop(reply.send(everywhere(shared, &look)));
            }
        }));
        answer.await.unwrap_or_else(|_| Err(shared.failure().cloned().unwrap_or(StoreError::Closed)))
    }

    /// Finishes what waits, moves it into the pages, and closes both databases and the directory. Blocks until that is
    /// done; then everything is answered [`StoreError::Closed`]. A second call changes nothing.
    pub fn close(&self) {
        self.handle.close();
    }
}

impl Handle {
    fn close(&self) {
        let shared = &self.shared;
        shared.queue.close(StoreError::Closed);
        shared.notes.close(StoreError::Closed);
        // Whoever closes in an observer's call runs on a thread of the store, which cannot wait for itself, nor for
        // somebody who waits for it.
        let own = thread::current().id();
        let mut threads = match self.threads.try_lock() {
            Ok(threads) => threads,
            Err(TryLockError::WouldBlock) if self.ids.contains(&own) => return,
            Err(_) => self.threads.lock().unwrap_or_else(PoisonError::into_inner),
        };
        // Panics of both were caught and kept as the store's failure.
        let join = |thread: JoinHandle<()>| {
            if thread.thread().id() != own {
                drop(thread.join());
            }
        };
        if let Some(Threads { writer, pager, readers }) = threads.take() {
            join(writer);
            shared.cuts.end();
            join(pager);
            shared.readers.close();
            readers.into_iter().for_each(join);
        }
        // For those that were begun before one that could not be.
        shared.readers.close();
        if shared.databases().is_ok() && shared.writer.try_lock().is_ok() {
            drop(shared.guard(|| finish(shared)));
        }
        let error = shared.failure().cloned().unwrap_or(StoreError::Closed);
        shared.queue.fail(&error);
        shared.notes.fail(&error);
        drop(shared.release());
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens a directory.
pub(crate) fn open_directory(
    mut options: Options,
    dir: &Path,
    env: Arc<dyn Environment>,
) -> Result<RedbStore, OpenError> {
    let databases = directory::open(dir, &*env, &options)?;
    if options.free_bytes.is_none() {
        let (dir, env) = (dir.to_owned(), Arc::clone(&env));
        let known = Mutex::new(None);
        // What this store itself may write meanwhile does not bring it from there to the reserve.
        let far = 2 * options.disk_reserve_bytes.max(DISK_RESERVE_BYTES);
        options.free_bytes = Some(Arc::new(move || {
            let now = env.now();
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            match *known {
                Some((at, bytes)) if bytes > far && now.since(at) < FREE_BYTES_HOLD => Ok(bytes),
                _ => {
                    let bytes = disk::free_bytes(&dir)?;
                    *known = Some((now, bytes));
                    Ok(bytes)
                }
            }
        }));
    }
    start(databases, env, options, Drive::Threads)
}

/// Opens two storages.
pub(crate) fn open_backends(
    options: Options,
    journal: impl StorageBackend,
    pages: impl StorageBackend,
    env: Arc<dyn Environment>,
    drive: Drive,
) -> Result<RedbStore, OpenError> {
    let databases = directory::open_backends(journal, pages, &*env, &options)?;
    start(databases, env, options, drive)
}

fn start(
    databases: Databases,
    env: Arc<dyn Environment>,
    options: Options,
    drive: Drive,
) -> Result<RedbStore, OpenError> {
    let shared = replay::open(databases, env, options)?;
    let mut handle =
        Handle { shared: Arc::clone(&shared), threads: Mutex::default(), drive, ids: Vec::new() };
    if drive == Drive::Threads {
        let spawn = |name: &str, run: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || run(&shared))
                .map_err(|error| OpenError::Io { during: "starting a thread", source: error.into() })
        };
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let readers = (0..(processors / 2).clamp(1, READER_THREADS_MAX))
            .map(|_| spawn("anchor-reader", |shared| shared.readers.run(shared)))
            .collect::<Result<_, _>>()?;
        let pager = spawn("anchor-pager", run_pager)?;
        let threads = Threads { writer: spawn("anchor-writer", run_writer)?, pager, readers };
        let all = [&threads.writer, &threads.pager].into_iter().chain(&threads.readers);
        handle.ids = all.map(|thread| thread.thread().id()).collect();
        handle.threads = Mutex::new(Some(threads));
    }
    Ok(RedbStore { handle: Arc::new(handle) })
}

/// Drives the writer until the store is closed or has failed.
fn run_writer(shared: &Shared) {
    let mut is_idle = false;
    loop {
        match shared.guard(|| shared.writer().step(shared)) {
            Ok(Step::Worked) => is_idle = false,
            Ok(Step::Waiting) if shared.queue.is_closed() && shared.disk_is_full() => break,
            Ok(Step::Waiting) => shared.queue.wait_for_nudge(DISK_RETRY),
            Ok(Step::Idle) if shared.queue.is_closed() => break,
            Ok(Step::Idle) => {
                if !shared.queue.wait(IDLE) && !std::mem::replace(&mut is_idle, true) {
                    drop(shared.guard(|| {
                        shared.writer().cut(shared);
                        Ok(())
                    }));
                }
            }
            Err(_) => break,
        }
    }
}

/// Drives the pager until no cut comes any more, or the store has failed.
fn run_pager(shared: &Shared) {
    loop {
        match shared.guard(|| pager::step(shared)) {
            Ok(Step::Worked) => {}
            Ok(Step::Waiting) if shared.cuts.pause(DISK_RETRY) => {}
            Ok(Step::Idle) if shared.cuts.wait(&shared.notes) => {}
            Ok(Step::Idle | Step::Waiting) | Err(_) => break,
        }
    }
}

/// Takes every step that is left to take. What waits for room on the disk stays undone.
fn finish(shared: &Shared) -> Result<(), BoxError> {
    let mut writer = shared.writer();
    loop {
        match writer.step(shared)? {
            Step::Idle => break,
            Step::Worked => {}
            Step::Waiting if shared.disk_is_full() => break,
            Step::Waiting => while pager::step(shared)? == Step::Worked {},
        }
    }
    drop(writer);
    move_everything(shared)
}

/// Moves everything that was committed into the pages.
pub(crate) fn move_everything(shared: &Shared) -> Result<(), BoxError> {
    shared.writer().cut(shared);
    while pager::step(shared)? == Step::Worked {}
    Ok(())
}

impl Shared {
    /// True if less is free on the disk than the reserve, or than the next page step may need.
    pub(crate) fn disk_is_full(&self) -> bool {
        let step = self.cuts.front().map_or(0, |cut| cut.rewritten as u64 * REWRITTEN_BYTES);
        self.free_bytes() < self.reserve_bytes().max(step)
    }

    /// Pages that one page step may write again: they are at most a quarter of what is free now, or half of what is to be free
    /// always.
    pub(crate) fn step_rewrites(&self) -> usize {
        let bytes = (self.free_bytes() / 4).max(self.reserve_bytes() / 2);
        usize::try_from(bytes / REWRITTEN_BYTES).unwrap_or(usize::MAX).max(1)
    }

    fn reserve_bytes(&self) -> u64 {
        self.options.disk_reserve_bytes.max(DISK_COMMIT_BYTES)
    }

    /// Bytes that are free on the disk; all there can be where nobody can tell, for then a write will.
    fn free_bytes(&self) -> u64 {
        self.options.free_bytes.as_ref().and_then(|free_bytes| free_bytes().ok()).unwrap_or(u64::MAX)
    }

    /// Puts a request into the line; its answer.
    fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(request(reply));
        answered(answer)
    }

    /// Hands something to the pager; its answer.
    fn note<T: Send + 'static>(
        &self,
        note: impl FnOnce(Reply<T>) -> Note,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.notes.push(note(reply));
        self.cuts.nudge();
        answered(answer)
    }
}

/// What was answered. A request that was taken and is dropped unanswered was in a step that failed.
fn answered<T: Send + 'static>(
    answer: oneshot::Receiver<Result<T, StoreError>>,
) -> BoxFuture<'static, Result<T, StoreError>> {
    let unanswered = || StoreError::Failed {
        backend: BACKEND,
        source: Arc::new("the step that was to answer failed".into()),
    };
    answer.map(move |answer| answer.unwrap_or_else(|_| Err(unanswered()))).boxed()
}

#[async_trait]
impl Store for RedbStore {
    fn durability(&self) -> Durability {
        Durability::Disk
    }

    fn observe(&self, observer: Arc<dyn CommitObserver>) {
        self.handle.shared.observe(observer);
    }

    async fn open_client(&self, client: &ClientKey, waits: Seq) -> Result<ClientState, StoreError> {
        let client = client.clone();
        self.handle.shared.ask(|reply| Request::Open { client, waits, reply }).await
    }

    fn append(&self, batch: Vec<Publish>) -> BoxFuture<'static, Result<Vec<Outcome>, StoreError>> {
        self.handle.shared.ask(|reply| Request::Append { batch, reply })
    }

    async fn room(&self, room: &RoomId) -> Result<Option<RoomState>, StoreError> {
        let room = room.clone();
        self.looked(move |look| look.room_state(&room)).await
    }

    async fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, StoreError> {
        let room = room.clone();
        self.looked(move |look| look.locate(&room, place)).await
    }

    async fn read(&self, read: Read) -> Result<Vec<Run>, StoreError> {
        self.looked(move |look| look.read(&read)).await
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Option<(Epoch, Mark)>>, StoreError> {
        let rooms = rooms.to_vec();
        self.looked(move |look| rooms.iter().map(|room| look.head(room)).collect()).await
    }

    async fn rooms(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<StoredRoom>, StoreError> {
        let after = after.cloned();
        self.looked(move |look| look.room_list(after.as_ref(), limit)).await
    }

    async fn standing(&self, room: &RoomId, user: &UserId) -> Result<Standing, StoreError> {
        let (room, user) = (room.clone(), user.clone());
        self.looked(move |look| look.standing(&room, &user)).await
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Member)>, StoreError> {
        let (room, after) = (room.clone(), after.cloned());
        self.looked(move |look| look.members(&room, after.as_ref(), limit)).await
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        let (user, after) = (user.clone(), after.cloned());
        self.looked(move |look| look.rooms_of(&user, after.as_ref(), limit)).await
    }

    async fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, StoreError> {
        let room = room.clone();
        self.looked(move |look| look.amendments(&room, targets, limit)).await
    }

    async fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, StoreError> {
        let room = room.clone();
        self.looked(move |look| look.edits(&room, targets)).await
    }

    async fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, StoreError> {
        let room = room.clone();
        self.looked(move |look| look.threads(&room, roots)).await
    }

    async fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, StoreError> {
        let room = room.clone();
        self.looked(move |look| look.replies(&room, root, from, limit)).await
    }

    async fn user(&self, user: &UserId) -> Result<UserRow, StoreError> {
        let user = user.clone();
        self.looked(move |look| Ok(UserRow::clone(&*look.shared.user(&user, look.reach)?))).await
    }

    async fn change_user(
        &self,
        user: &UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, StoreError> {
        let user = user.clone();
        self.handle.shared.ask(|reply| Request::ChangeUser { user, change, reply }).await
    }

    async fn is_decided(&self, client: &ClientKey, seq: Seq) -> Result<bool, StoreError> {
        let client = client.clone();
        self.handle.shared.ask(|reply| Request::IsDecided { client, seq, reply }).await
    }

    async fn trim(&self, room: &RoomId, epoch: Epoch, horizon: Offset) -> Result<(), StoreError> {
        let room = room.clone();
        self.handle.shared.ask(|reply| Request::Trim { room, epoch, horizon, reply }).await
    }

    async fn cursors(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<Cursors>, StoreError> {
        let (user, rooms) = (user.clone(), rooms.to_vec());
        self.looked(move |look| look.cursors(&user, &rooms)).await
    }

    async fn room_cursors(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<(UserId, Cursors)>, StoreError> {
        let (room, after) = (room.clone(), after.cloned());
        self.looked(move |look| look.room_cursors(&room, after.as_ref(), limit)).await
    }

    async fn count_readers(&self, room: &RoomId, offsets: &[Offset]) -> Result<Vec<Readers>, StoreError> {
        let (room, offsets) = (room.clone(), offsets.to_vec());
        self.looked(move |look| look.count_readers(&room, &offsets)).await
    }

    fn move_cursors(&self, moves: Vec<CursorMove>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.handle.shared.note(|reply| Note::Move { moves, reply })
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.clone();
        self.looked(move |look| look.record(&key)).await
    }

    async fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        self.looked(move |look| look.records(&prefix, after.as_ref(), limit)).await
    }

    fn write_records(&self, write: RecordWrite) -> BoxFuture<'static, Result<Written, StoreError>> {
        self.handle.shared.note(|reply| Note::Write { write, reply })
    }

    fn readiness(&self) -> Readiness {
        let shared = &self.handle.shared;
        match shared.databases() {
            Err(_) => Readiness::Failed,
            Ok(_) if shared.disk_is_full() => Readiness::DiskFull,
            Ok(_) => Readiness::Ready,
        }
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("shared", &self.handle.shared).finish_non_exhaustive()
    }
}
