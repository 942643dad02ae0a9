//! What the writer, the pager and the readers share, and how a failure spreads.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;

use anchor_core::environment::Environment;
use anchor_core::error::BoxError;
use anchor_core::id::{ClientKey, RoomId, UserId};
use anchor_core::limits::RUN_EVENTS_MAX;
use anchor_core::msgpack::Reader;
use anchor_core::position::Offset;
use anchor_core::room::Member;
use anchor_core::run::Run;
use anchor_core::store::{CommitObserver, StoreError};
use anchor_core::user::UserRow;
use anchor_core::window::Window;

use crate::cache::Cache;
use crate::database::{OpenDatabase, contained};
use crate::directory::DirectoryLock;
use crate::hash::Seed;
use crate::journal::{Changes, Ended, Stored, Trimmed};
use crate::notes::Notes;
use crate::options::{IDLE, Options};
use crate::pages::Row;
use crate::queue::Queue;
use crate::reader::{Elsewhere, Reach};
use crate::readers::Readers;
use crate::rows::{read_member, read_user_row};
use crate::runs::Runs;
use crate::snapshot::{Snapshot, Snapshots};
use crate::visible::{Found, Tip, Visible};
use crate::windows;
use crate::writer::Writer;

/// Everything behind a store.
pub(crate) struct Shared {
    pub(crate) env: Arc<dyn Environment>,
    pub(crate) options: Options,
    databases: RwLock<Option<Arc<Databases>>>,
    visible: RwLock<Visible>,
    rows: Mutex<Rows>,
    pub(crate) queue: Queue,
    pub(crate) cuts: Cuts,
    /// What waits for the pager beside cuts.
    pub(crate) notes: Notes,
    pub(crate) writer: Mutex<Writer>,
    /// Held by whoever takes a step of the pager. The writer's lock comes before it.
    pub(crate) pager: Mutex<()>,
    pub(crate) readers: Readers,
    pub(crate) snapshots: Snapshots,
    /// Pages that were read, by room number and first offset.
    paged_runs: Mutex<Runs<(u64, u64)>>,
    /// Runs that were joined for readers, by room and the offset before them.
    joined: Mutex<Runs<(RoomId, Offset)>>,
    /// How often runs that are kept were taken away because others are in their place: by page steps and by redactions.
    generation: AtomicU64,
    /// Held while a page of some rooms is read.
    turns: [Mutex<()>; READ_TURNS],
    observer: Mutex<Option<Arc<dyn CommitObserver>>>,
    failed: OnceLock<StoreError>,
    /// The newest commit that the pages hold.
    pub(crate) applied: AtomicU64,
}

/// Both databases, and the lock on their directory, which goes last.
#[derive(Debug)]
pub(crate) struct Databases {
    pub(crate) journal: OpenDatabase,
    pub(crate) pages: OpenDatabase,
    pub(crate) _lock: Option<DirectoryLock>,
}

/// What one page step moves: everything that was committed since the cut before it, as of commit `upto`.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Cuts are numbered from 1.
    pub(crate) number: u64,
    pub(crate) upto: u64,
    pub(crate) runs: Vec<Stored>,
    pub(crate) trims: Vec<Trimmed>,
    /// Rooms that were deleted, before everything else that it says of them.
    pub(crate) ended: Vec<Ended>,
    /// What else changed of rooms.
    pub(crate) changes: BTreeMap<RoomId, Changes>,
    /// Users' rows that changed.
    pub(crate) users: BTreeMap<UserId, Arc<UserRow>>,
    /// Changed windows, exactly as of `upto`, but for floors that rose without a commit.
    pub(crate) windows: Vec<(ClientKey, Arc<Window>)>,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    /// Pages that its step writes again, at most: the open one of each room that it touches, and one for each body that it
    /// takes away.
    pub(crate) rewritten: usize,
}

/// Cuts that wait for the pager, oldest first; the front one stays until it is durable in the pages.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    waiting: Mutex<VecDeque<Arc<Cut>>>,
    changed: Condvar,
    /// The newest cut that is in the pages.
    pub(crate) paged: AtomicU64,
    /// Set once no cut will come any more.
    ended: AtomicBool,
}

/// Rows that were read from the pages, as of commit `applied`.
#[derive(Debug)]
struct Rows {
    cache: Cache<RoomId, Arc<Row>>,
    /// By room number and user; also that there is none.
    members: Cache<(u64, UserId), Option<Member>>,
    users: Cache<UserId, Arc<UserRow>>,
    applied: u64,
}

/// A room as a page step has left it.
#[derive(Debug)]
pub(crate) struct PagedRoom {
    pub(crate) room: RoomId,
    /// None if it was deleted.
    pub(crate) row: Option<Row>,
    /// Users whose places in it were written.
    pub(crate) members: Vec<UserId>,
}

impl Shared {
    pub(crate) fn new(
        env: Arc<dyn Environment>,
        options: Options,
        databases: Databases,
        writer: Writer,
        applied: u64,
        seed: Seed,
    ) -> Self {
        Self {
            env,
            databases: RwLock::new(Some(Arc::new(databases))),
            visible: RwLock::new(Visible::new(seed.clone())),
            rows: Mutex::new(Rows {
                cache: Cache::new(options.rooms_cached, seed.clone()),
                members: Cache::new(options.rooms_cached, seed.clone()),
                users: Cache::new(options.rooms_cached, seed),
                applied,
            }),
            readers: Readers::default(),
            snapshots: Snapshots::default(),
            // A quarter for joins: they are fewer than what they are made of.
            paged_runs: Mutex::new(Runs::new(options.runs_cache_bytes / 4 * 3)),
            joined: Mutex::new(Runs::new(options.runs_cache_bytes / 4)),
            generation: AtomicU64::new(0),
            turns: [const { Mutex::new(()) }; READ_TURNS],
            options,
            queue: Queue::default(),
            cuts: Cuts::default(),
            notes: Notes::default(),
            writer: Mutex::new(writer),
            pager: Mutex::default(),
            observer: Mutex::default(),
            failed: OnceLock::new(),
            applied: AtomicU64::new(applied),
        }
    }

    /// Both databases, unless the store is closed or has failed.
    pub(crate) fn databases(&self) -> Result<Arc<Databases>, StoreError> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        let databases = self.databases.read().unwrap_or_else(PoisonError::into_inner);
        databases.clone().ok_or(StoreError::Closed)
    }

    /// An error if the store is closed or has failed.
    pub(crate) fn is_open(&self) -> Result<(), StoreError> {
        self.databases().map(drop)
    }

    /// Lets go of the databases, unless that was done before: they are closed once the last read has ended and nobody has
    /// them.
    pub(crate) fn release(&self) -> Option<Arc<Databases>> {
        let databases = self.databases.write().unwrap_or_else(PoisonError::into_inner).take();
        self.snapshots.forget();
        databases
    }

    /// What the pages hold now.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, BoxError> {
        self.snapshots.newest(self.databases()?)
    }

    pub(crate) fn visible(&self) -> RwLockReadGuard<'_, Visible> {
        self.visible.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn visible_mut(&self) -> RwLockWriteGuard<'_, Visible> {
        self.visible.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observe(&self, observer: Arc<dyn CommitObserver>) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&observer));
        if self.failed.get().is_some() {
            observer.failed();
        }
    }

    pub(crate) fn observer(&self) -> Option<Arc<dyn CommitObserver>> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What failed, if something has.
    pub(crate) fn failure(&self) -> Option<&StoreError> {
        self.failed.get()
    }

    /// Runs a step of the writer or the pager; an error or a panic in it is final for this store, unless the error only
    /// says that the store is closed.
    pub(crate) fn guard<T>(&self, step: impl FnOnce() -> Result<T, BoxError>) -> Result<T, StoreError> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        let error = match contained(step) {
            Ok(value) => return Ok(value),
            Err(error) => match error.downcast::<StoreError>() {
                Ok(error) => return Err(*error),
                Err(error) => error,
            },
        };
        Err(self.fail(error))
    }

    /// Takes nothing more in this process, and lets everybody know: the failure that was the first.
    pub(crate) fn fail(&self, error: BoxError) -> StoreError {
        tracing::error!(%error, "the store has failed");
        let mut is_first = false;
        let failed = self.failed.get_or_init(|| {
            is_first = true;
            StoreError::Failed { backend: BACKEND, source: Arc::new(error) }
        });
        if is_first {
            self.queue.fail(failed);
            self.notes.fail(failed);
            self.cuts.end();
            if let Some(observer) = self.observer() {
                observer.failed();
            }
        }
        failed.clone()
    }

    /// The state of a room with the `ts` of its newest event, from memory or the pages.
    pub(crate) fn row(&self, room: &RoomId, reach: Reach) -> Result<Option<Arc<Row>>, BoxError> {
        let applied = {
            let mut rows = self.rows();
            if let Some(row) = rows.cache.get_mut(room) {
                return Ok(Some(Arc::clone(row)));
            }
            rows.applied
        };
        if reach == Reach::Memory {
            return Err(Elsewhere.into());
        }
        let snapshot = self.snapshot()?;
        let Some(value) = snapshot.rooms.get(room.as_str())? else { return Ok(None) };
        let row = Arc::new(Row::decode(value.value())?);
        let mut rows = self.rows();
        if rows.applied == applied {
            rows.cache.insert(room.clone(), Arc::clone(&row));
            rows.cache.sweep(|_| true);
        }
        Ok(Some(row))
    }

    /// What the writer needs to know of a room; `None` if it has no events.
    pub(crate) fn tip(&self, room: &RoomId, reach: Reach) -> Result<Option<Tip>, BoxError> {
        match self.visible().find(room) {
            Found::Live(live) => return Ok(Some(live.tip())),
            Found::Gone(_) => return Ok(None),
            Found::Paged => {}
        }
        let row = self.row(room, reach)?;
        let tip = |row: &Row| Tip {
            epoch: row.state.epoch(),
            head: row.state.head,
            ts: row.ts,
            info: row.info.clone(),
        };
        Ok(row.map(|row| tip(&row)))
    }

    /// The place of a user in the room of a number, as the pages have it.
    pub(crate) fn paged_member(
        &self,
        number: u64,
        user: &UserId,
        reach: Reach,
    ) -> Result<Option<Member>, BoxError> {
        let key = (number, user.clone());
        let applied = {
            let mut rows = self.rows();
            if let Some(member) = rows.members.get_mut(&key) {
                return Ok(*member);
            }
            rows.applied
        };
        if reach == Reach::Memory {
            return Err(Elsewhere.into());
        }
        let snapshot = self.snapshot()?;
        let value = snapshot.members.get((number, user.as_str()))?;
        let member = value.map(|value| read_member(&mut Reader::from_slice(value.value()))).transpose()?;
        let mut rows = self.rows();
        if rows.applied == applied {
            rows.members.insert(key, member);
            rows.members.sweep(|_| true);
        }
        Ok(member)
    }

    /// What is kept of a user.
    pub(crate) fn user(&self, user: &UserId, reach: Reach) -> Result<Arc<UserRow>, BoxError> {
        if let Some(row) = self.visible().user(user) {
            return Ok(Arc::clone(row));
        }
        let applied = {
            let mut rows = self.rows();
            if let Some(row) = rows.users.get_mut(user) {
                return Ok(Arc::clone(row));
            }
            rows.applied
        };
        if reach == Reach::Memory {
            return Err(Elsewhere.into());
        }
        let snapshot = self.snapshot()?;
        let value = snapshot.users.get(user.as_str())?;
        let row = value.map(|value| read_user_row(&mut Reader::from_slice(value.value()))).transpose()?;
        let row = Arc::new(row.unwrap_or_default());
        let mut rows = self.rows();
        if rows.applied == applied {
            rows.users.insert(user.clone(), Arc::clone(&row));
            rows.users.sweep(|_| true);
        }
        Ok(row)
    }

    /// A client's window as the pages have it; `None` if they do not know the client.
    pub(crate) fn window(&self, client: &ClientKey) -> Result<Option<Window>, BoxError> {
        let snapshot = self.snapshot()?;
        let value = snapshot.clients.get(windows::key(client).as_slice())?;
        Ok(value.map(|value| windows::decode(value.value())).transpose()?)
    }

    /// The page of room `number` that holds `offset`, if it was read lately.
    pub(crate) fn paged_run(&self, number: u64, offset: Offset) -> Option<Run> {
        let run = self.paged_runs().newest((number, 0), (number, offset.0))?;
        (run.last() >= offset).then_some(run)
    }

    /// To be asked before anything is looked up of which a run is made that is to be kept.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps a page that was read, unless something was changed since `generation`.
    pub(crate) fn keep_paged_run(&self, generation: u64, number: u64, run: &Run) {
        let mut paged = self.paged_runs();
        if self.generation() == generation {
            paged.insert((number, run.first().0), run.clone());
        }
    }

    /// Forgets pages that were written again. To be called between the commit that did and [`Shared::paged`].
    pub(crate) fn forget_pages(&self, keys: &[(u64, u64)]) {
        self.snapshots.forget();
        self.generation.fetch_add(1, Ordering::AcqRel);
        let mut paged = self.paged_runs();
        keys.iter().for_each(|key| paged.remove(key));
    }

    /// Forgets runs of a room, which has this number in the pages if they know it, that were made with bodies of the events
    /// at `offsets`. To be called once nobody finds these bodies any more but in what is kept.
    pub(crate) fn forget_bodies(&self, room: &RoomId, number: Option<u64>, offsets: &[Offset]) {
        // Before anything is taken away: what is made of the bodies by then is not kept after it.
        self.generation.fetch_add(1, Ordering::AcqRel);
        let before = |offset: Offset| offset.0.saturating_sub(RUN_EVENTS_MAX as u64);
        if let Some(number) = number {
            let mut paged = self.paged_runs();
            let keys = |offset: Offset| (number, before(offset))..=(number, offset.0);
            offsets.iter().for_each(|offset| paged.remove_holding(keys(*offset), *offset));
        }
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = |offset: Offset| (room.clone(), Offset(before(offset)))..=(room.clone(), offset);
        offsets.iter().for_each(|offset| joined.remove_holding(keys(*offset), *offset));
    }

    /// Holds others back who read pages of room `number`.
    pub(crate) fn turn_to_read(&self, number: u64) -> MutexGuard<'_, ()> {
        let at = usize::try_from(number % READ_TURNS as u64).expect("it is less than an array is long");
        self.turns[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs that follow each other, and that one can hold, as one: joined once for all who read them, unless something was
    /// changed since `generation`.
    pub(crate) fn joined(&self, generation: u64, runs: &[Run]) -> Run {
        let (first, last) = (&runs[0], &runs[runs.len() - 1]);
        let key = (first.room().clone(), first.before().offset);
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = joined.newest(key.clone(), key.clone())
            && run.before() == first.before()
            && run.tip() == last.tip()
            && run.epoch() == first.epoch()
        {
            return run;
        }
        let run = first.joined_all(runs[1..].iter());
        if self.generation() == generation {
            joined.insert(key, run.clone());
        }
        run
    }

    /// Lets readers see that the pages hold everything up to `applied`, of the given rooms.
    pub(crate) fn paged(&self, cut: &Cut, changed: Vec<PagedRoom>) {
        let mut visible = self.visible_mut();
        let mut rows = self.rows();
        rows.applied = cut.upto;
        let number = |paged: &PagedRoom| paged.row.as_ref().map(|row| row.number);
        visible.paged(cut.upto, changed.iter().map(|paged| (&paged.room, number(paged))));
        visible.users_paged(cut.upto, cut.users.keys());
        visible.uncount(cut.events, cut.bytes);
        cut.users.keys().for_each(|user| rows.users.remove(user));
        for PagedRoom { room, row, members } in changed {
            if let Some(Row { number, .. }) = row {
                members.into_iter().for_each(|user| rows.members.remove(&(number, user)));
            }
            match (visible.find(&room), row) {
                (Found::Paged, Some(row)) => drop(rows.cache.insert(room, Arc::new(row))),
                _ => rows.cache.remove(&room),
            }
        }
        rows.cache.sweep(|_| true);
        self.applied.store(cut.upto, Ordering::Release);
    }

    fn paged_runs(&self) -> MutexGuard<'_, Runs<(u64, u64)>> {
        self.paged_runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cut {
    /// True if something goes with it that may still be in the files until they are made anew.
    pub(crate) fn takes_away(&self) -> bool {
        !self.ended.is_empty() || self.changes.values().any(|changes| !changes.redacts.is_empty())
    }
}

impl Cuts {
    pub(crate) fn push(&self, cut: Cut) {
        self.lock().push_back(Arc::new(cut));
        self.changed.notify_all();
    }

    /// The oldest that is not in the pages.
    pub(crate) fn front(&self) -> Option<Arc<Cut>> {
        self.lock().front().cloned()
    }

    /// Takes the oldest away, which is in the pages now.
    pub(crate) fn done(&self, cut: &Cut) {
        self.lock().pop_front();
        self.paged.store(cut.number, Ordering::Release);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits until there is a cut or a note, or for a while; false once there is none and no cut will come.
    pub(crate) fn wait(&self, notes: &Notes) -> bool {
        let waiting = self.lock();
        let is_idle = |waiting: &VecDeque<_>| waiting.is_empty() && notes.is_empty();
        let goes_on = |waiting: &mut VecDeque<_>| is_idle(waiting) && !self.ended.load(Ordering::Acquire);
        let (waiting, _) =
            self.changed.wait_timeout_while(waiting, IDLE, goes_on).unwrap_or_else(PoisonError::into_inner);
        !is_idle(&waiting) || !self.ended.load(Ordering::Acquire)
    }

    /// Lets whoever waits look again: there is a note.
    pub(crate) fn nudge(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Waits for a while, or until no cut will come any more; false then.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let waiting = self.lock();
        let goes_on = |_: &mut VecDeque<_>| !self.ended.load(Ordering::Acquire);
        drop(self.changed.wait_timeout_while(waiting, time, goes_on).unwrap_or_else(PoisonError::into_inner));
        !self.ended.load(Ordering::Acquire)
    }

    /// Lets whoever waits know that no cut will come any more.
    pub(crate) fn end(&self) {
        let waiting = self.lock();
        self.ended.store(true, Ordering::Release);
        drop(waiting);
        self.changed.notify_all();
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Cut>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("options", &self.options)
            .field("unpaged", &self.visible().unpaged())
            .field("applied", &self.applied)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Pages that are read at once at most, but for those of rooms that share a turn. Source: chosen; more than there are threads.
const READ_TURNS: usize = 16;

/// The name in this crate's errors.
pub(crate) const BACKEND: &str = "redb";
