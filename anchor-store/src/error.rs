//! Why a directory was not opened: one sentence each, with what to do.

use std::io;
use std::path::PathBuf;

use anchor_core::error::{BoxError, ErrorKind};
use thiserror::Error;

use crate::database::is_of_the_system;

/// Why a store was not opened. Nothing was changed, unless the message says so.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another store of this process, has the directory open.
    #[error("{} is in use by another server: stop that one first, or choose another directory", dir.display())]
    Held {
        /// The directory.
        dir: PathBuf,
    },
    /// Something else than a directory stands there.
    #[error("{} is not a directory: choose another path, or move that file away", dir.display())]
    NotADirectory {
        /// What was given.
        dir: PathBuf,
    },
    /// The directory, or a file in it, cannot be made, read or written.
    #[error("{} cannot be read and written: give this user the right to, or choose another directory", path.display())]
    NotWritable {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A later version of Anchor wrote the data.
    #[error(
        "the data has format {found}, this version of Anchor knows formats up to {supported}: \
         use the version that wrote it, or a later one"
    )]
    NewerFormat {
        /// The format of the data.
        found: u32,
        /// The newest that this version knows.
        supported: u32,
    },
    /// The two databases, or the directory and a database, do not belong together.
    #[error(
        "{file} does not belong to the other files beside it: put back the set of files that was saved together"
    )]
    PairMismatch {
        /// The file that differs.
        file: &'static str,
    },
    /// What was to be restored or checked is not there.
    #[error("there is no store in {}: name the directory that has the files of one", dir.display())]
    NoStore {
        /// The directory.
        dir: PathBuf,
    },
    /// A file that must be there is not.
    #[error(
        "{file} is missing although the other files are there: put back the set of files that was saved together"
    )]
    Missing {
        /// The file.
        file: &'static str,
    },
    /// Commits lie between what the pages hold and where the journal begins.
    #[error(
        "the journal begins at commit {first} but the pages end at {applied}: \
         pages.redb is older than journal.redb, put back the files that were saved together"
    )]
    JournalAhead {
        /// The oldest commit of the journal.
        first: u64,
        /// The newest commit that the pages hold.
        applied: u64,
    },
    /// A file is not what was once written.
    #[error("{file} is damaged ({what}): put back a backup, and keep the damaged files for inspection")]
    Damaged {
        /// The file.
        file: &'static str,
        /// In what.
        what: String,
    },
    /// The operating system failed an operation.
    #[error("the data directory failed ({during}): check the disk, then start again")]
    Io {
        /// What was tried.
        during: &'static str,
        /// What it says.
        #[source]
        source: BoxError,
    },
}

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Held { .. } | Self::Io { .. } => ErrorKind::Retry,
            Self::NotADirectory { .. } | Self::NoStore { .. } | Self::NewerFormat { .. } => {
                ErrorKind::Invalid
            }
            Self::NotWritable { .. } => ErrorKind::Denied,
            Self::PairMismatch { .. }
            | Self::Missing { .. }
            | Self::JournalAhead { .. }
            | Self::Damaged { .. } => ErrorKind::Corrupt,
        }
    }

    /// An error of reading a database: of the disk or of what is in the file.
    pub(crate) fn unreadable(file: &'static str, error: BoxError) -> Self {
        match is_of_the_system(&error) {
            true => Self::Io { during: "opening a database", source: error },
            false => Self::damaged(file, error),
        }
    }

    /// A file whose content cannot be understood.
    pub(crate) fn damaged(file: &'static str, what: impl ToString) -> Self {
        Self::Damaged { file, what: what.to_string() }
    }
}
