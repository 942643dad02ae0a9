//! What a consumer is called, and whose it is.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::id::{RoomId, UserId};

/// Longest name of a consumer, in bytes. Source: chosen; as a room id.
pub const CONSUMER_NAME_BYTES_MAX: usize = 64;

/// The name of a consumer: 1 to 64 bytes of `a-z 0-9 . _ -`. Those that begin with `anchor.` are Anchor's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerName(Arc<str>);

impl ConsumerName {
    /// Checks and wraps `name`.
    ///
    /// # Errors
    /// [`InvalidConsumerName`].
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidConsumerName> {
        let name = name.as_ref();
        let is_allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        match name.len() {
            1..=CONSUMER_NAME_BYTES_MAX if name.bytes().all(is_allowed) => Ok(Self(name.into())),
            _ => Err(InvalidConsumerName),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which consumer: its name, and whose it is. The same name of another is another consumer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId {
    /// The user whose it is; none of the host itself.
    pub owner: Option<UserId>,
    /// What it is called.
    pub name: ConsumerName,
}

impl ConsumerId {
    /// The host's consumer of that name.
    #[must_use]
    pub const fn of_host(name: ConsumerName) -> Self {
        Self { owner: None, name }
    }

    /// A user's consumer of that name.
    #[must_use]
    pub const fn of_user(user: UserId, name: ConsumerName) -> Self {
        Self { owner: Some(user), name }
    }
}

impl From<ConsumerName> for ConsumerId {
    fn from(name: ConsumerName) -> Self {
        Self::of_host(name)
    }
}

/// What a consumer reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One room; it need not be there yet.
    Room(RoomId),
    /// All rooms, those to come included, but for the users' own logs.
    All,
}

impl Scope {
    /// True if it reads that room.
    #[must_use]
    pub fn has(&self, room: &RoomId) -> bool {
        match self {
            Self::Room(own) => own == room,
            Self::All => !room.is_own_log(),
        }
    }
}

/// Where a consumer begins that was not there before; rooms that come later are read from their beginning, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With all that there is.
    Start,
    /// With what comes.
    Now,
}

/// Not the name of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the name of a consumer has 1 to 64 characters of a-z 0-9 . _ -")]
pub struct InvalidConsumerName;

impl fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConsumerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{} of {owner}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}
