//! An open redb database, and protection from what redb does with a damaged file.
//!
//! redb trusts its files: on one that something else has changed it may panic, in any call and also when it is closed.
//! [`contained`] makes an error of that; [`OpenDatabase`] closes without letting a panic out.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anchor_core::error::BoxError;
use redb::{CommitError, Database, DatabaseError, StorageError, TableError, TransactionError};

/// A database that is closed when it goes, whatever its file has become.
#[derive(Debug)]
pub(crate) struct OpenDatabase(Option<Database>);

impl OpenDatabase {
    pub(crate) const fn new(database: Database) -> Self {
        Self(Some(database))
    }
}

impl Deref for OpenDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for OpenDatabase {
    fn deref_mut(&mut self) -> &mut Database {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for OpenDatabase {
    fn drop(&mut self) {
        let database = self.0.take();
        // Everything that counts was committed and synced before; an error here is one of tidying up.
        if let Err(error) = contained(|| Ok(database.map(Database::close).transpose()?)) {
            tracing::warn!(%error, "a database was not closed in order");
        }
    }
}

/// True if a database takes nothing more until it is opened anew: redb refuses every access after one that the disk failed,
/// and after a panic of its own.
pub(crate) fn is_final(error: &BoxError) -> bool {
    use StorageError::{Io, LockPoisoned, PreviousIo};
    matches!(storage_error(error), Some(Io(_) | PreviousIo | LockPoisoned(_)))
}

/// True if an error speaks of the disk, not of what is in the file.
pub(crate) fn is_of_the_system(error: &BoxError) -> bool {
    matches!(storage_error(error), Some(StorageError::Io(error)) if error.raw_os_error().is_some())
}

/// What redb's storage says, whichever call it comes from.
fn storage_error(error: &BoxError) -> Option<&StorageError> {
    if let Some(DatabaseError::Storage(error)) = error.downcast_ref() {
        Some(error)
    } else if let Some(TransactionError::Storage(error)) = error.downcast_ref() {
        Some(error)
    } else if let Some(TableError::Storage(error)) = error.downcast_ref() {
        Some(error)
    } else if let Some(CommitError::Storage(error)) = error.downcast_ref() {
        Some(error)
    } else {
        error.downcast_ref()
    }
}

/// Runs `part`; a panic in it is an error.
pub(crate) fn contained<T>(part: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    catch_unwind(AssertUnwindSafe(part)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!("panicked: {}", text.as_deref().unwrap_or("no message")).into())
    })
}
