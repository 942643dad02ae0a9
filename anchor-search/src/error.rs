//! What goes wrong with an index.

use std::io;
use std::path::PathBuf;

use anchor_core::error::ErrorKind;
use thiserror::Error;

/// What went wrong. Nothing is lost: an index can be made again from the logs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Another process, or another index of this process, has the directory open.
    #[error("{} is in use by another server: stop that one first, or choose another directory", dir.display())]
    Held {
        /// The directory.
        dir: PathBuf,
    },
    /// There is something in the directory that no index put there; it is left as it is.
    #[error("{} is no index of this server, and is left alone: choose another directory, or move it away", path.display())]
    NotAnIndex {
        /// What is there.
        path: PathBuf,
    },
    /// The directory, or a file in it, cannot be made, read or written.
    #[error("{} cannot be read and written", path.display())]
    Disk {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A thread of the index panicked. What it did is undone as by a crash, and it goes on.
    #[error("the search index ended in a panic, of which the log of the process tells")]
    Panicked,
    /// There is no index to search in for the time being, such as for want of room on the disk.
    #[error("there is no search index now; the log of the process tells why")]
    NotThere,
    /// It is closed.
    #[error("the index is closed")]
    Stopped,
    /// The index failed, or is damaged. Where that stays, delete its directory: it is made anew from the logs.
    #[error("the index failed")]
    Tantivy(#[from] tantivy::TantivyError),
}

impl IndexError {
    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Held { .. } | Self::Stopped => ErrorKind::Closed,
            // There may be room again.
            Self::Disk { source, .. } if is_want_of_room(source) => ErrorKind::Retry,
            Self::NotAnIndex { .. } | Self::Disk { .. } => ErrorKind::Invalid,
            Self::Tantivy(_) | Self::Panicked | Self::NotThere => ErrorKind::Retry,
        }
    }
}

fn is_want_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
