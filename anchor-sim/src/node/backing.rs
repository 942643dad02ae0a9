//! What a server stores its logs on: disks of its own, or a database that several share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::conformance::bus::{Hub, HubBus};
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::faults::{FailingStore, Fault as StoreFault, SlowStore};
use anchor_core::memory::MemoryStore;
use anchor_core::store::{Store, StoreError};
use anchor_store::{Options, RedbStore, Step};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::disk::{Disk, Power, Room};
use crate::kernel::{ProcessId, index};
use crate::store::Paced;
use crate::world::World;

/// Where logs are kept.
#[derive(Debug)]
pub enum Backing {
    /// One server's own.
    Disks(Disks),
    /// Shared by several.
    Database(Database),
}

/// The two disks of a [`RedbStore`].
#[derive(Clone, Debug)]
pub struct Disks {
    /// The machine.
    pub power: Power,
    /// Its journal.
    pub journal: Disk,
    /// Its pages.
    pub pages: Disk,
}

/// A server's way to the shared database.
pub struct Database {
    /// The database.
    pub memory: MemoryStore,
    /// Its line to it, with faults; made anew by each start.
    line: Option<Line>,
    /// The bus of all nodes.
    pub hub: Hub,
    /// This node's place on it; made anew by each start.
    bus: Option<HubBus>,
}

type Line = SlowStore<FailingStore<MemoryStore>>;

/// An open store.
pub(super) struct Opened {
    store: Arc<dyn Store>,
    redb: Option<RedbStore>,
}

impl Disks {
    /// Two empty disks.
    #[must_use]
    pub fn new() -> Self {
        let power = Power::new();
        Self { journal: power.disk(), pages: power.disk(), power }
    }

    /// What is on them now, on another machine: a backup. Of disks that nobody has open: what only a cache has is not in it.
    #[must_use]
    pub fn copy(&self) -> Self {
        let power = Power::new();
        Self { journal: self.journal.attach().copy(&power), pages: self.pages.attach().copy(&power), power }
    }
}

impl Default for Disks {
    fn default() -> Self {
        Self::new()
    }
}

impl Database {
    /// A way to `memory`.
    #[must_use]
    pub const fn new(memory: MemoryStore, hub: Hub) -> Self {
        Self { memory, line: None, hub, bus: None }
    }
}

impl Database {
    /// This node reaches it no more.
    pub fn go_away(&self) {
        self.line.iter().for_each(|line| line.inner().go_away());
    }

    /// This node reaches it again.
    pub fn come_back(&self) {
        self.line.iter().for_each(|line| line.inner().come_back());
    }

    /// This node's connections break, and lead to a database that may have gone back.
    pub fn fail_over(&self) {
        self.line.iter().for_each(|line| line.inner().fail_over());
    }

    /// Lets the next append of this node fail.
    pub fn fail_next(&self, fault: StoreFault) {
        self.line.iter().for_each(|line| line.inner().fail_next(fault));
    }
}

impl Backing {
    pub(super) fn open(
        &mut self,
        world: &World,
        process: ProcessId,
        clock: &Clock,
    ) -> Result<Opened, String> {
        let work = Arc::new(Notify::new());
        match self {
            Self::Disks(disks) => {
                let (journal, pages) = (disks.journal.attach(), disks.pages.attach());
                let store = options(clock, &disks.power)
                    .open_stepped(journal, pages, clock.clone())
                    .map_err(|error| format!("{error} ({error:?})"))?;
                let kernel = &world.kernel;
                kernel.spawn(process, write(store.clone(), clock.clone(), work.clone()));
                kernel.spawn(process, page(store.clone(), clock.clone()));
                let paced = Paced::new(store.clone(), clock.clone(), work, DISK_READ, world.society.clone());
                Ok(Opened { store: Arc::new(paced), redb: Some(store) })
            }
            Self::Database(database) => {
                let line = SlowStore::new(FailingStore::new(database.memory.node()));
                line.hold();
                database.line = Some(line.clone());
                database.bus = Some(database.hub.node());
                world.kernel.spawn(process, pass(line.clone(), clock.clone(), work.clone()));
                let paced = Paced::new(line, clock.clone(), work, DATABASE_READ, world.society.clone());
                Ok(Opened { store: Arc::new(paced), redb: None })
            }
        }
    }

    pub(super) fn bus(&self) -> Option<HubBus> {
        match self {
            Self::Disks(_) => None,
            Self::Database(database) => database.bus.clone(),
        }
    }

    pub(super) fn is_dark(&self) -> bool {
        matches!(self, Self::Disks(disks) if !disks.power.is_on())
    }

    pub(super) fn killed(&self) {
        if let Self::Disks(disks) = self {
            disks.power.kill();
        }
    }

    pub(super) fn lose_power(&self, dice: &mut SplitMix64) {
        if let Self::Disks(disks) = self {
            disks.power.crash(dice);
        }
    }
}

impl Opened {
    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Finishes what waits and closes the files.
    pub(super) fn close(&self) {
        if let Some(redb) = &self.redb {
            redb.close();
        }
    }
}

/// Small steps, so that there are many places to be interrupted at; and now and then little memory, so that what it was is
/// looked up on the disk while others write, and the writer waits for the pager. Some ask how full the disk is, others find
/// out by writing.
fn options(clock: &Clock, power: &Power) -> Options {
    let mut options = RedbStore::options().page_step(PAGE_STEP_EVENTS, PAGE_STEP_BYTES);
    if clock.below(2) == 0 {
        let power = power.clone();
        options = options.free_bytes(move || Ok(if power.room() == Room::Plenty { u64::MAX } else { 0 }));
    }
    if clock.below(2) == 0 {
        return options;
    }
    let most = || 1 + index(clock.below(MEMORY_MAX));
    options
        .cached(most(), most())
        .sessions_cached(most())
        .pages_cache_bytes(0)
        .unpaged_max(PAGE_STEP_EVENTS * most(), PAGE_STEP_BYTES * most())
}

/// The writer of a store, which in life is a thread.
async fn write(store: RedbStore, clock: Clock, work: Arc<Notify>) {
    loop {
        work.notified().await;
        loop {
            clock.kernel().sleep(clock.between(COMMIT.0, COMMIT.1)).await;
            match store.step_writer() {
                Ok(Step::Worked) => {}
                Ok(Step::Idle) => break,
                Ok(Step::Waiting) => clock.kernel().sleep(WAIT).await,
                Err(StoreError::Failed { .. } | StoreError::Closed) => return,
                Err(_) => clock.kernel().sleep(WAIT).await,
            }
        }
    }
}

/// The pager of a store, which in life is a thread.
async fn page(store: RedbStore, clock: Clock) {
    loop {
        clock.kernel().sleep(clock.between(PAGING.0, PAGING.1)).await;
        if matches!(store.step_pager(), Err(StoreError::Failed { .. } | StoreError::Closed)) {
            return;
        }
    }
}

/// The line to the database: appends arrive there one by one.
async fn pass(line: Line, clock: Clock, work: Arc<Notify>) {
    loop {
        work.notified().await;
        loop {
            clock.kernel().sleep(clock.between(COMMIT.0, COMMIT.1)).await;
            if !line.release_one() {
                break;
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("store", &self.store).finish_non_exhaustive()
    }
}

/// How long a commit takes. Source: chosen; from a cached disk to a busy one.
const COMMIT: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(40));

/// Time between two page steps. Source: chosen.
const PAGING: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(4));

/// Time between two tries where the disk is full. Source: as in the store.
const WAIT: Duration = Duration::from_millis(200);

/// How long a read takes, at most half of it. Source: chosen.
const DISK_READ: Duration = Duration::from_millis(5);

/// As [`DISK_READ`], over a network.
const DATABASE_READ: Duration = Duration::from_millis(30);

/// Clients, rooms and sessions that a store with little memory holds, and page steps that it holds events for, at most.
/// Source: chosen; fewer than a run has.
const MEMORY_MAX: u64 = 6;

/// Small, so that a run has many page steps. Source: chosen.
const PAGE_STEP_EVENTS: usize = 24;

/// As [`PAGE_STEP_EVENTS`].
const PAGE_STEP_BYTES: usize = 16 * 1024;
