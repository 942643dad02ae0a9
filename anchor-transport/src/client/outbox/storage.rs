//! The durable outbox on storage that the caller brings: a disk of a simulation, say, or a file system of its own kind.
//!
//! A power loss in the middle of the first opening must leave what the next one takes for unused, and a damaged state must
//! never be taken for that. Neither can be told from zeros, so a new state is made in three synced steps: a mark where the
//! database's own magic will stand; everything but those bytes; the magic over the mark. Whatever begins with the mark was
//! never used. Assumption on the medium, which redb makes too: bytes of one sector are written together or not at all.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use anchor_core::id::UserId;
use futures::future::BoxFuture;
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};

use super::tables::Tables;
use super::{Change, Saved};
use crate::client::error::OpenError;

/// Where the state of a client lies, if not in a directory. One open client at a time may use it.
///
/// It commits on the task that drives the client: for disks that do not block.
pub trait Storage: Debug + Send + Sync + 'static {
    /// What errors call it.
    fn path(&self) -> &Path;

    /// The bytes; none where nothing was ever stored. Called once for each opening of a client.
    ///
    /// # Errors
    /// The system's: the state cannot be used.
    fn backend(&self) -> io::Result<Box<dyn StorageBackend>>;

    /// Resolves when the next commit may go to the disk. Until then changes are collected for it.
    fn turn(&self) -> BoxFuture<'static, ()>;
}

/// An open state on storage of the caller.
#[derive(Debug)]
pub(in crate::client) struct Stored {
    tables: Tables,
    storage: Arc<dyn Storage>,
}

impl Stored {
    /// Opens `storage`, making the state if none was ever made, for a client of `server`; gives what is stored.
    ///
    /// # Errors
    /// [`OpenError`], each with its remedy.
    pub(in crate::client) fn open(
        storage: Arc<dyn Storage>,
        server: &str,
        user: Option<&UserId>,
    ) -> Result<(Self, Saved), OpenError> {
        let backend = storage.backend().map(Backend).and_then(|backend| {
            if is_unused(&backend)? {
                make(&backend)?;
            }
            Ok(backend)
        });
        let backend = backend.map_err(|error| OpenError::Directory {
            directory: storage.path().to_owned(),
            source: error.into(),
        })?;
        let opened = Tables::builder().create_with_backend(backend);
        let (tables, saved) = Tables::open(opened, storage.path(), server, user)?;
        Ok((Self { tables, storage }, saved))
    }

    /// Makes `changes` durable, whole or not at all.
    ///
    /// # Errors
    /// redb's; whether they are durable is unknown, and the storage must be opened anew.
    pub(super) fn commit(&mut self, changes: &[Change]) -> Result<(), redb::Error> {
        self.tables.commit(changes)
    }

    /// Resolves when the next commit may begin.
    pub(super) fn turn(&self) -> BoxFuture<'static, ()> {
        self.storage.turn()
    }
}

/// True if no state was ever made there: nothing, the mark, or what a torn write leaves of the mark alone.
fn is_unused(backend: &Backend) -> io::Result<bool> {
    let len = backend.len()?;
    let mut head = [0; MARK.len()];
    let known = usize::try_from(len).unwrap_or(usize::MAX).min(head.len());
    backend.read(0, &mut head[..known])?;
    Ok(head == *MARK || len <= MARK.len() as u64 && head.iter().zip(MARK).all(|(a, b)| [0, *b].contains(a)))
}

/// Makes an empty database.
fn make(backend: &Backend) -> io::Result<()> {
    let image = empty_database()?;
    backend.write(0, MARK)?;
    backend.set_len(MARK.len() as u64)?;
    backend.sync_data()?;
    backend.set_len(image.len() as u64)?;
    let mut at = MARK.len();
    while at < image.len() {
        let end = image.len().min((at / PIECE_BYTES + 1) * PIECE_BYTES);
        let piece = &image[at..end];
        if piece.iter().any(|byte| *byte != 0) {
            backend.write(at as u64, piece)?;
        }
        at = end;
    }
    backend.sync_data()?;
    backend.write(0, &image[..MARK.len()])?;
    backend.sync_data()
}

/// The bytes of a database whose tables are empty.
fn empty_database() -> io::Result<Vec<u8>> {
    let memory = Memory(Arc::new(InMemoryBackend::new()));
    let made = Database::builder().create_with_backend(memory.clone()).map_err(io::Error::other)?;
    Tables::make(&made).map_err(io::Error::other)?;
    drop(made);
    let mut image = vec![0; usize::try_from(memory.len()?).map_err(io::Error::other)?];
    memory.read(0, &mut image)?;
    Ok(image)
}

/// What the caller's storage gives, as redb takes it.
#[derive(Debug)]
struct Backend(Box<dyn StorageBackend>);

/// Memory that outlives the database on it.
#[derive(Clone, Debug)]
struct Memory(Arc<InMemoryBackend>);

macro_rules! forward {
    ($backend:ident: $($close:ident)?) => {
        impl StorageBackend for $backend {
            fn len(&self) -> io::Result<u64> {
                self.0.len()
            }

            fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
                self.0.read(offset, out)
            }

            fn set_len(&self, len: u64) -> io::Result<()> {
                self.0.set_len(len)
            }

            fn sync_data(&self) -> io::Result<()> {
                self.0.sync_data()
            }

            fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
                self.0.write(offset, data)
            }

            $(fn $close(&self) -> io::Result<()> {
                self.0.close()
            })?
        }
    };
}

forward!(Backend: close);
forward!(Memory:);

/// Stands where the magic of a database will, while that is being made.
const MARK: &[u8; 16] = b"anchor: unmade.\n";

/// In what pieces a new database is written; those of zeros are left out. Source: redb's page size.
const PIECE_BYTES: usize = 4096;
