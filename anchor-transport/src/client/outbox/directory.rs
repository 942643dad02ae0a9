//! The durable outbox in files: one redb database in a directory that one process holds.
//!
//! `lock` is held by an operating-system lock for as long as the directory is open, `client.redb` holds the tables.

use std::fs::{File, TryLockError};
use std::path::Path;

use anchor_core::error::BoxError;
use anchor_core::id::UserId;
use redb::Database;

use super::tables::Tables;
use super::{Change, Saved};
use crate::client::error::OpenError;

/// The state directory of a client, held until it is dropped.
#[derive(Debug)]
pub(in crate::client) struct Directory {
    tables: Tables,
    /// Held, never read; let go after the database is closed.
    _lock: File,
}

impl Directory {
    /// Opens `path`, making what is not there, for a client of `server`; gives what is stored.
    ///
    /// # Errors
    /// [`OpenError`], each with its remedy.
    pub(in crate::client) fn open(
        path: &Path,
        server: &str,
        user: Option<&UserId>,
    ) -> Result<(Self, Saved), OpenError> {
        let unusable = |source: BoxError| OpenError::Directory { directory: path.to_owned(), source };
        make_directory(path).map_err(|error| unusable(error.into()))?;
        let lock = hold(path)?;
        let file = path.join(FILE_NAME);
        if !file.try_exists().map_err(|error| unusable(error.into()))? {
            make_file(path, &file).map_err(unusable)?;
        }
        let (tables, saved) = Tables::open(Tables::builder().open(&file), path, server, user)?;
        Ok((Self { tables, _lock: lock }, saved))
    }

    /// Makes `changes` durable, whole or not at all.
    ///
    /// # Errors
    /// redb's; whether they are durable is unknown, and the directory must be opened anew.
    pub(in crate::client) fn commit(&mut self, changes: &[Change]) -> Result<(), redb::Error> {
        self.tables.commit(changes)
    }
}

/// Takes the lock of the directory.
fn hold(path: &Path) -> Result<File, OpenError> {
    let unusable =
        |error: std::io::Error| OpenError::Directory { directory: path.to_owned(), source: error.into() };
    let lock = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path.join(LOCK_NAME))
        .map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held { directory: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Makes the file, readable for its owner alone: it holds the secret `client_id`. It gets its name once it is whole, so a
/// process that dies meanwhile leaves nothing that looks like a damaged one.
fn make_file(directory: &Path, file: &Path) -> Result<(), BoxError> {
    let unfinished = file.with_extension("redb.new");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(&unfinished)?);
    let database = Database::builder().create(&unfinished)?;
    Tables::make(&database)?;
    drop(database);
    std::fs::rename(&unfinished, file)?;
    // redb syncs the file, nobody its name.
    File::open(directory)?.sync_all()?;
    Ok(())
}

/// Makes the directory, for its owner alone.
fn make_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

const FILE_NAME: &str = "client.redb";
const LOCK_NAME: &str = "lock";
