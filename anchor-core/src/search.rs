//! Full-text search: what an index must answer. The index is the host's to bring; `anchor-search` has one.
//!
//! An index says *where* messages stand. What they say is read from the log, as it is now and as far as the asker may read it
//! ([`crate::engine::Anchor::search`]), so that nothing is shown that was redacted, hidden or trimmed since it was indexed.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::code::Code;
use crate::engine::{Anchor, ReadError};
use crate::error::{BoxError, ErrorKind};
use crate::event::Event;
use crate::id::RoomId;
use crate::position::{Epoch, Offset};
use crate::publish::Refusal;
use crate::session::Identity;
use crate::store::StoreError;

/// Finds messages by what they say.
#[async_trait]
pub trait Search: Debug + Send + Sync + 'static {
    /// Where messages stand that match, the newest first, of those that `who` may read: [`Anchor::permit`] says which.
    ///
    /// At most `asked.limit`; fewer where it has looked at as much as one answer may cost, and then more may follow.
    ///
    /// # Errors
    /// [`SearchError`].
    async fn search(&self, anchor: &Anchor, who: &Identity, asked: &Asked) -> Result<Hits, SearchError>;
}

/// What somebody looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The query, as a person writes it.
    pub text: String,
    /// Hits, at most; at least 1.
    pub limit: usize,
    /// The [`Hit::place`] or the [`Hits::next`] that the answer goes on behind.
    pub after: Option<String>,
}

/// Where messages stand that match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// The newest first.
    pub hits: Vec<Hit>,
    /// What to ask with for those that follow; none at the end.
    pub next: Option<String>,
    /// Events that the index has not taken yet, about.
    pub lag: u64,
}

/// Where a message stands that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// In which room.
    pub room: RoomId,
    /// In which history.
    pub epoch: Epoch,
    /// At which offset.
    pub offset: Offset,
    /// What to ask with for those that follow this one.
    pub place: String,
}

/// Messages that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The newest first, each as it is now: with the body of its newest edit.
    pub messages: Vec<FoundMessage>,
    /// What to ask with for those that follow; none at the end.
    pub next: Option<String>,
    /// Events that the index has not taken yet, about.
    pub lag: u64,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMessage {
    /// In which room.
    pub room: RoomId,
    /// In which history.
    pub epoch: Epoch,
    /// The message, with the body of its newest edit.
    pub event: Event,
}

/// Why nothing was looked for.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query, or where to go on, breaks a rule: a sentence for the person who wrote it.
    #[error("{0}")]
    Invalid(String),
    /// Too much is being looked for; ask again later.
    #[error("too much is being looked for now")]
    Busy,
    /// What the asker may read could not be found out.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index failed.
    #[error("the index {index} failed")]
    Failed {
        /// Which index.
        index: &'static str,
        /// Its own error.
        #[source]
        source: Arc<BoxError>,
    },
}

impl SearchError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Busy | Self::Failed { .. } => ErrorKind::Retry,
            Self::Read(error) => error.kind(),
        }
    }
}

impl From<StoreError> for SearchError {
    fn from(error: StoreError) -> Self {
        Self::Read(error.into())
    }
}

impl From<SearchError> for ReadError {
    /// As a session tells it.
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Invalid(message) => Self::Refused(Refusal::new(Code::Invalid, message)),
            SearchError::Busy => Self::Refused(Refusal::new(Code::TooManyReads, error.to_string())),
            SearchError::Read(error) => error,
            SearchError::Failed { index, source } => {
                Self::Store(StoreError::Unavailable { backend: index, source })
            }
        }
    }
}
