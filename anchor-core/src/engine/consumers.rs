//! Durable consumers: named cursors over one room or all rooms, for whatever is made of what was said.
//!
//! A consumer has no queue: what it has not taken yet stands in the logs, and what is kept of it is one position for each
//! room ([`head`]). The store's commits tell it where to look ([`notes`]), a walk through all rooms what nobody told it of
//! ([`scan`]), and a look at a room is the same read, live and behind alike ([`look`]).

mod consumer;
mod head;
mod look;
mod manage;
mod name;
mod notes;
mod place;
mod scan;

use thiserror::Error;

pub use self::consumer::{Consumer, Taken};
pub use self::head::{Series, Whose};
pub(crate) use self::manage::Claim;
pub use self::manage::ConsumerInfo;
pub use self::name::{Begin, CONSUMER_NAME_BYTES_MAX, ConsumerId, ConsumerName, InvalidConsumerName, Scope};
pub(super) use self::notes::Consumers;
pub use self::notes::Interest;
use super::ReadError;
use crate::error::ErrorKind;
use crate::msgpack::Malformed;
use crate::publish::Refusal;
use crate::store::StoreError;

/// Why a consumer gives nothing, or was not changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// Somebody else has opened it since: it is theirs.
    #[error("the consumer was opened by another since")]
    Replaced,
    /// There is no such consumer, or no longer.
    #[error("there is no such consumer")]
    Removed,
    /// It reads another room, or all.
    #[error("there is a consumer of that name that reads something else")]
    OtherScope,
    /// A position in one room says nothing of all rooms.
    #[error("all rooms are read from their beginning, or from now on")]
    NoPlace,
    /// More consumers than a user has ([`crate::limits::CONSUMERS_OF_USER_MAX`]).
    #[error("a user has at most 32 consumers")]
    TooMany,
    /// More was given than may be undone at once ([`crate::limits::CONSUMER_PARTS_MAX`]): say what is done.
    #[error("too much was given that is not done")]
    TooManyOpen,
    /// Its user may not read that, or not all rooms.
    #[error("refused ({}): {}", .0.code, .0.message)]
    Refused(Refusal),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConsumerError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Replaced | Self::Removed => ErrorKind::Closed,
            Self::OtherScope | Self::NoPlace | Self::TooMany | Self::TooManyOpen => ErrorKind::Invalid,
            Self::Refused(_) => ErrorKind::Denied,
            Self::Store(error) => error.kind(),
        }
    }
}

impl From<Malformed> for ConsumerError {
    fn from(error: Malformed) -> Self {
        Self::Store(error.into())
    }
}

impl From<ReadError> for ConsumerError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(refusal) => Self::Refused(refusal),
            ReadError::Store(error) => Self::Store(error),
            // What is gone is told by a gap where it was; nobody is refused for it.
            ReadError::Deleted(_) => Self::Removed,
        }
    }
}
