//! What can go wrong with a client: one error for each operation, each with what to do about it.

use std::path::PathBuf;

use anchor_core::code::{Class, Code};
use anchor_core::error::{BoxError, ErrorKind};
use anchor_core::id::UserId;
use anchor_core::publish::Refusal;
use thiserror::Error;

/// Why a client could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The server's address cannot be used.
    #[error("{address:?} is no server address: {why}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another client has the state directory open.
    #[error(
        "the state directory {} is in use by another client; end that one or name another directory",
        directory.display()
    )]
    Held {
        /// Which directory.
        directory: PathBuf,
    },
    /// The state directory cannot be made, read or written.
    #[error("the state directory {} cannot be used; check that it is a directory you may write to", directory.display())]
    Directory {
        /// Which directory.
        directory: PathBuf,
        /// The system's error.
        #[source]
        source: BoxError,
    },
    /// The state directory belongs to another user.
    #[error(
        "the state directory {} belongs to {found}, not to {asked}; name another directory", directory.display()
    )]
    OtherUser {
        /// Which directory.
        directory: PathBuf,
        /// Whose it is.
        found: UserId,
        /// Who was asked for.
        asked: UserId,
    },
    /// The state directory holds messages for another server.
    #[error(
        "the state directory {} holds messages not yet sent to {found} ({pending}); send them there first or name another \
         directory",
        directory.display()
    )]
    OtherServer {
        /// Which directory.
        directory: PathBuf,
        /// The server they were written for.
        found: String,
        /// How many there are.
        pending: usize,
    },
    /// The state was written by a newer version.
    #[error(
        "the state directory {} has format {found}, this version reads up to {supported}; use a newer version",
        directory.display()
    )]
    NewerFormat {
        /// Which directory.
        directory: PathBuf,
        /// The format found.
        found: u64,
        /// The newest format that is understood.
        supported: u64,
    },
    /// The state is not what it should be.
    #[error("the state in {} is damaged: {what}; put it aside and start with an empty directory", directory.display())]
    Damaged {
        /// Which directory.
        directory: PathBuf,
        /// What was found.
        what: String,
    },
}

impl OpenError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Address { .. } | Self::OtherServer { .. } | Self::NewerFormat { .. } => ErrorKind::Invalid,
            Self::Held { .. } => ErrorKind::Retry,
            Self::Directory { .. } | Self::OtherUser { .. } => ErrorKind::Denied,
            Self::Damaged { .. } => ErrorKind::Corrupt,
        }
    }
}

/// Why a publish did not end with an ack.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The server refused it, for good: it is not in the log and never will be.
    #[error("refused: {} ({})", .0.message, .0.code)]
    Refused(Refusal),
    /// It may or may not be in the log, and nobody can tell any more: a person decides
    /// (see [`super::Client::undecided`]).
    #[error("it cannot be found out whether this message was delivered")]
    Unconfirmed,
    /// The client stopped for a reason that it cannot mend; the entry stays in the outbox.
    #[error("the client stopped: {message} ({code})")]
    Stopped {
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
    },
    /// The outbox cannot be written; what was not acknowledged may be sent again by the next start.
    #[error("the outbox cannot be written: {0}")]
    Outbox(String),
    /// The client was closed; the entry stays in the outbox if that is durable.
    #[error("the client is closed")]
    Closed,
}

impl PublishError {
    /// True where the server refused it because it is so already (`unchanged`, `room_exists`): who wanted it so has it.
    #[must_use]
    pub const fn is_so_already(&self) -> bool {
        matches!(self, Self::Refused(Refusal { code: Code::Unchanged | Code::RoomExists, .. }))
    }

    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(Refusal { code: Code::Denied, .. }) => ErrorKind::Denied,
            Self::Refused(_) | Self::Unconfirmed => ErrorKind::Invalid,
            Self::Stopped { .. } => ErrorKind::Denied,
            Self::Outbox(_) | Self::Closed => ErrorKind::Closed,
        }
    }
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server answered with an error.
    #[error("{message} ({code})")]
    Refused {
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
    },
    /// No answer came in the time given.
    #[error("no answer came in time")]
    TimedOut,
    /// The connection went before the answer came, and it is not asked again: see
    /// [`Client::signal_taken`](super::Client::signal_taken).
    #[error("the connection was lost before the server answered")]
    Lost,
    /// More requests wait already than the client keeps.
    #[error("too many requests are waiting for the server")]
    Busy,
    /// The client stopped for a reason that it cannot mend.
    #[error("the client stopped: {message} ({code})")]
    Stopped {
        /// Why.
        code: Code,
        /// One sentence for a person.
        message: String,
    },
    /// The state directory cannot be written.
    #[error("the state cannot be written: {0}")]
    State(String),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

impl RequestError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { code, .. } => match code.class() {
                Class::Retry => ErrorKind::Retry,
                Class::Final => ErrorKind::Invalid,
                Class::Renew | Class::Stop => ErrorKind::Denied,
            },
            Self::TimedOut | Self::Lost | Self::Busy => ErrorKind::Retry,
            Self::Stopped { .. } => ErrorKind::Denied,
            Self::State(_) | Self::Closed => ErrorKind::Closed,
        }
    }
}
