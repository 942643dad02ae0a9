//! What the pages held at some moment, kept open for everybody who reads.
//!
//! Opening a transaction and its tables costs as much as reading a page, so that readers share one until a page step makes
//! another. A snapshot that is kept holds back the space that later steps free, therefore the pager drops it before each.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anchor_core::error::BoxError;
use redb::{ReadOnlyTable, ReadableDatabase};

use crate::shared::Databases;
use crate::tables::{CLIENTS, CURSORS, DELETED, MEMBERS, PAGES, RECORDS, RESERVED, ROOMS, ROOMS_OF, USERS};
use crate::targets::TargetTables;

/// One moment of the pages. To be held for as long as anything that was read of it: in redb 4.5 a value that `get` gives does
/// not keep its transaction alive, whatever the documentation says, and a page step may free the page beneath it.
pub(crate) struct Snapshot {
    pub(crate) pages: ReadOnlyTable<(u64, u64), &'static [u8]>,
    pub(crate) rooms: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(crate) clients: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(crate) targets: TargetTables,
    pub(crate) members: ReadOnlyTable<(u64, &'static str), &'static [u8]>,
    pub(crate) rooms_of: ReadOnlyTable<(&'static str, &'static str), u64>,
    pub(crate) users: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(crate) deleted: ReadOnlyTable<&'static str, &'static [u8; 8]>,
    pub(crate) cursors: ReadOnlyTable<(u64, &'static str), &'static [u8]>,
    pub(crate) reserved: ReadOnlyTable<&'static str, (u64, &'static [u8; 8])>,
    pub(crate) records: ReadOnlyTable<&'static str, &'static [u8]>,
    /// Goes last: the databases are closed once nobody reads.
    _databases: Arc<Databases>,
}

/// The newest snapshot, if somebody has asked since the last page step.
#[derive(Debug, Default)]
pub(crate) struct Snapshots(Mutex<Option<Arc<Snapshot>>>);

impl Snapshots {
    /// A snapshot of what the pages hold now.
    pub(crate) fn newest(&self, databases: Arc<Databases>) -> Result<Arc<Snapshot>, BoxError> {
        let mut newest = self.lock();
        if let Some(snapshot) = &*newest {
            return Ok(Arc::clone(snapshot));
        }
        let transaction = databases.pages.begin_read()?;
        let snapshot = Arc::new(Snapshot {
            pages: transaction.open_table(PAGES)?,
            rooms: transaction.open_table(ROOMS)?,
            clients: transaction.open_table(CLIENTS)?,
            targets: TargetTables::open(&transaction)?,
            members: transaction.open_table(MEMBERS)?,
            rooms_of: transaction.open_table(ROOMS_OF)?,
            users: transaction.open_table(USERS)?,
            deleted: transaction.open_table(DELETED)?,
            cursors: transaction.open_table(CURSORS)?,
            reserved: transaction.open_table(RESERVED)?,
            records: transaction.open_table(RECORDS)?,
            _databases: databases,
        });
        *newest = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Lets go of it: the next reader gets a newer one.
    pub(crate) fn forget(&self) {
        let snapshot = self.lock().take();
        drop(snapshot);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Snapshot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}
