//! What can be set about a store, and every bound with its source.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::environment::Environment;
use redb::StorageBackend;

use crate::RedbStore;
use crate::error::OpenError;

/// How a store is opened. Made by [`RedbStore::options`].
#[derive(Clone)]
#[must_use]
pub struct Options {
    pub(crate) disk_reserve_bytes: u64,
    pub(crate) pages_cache_bytes: usize,
    pub(crate) runs_cache_bytes: usize,
    pub(crate) unpaged_events_max: usize,
    pub(crate) unpaged_bytes_max: usize,
    pub(crate) step_events: usize,
    pub(crate) step_bytes: usize,
    pub(crate) clients_cached: usize,
    pub(crate) rooms_cached: usize,
    pub(crate) sessions_cached: usize,
    pub(crate) free_bytes: Option<FreeBytes>,
}

/// Tells how many bytes are free on the disk.
pub(crate) type FreeBytes = Arc<dyn Fn() -> io::Result<u64> + Send + Sync>;

impl Options {
    /// Free space below which appends wait, in bytes; 256 MiB unless set, never less than the 16 MiB of one commit.
    /// Reading goes on, and so do appends by themselves once there is room.
    pub const fn disk_reserve_bytes(mut self, bytes: u64) -> Self {
        self.disk_reserve_bytes = bytes;
        self
    }

    /// Memory for the database of pages, in bytes, of which half may be what a page step writes; 48 MiB unless set.
    pub const fn pages_cache_bytes(mut self, bytes: usize) -> Self {
        self.pages_cache_bytes = bytes;
        self
    }

    /// Memory for runs that were read, ready to be sent, in bytes; 32 MiB unless set. Many who come back at once share them.
    pub const fn runs_cache_bytes(mut self, bytes: usize) -> Self {
        self.runs_cache_bytes = bytes;
        self
    }

    /// Events and bytes that may be journalled and not yet paged, kept in memory; 262,144 and 64 MiB unless set.
    /// Beyond it appends wait for the pager. At least one of each.
    pub fn unpaged_max(mut self, events: usize, bytes: usize) -> Self {
        self.unpaged_events_max = events.max(1);
        self.unpaged_bytes_max = bytes.max(1);
        self
    }

    /// Events and bytes that one page step moves, about; 32,768 and 8 MiB unless set.
    pub const fn page_step(mut self, events: usize, bytes: usize) -> Self {
        self.step_events = events;
        self.step_bytes = bytes;
        self
    }

    /// Clients' windows and rooms' rows that are kept in memory beside those that are not yet paged; 65,536 each unless
    /// set. Others are read from the pages.
    pub const fn cached(mut self, clients: usize, rooms: usize) -> Self {
        self.clients_cached = clients;
        self.rooms_cached = rooms;
        self
    }

    /// Clients whose newest session is kept in mind, about; 524,288 unless set. An append of a session that was idle while
    /// more than so many others opened is answered [`StoreError::Unavailable`]: its client opens another.
    ///
    /// [`StoreError::Unavailable`]: anchor_core::store::StoreError::Unavailable
    pub const fn sessions_cached(mut self, sessions: usize) -> Self {
        self.sessions_cached = sessions;
        self
    }

    /// Asks `free_bytes` for the free space instead of the operating system: for tests and simulations.
    pub fn free_bytes(mut self, free_bytes: impl Fn() -> io::Result<u64> + Send + Sync + 'static) -> Self {
        self.free_bytes = Some(Arc::new(free_bytes));
        self
    }

    /// Opens the store in `dir`, making both if they are not there. Threads of its own do the writing.
    ///
    /// # Errors
    /// [`OpenError`], each with its remedy.
    pub fn open(self, dir: impl AsRef<Path>, env: impl Environment) -> Result<RedbStore, OpenError> {
        crate::handle::open_directory(self, dir.as_ref(), Arc::new(env))
    }

    /// Opens a store on two storages. Threads of its own do the writing.
    ///
    /// # Errors
    /// [`OpenError`], each with its remedy.
    pub fn open_backends(
        self,
        journal: impl StorageBackend,
        pages: impl StorageBackend,
        env: impl Environment,
    ) -> Result<RedbStore, OpenError> {
        crate::handle::open_backends(self, journal, pages, Arc::new(env), crate::handle::Drive::Threads)
    }

    /// Opens a store on two storages, with no thread: nothing is written but by [`RedbStore::step_writer`] and
    /// [`RedbStore::step_pager`].
    ///
    /// # Errors
    /// [`OpenError`], each with its remedy.
    pub fn open_stepped(
        self,
        journal: impl StorageBackend,
        pages: impl StorageBackend,
        env: impl Environment,
    ) -> Result<RedbStore, OpenError> {
        crate::handle::open_backends(self, journal, pages, Arc::new(env), crate::handle::Drive::Steps)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            disk_reserve_bytes: DISK_RESERVE_BYTES,
            pages_cache_bytes: PAGES_CACHE_BYTES,
            runs_cache_bytes: RUNS_CACHE_BYTES,
            unpaged_events_max: UNPAGED_EVENTS_MAX,
            unpaged_bytes_max: UNPAGED_BYTES_MAX,
            step_events: STEP_EVENTS,
            step_bytes: STEP_BYTES,
            clients_cached: 65_536,
            rooms_cached: 65_536,
            sessions_cached: SESSIONS_CACHED,
            free_bytes: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("disk_reserve_bytes", &self.disk_reserve_bytes)
            .field("pages_cache_bytes", &self.pages_cache_bytes)
            .field("runs_cache_bytes", &self.runs_cache_bytes)
            .field("unpaged_events_max", &self.unpaged_events_max)
            .field("unpaged_bytes_max", &self.unpaged_bytes_max)
            .field("step_events", &self.step_events)
            .field("step_bytes", &self.step_bytes)
            .finish_non_exhaustive()
    }
}

/// Free disk space below which appends and the pager wait, unless the next page step may need more: see
/// [`REWRITTEN_BYTES`]. Source: the design. One commit and the page step that has begun find room in it.
pub(crate) const DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// What one commit may take on the disk. Source: chosen; the largest batch with what redb writes besides, twice.
pub(crate) const DISK_COMMIT_BYTES: u64 = 4 * BATCH_BYTES_MAX as u64;

/// Events that are journalled and not yet paged. Source: measured with the layout; at the size of a chat message about
/// the memory of [`UNPAGED_BYTES_MAX`].
const UNPAGED_EVENTS_MAX: usize = 262_144;

/// Bytes of them. Source: chosen; four seconds at 100,000 messages of 128 bytes a second.
const UNPAGED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Events that one page step moves. Source: measured; larger ones write fuller pages, smaller ones shorter transactions.
const STEP_EVENTS: usize = 32_768;

/// Bytes that one page step moves. Source: chosen; keeps a transaction well below a second on a slow disk.
const STEP_BYTES: usize = 8 * 1024 * 1024;

/// What a page step may write for each page that it writes again, beside what it moves: see `Cut::rewritten`. Source: redb
/// gives the 64 KiB of a full page, with their salts, the next power of two.
pub(crate) const REWRITTEN_BYTES: u64 = 128 * 1024;

/// For how long the free space of the disk is taken to be what it was. Source: chosen; other programs fill a tenth of the
/// reserve at most in it.
pub(crate) const FREE_BYTES_HOLD: Duration = Duration::from_millis(20);

/// Publishes of one commit. Source: chosen; the commit rate no longer matters at this size.
pub(crate) const BATCH_PUBLISHES_MAX: usize = 8_192;

/// Bytes of bodies in one commit, unless one batch has more. Source: chosen; what the disk reserve is to cover.
pub(crate) const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Memory that is kept for the next value of the journal. Source: chosen; a commit of 2,000 messages of 128 bytes.
pub(crate) const VALUE_BYTES_KEPT: usize = 1024 * 1024;

/// Values of the journal that one commit removes. Source: measured with the layout; faster than they are added.
pub(crate) const TRIMMED_COMMITS: u64 = 32;

/// Pages below a horizon that one page step removes. Source: chosen; some milliseconds.
pub(crate) const REMOVED_PAGES: usize = 1_024;

/// Rows of cursors and records that wait for the pager. Source: chosen; as many as users read in a second where 65,536 do.
pub(crate) const NOTED_ROWS_MAX: usize = 65_536;

/// Bytes of them. Source: chosen; as much memory as some thousand sessions take.
pub(crate) const NOTED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Rows of cursors and records that one transaction of the pager writes, unless one call has more. Source: chosen; some tens
/// of milliseconds.
pub(crate) const NOTED_ROWS_STEP: usize = 16_384;

/// Bytes of them. Source: chosen; keeps a transaction within the disk reserve.
pub(crate) const NOTED_BYTES_STEP: usize = 4 * 1024 * 1024;

/// Clients whose session numbers are kept; see `sessions.rs` for the others. Source: chosen; about 150 MB at the most.
const SESSIONS_CACHED: usize = 524_288;

/// Memory for the journal's own pages. Source: measured; it is read only when the store is opened, and what is removed
/// from it is found in the operating system's cache.
pub(crate) const JOURNAL_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Memory for the pages' database. Source: measured; what a page step writes into 1,000 rooms fits into half of it, else
/// half as much again is written.
const PAGES_CACHE_BYTES: usize = 48 * 1024 * 1024;

/// Memory for runs that were read. Source: chosen; some 100,000 messages of 128 bytes, of as many rooms as come back
/// together.
const RUNS_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Threads that read from the disk, at most; one for two processors, so that the writer finds one. Source: chosen; more do
/// not help one disk.
pub(crate) const READER_THREADS_MAX: usize = 4;

/// Time without an append after which what is unpaged is moved. Source: chosen; makes the next opening short.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// Time between two looks at a full disk. Source: chosen; nobody notices, and it costs nothing.
pub(crate) const DISK_RETRY: Duration = Duration::from_millis(200);

const _: () = assert!((BATCH_BYTES_MAX + 2 * UNPAGED_BYTES_MAX) as u64 <= DISK_RESERVE_BYTES);
