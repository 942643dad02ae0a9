//! Giving back to the disk what a store no longer needs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use anchor_core::environment::Environment;
use anchor_core::error::BoxError;
use redb::StorageBackend;

use crate::database::contained;
use crate::error::OpenError;
use crate::handle::move_everything;
use crate::options::Options;
use crate::shared::Databases;
use crate::tables::Role;
use crate::{directory, renew, replay};

/// What [`compact`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// Bytes that both databases took on the disk.
    pub before_bytes: u64,
    /// Bytes that they take now.
    pub after_bytes: u64,
}

/// Makes the files of the store in `dir` as small as they can be: what is journalled is moved into the pages, pages below a
/// horizon are removed, and what is left is moved to the front of the files. If something was redacted or a room deleted
/// since the last time, all of it is then copied into new files, and nothing of what was taken away is in any file any
/// more. No server may have the directory open.
///
/// Nothing that was acknowledged is lost if it is interrupted, at whatever moment; the next opening then takes longer.
/// Takes some seconds for each GB, and room on the disk for what a page step writes; for the copy, as much again as is kept.
///
/// # Errors
/// [`OpenError`], each with its remedy; what was stored is still there.
pub fn compact(dir: impl AsRef<Path>, env: impl Environment) -> Result<Compacted, OpenError> {
    let (dir, options) = (dir.as_ref(), Options::default());
    let databases = directory::open_made(dir, &env, &options)?;
    let before_bytes = bytes_on_disk(dir);
    let databases = compact_databases(databases, Arc::new(env), options.clone())?;
    if renew::is_due(&databases).map_err(failed)? {
        renew::renew(dir, databases, &options)?;
    }
    Ok(Compacted { before_bytes, after_bytes: bytes_on_disk(dir) })
}

/// Does what [`compact`] does to a store on two storages, but for the copy: for simulations.
///
/// # Errors
/// [`OpenError`], each with its remedy; what was stored is still there.
pub fn compact_backends(
    journal: impl StorageBackend,
    pages: impl StorageBackend,
    env: impl Environment,
) -> Result<(), OpenError> {
    let options = Options::default();
    let databases = directory::open_backends(journal, pages, &env, &options)?;
    compact_databases(databases, Arc::new(env), options).map(drop)
}

fn compact_databases(
    databases: Databases,
    env: Arc<dyn Environment>,
    options: Options,
) -> Result<Databases, OpenError> {
    let shared = replay::open(databases, env, options)?;
    let moved = shared.guard(|| {
        move_everything(&shared)?;
        // The pages hold all of it now, durably.
        replay::clear(&*shared.databases()?)
    });
    let databases = shared.release();
    let compacted = moved.map_err(BoxError::from).and_then(|()| {
        let databases = databases.and_then(Arc::into_inner).ok_or("somebody else reads")?;
        contained(|| compact_both(databases))
    });
    compacted.map_err(failed)
}

fn compact_both(mut databases: Databases) -> Result<Databases, BoxError> {
    for database in [&mut databases.journal, &mut databases.pages] {
        for _ in 0..PASSES_MAX {
            if !database.compact()? {
                break;
            }
        }
    }
    Ok(databases)
}

fn failed(source: BoxError) -> OpenError {
    OpenError::Io { during: "compacting", source }
}

/// What both files take; nothing where that cannot be told.
fn bytes_on_disk(dir: &Path) -> u64 {
    let file = |role: Role| fs::metadata(dir.join(role.file())).map_or(0, |file| file.blocks() * BLOCK_BYTES);
    Role::BOTH.map(file).iter().sum()
}

/// How often a database is gone through. Source: chosen; redb mostly ends with the second.
const PASSES_MAX: u32 = 4;

/// The unit in which a file's size on the disk is told. Source: `stat(2)`.
const BLOCK_BYTES: u64 = 512;
