//! Names of things: rooms, users, clients, sessions and the numbers a client gives to its publishes.
//!
//! Every type here is checked where it is made, so that the inside of Anchor never checks again.
//! Ids are compared as bytes; nothing is normalised.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::environment::Environment;
use crate::fixed::{fixed_bytes, shown_as_hex};

/// Largest number that may appear on the wire. Source: integers above it are not exact in JavaScript.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Longest room id, in bytes. Source: the protocol; chosen so that an id fits one line and one index key.
pub const ROOM_ID_BYTES_MAX: usize = 64;

/// Longest user id, in bytes. Source: the protocol; chosen as [`ROOM_ID_BYTES_MAX`].
pub const USER_ID_BYTES_MAX: usize = 64;

/// The name of a room: 1 to 64 bytes of `a-z 0-9 . _ -`. It never changes.
///
/// An id that begins with `@` parses too, but only Anchor makes such rooms (see [`RoomId::is_system`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// Checks and wraps `id`.
    ///
    /// # Errors
    /// [`InvalidId`] names the rule that `id` breaks.
    pub fn new(id: impl AsRef<str>) -> Result<Self, InvalidId> {
        let id = id.as_ref();
        let name = id.strip_prefix('@').unwrap_or(id);
        if name.is_empty() {
            return Err(InvalidId::Empty { what: "room id" });
        }
        if id.len() > ROOM_ID_BYTES_MAX {
            return Err(InvalidId::TooLong { what: "room id", bytes: id.len(), max: ROOM_ID_BYTES_MAX });
        }
        match name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')) {
            true => Ok(Self(id.into())),
            false => Err(InvalidId::RoomCharacter),
        }
    }

    /// An id that Anchor made itself, by the rules.
    pub(crate) fn made(id: String) -> Self {
        debug_assert!(Self::new(&id).is_ok());
        Self(id.into())
    }

    /// The room that is meant where none is named.
    #[must_use]
    pub fn lobby() -> Self {
        Self("lobby".into())
    }

    /// True for ids that begin with `@`: direct rooms and rooms of Anchor itself. Nobody else may make one.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.starts_with('@')
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who somebody is: 1 to 64 bytes of UTF-8 without control or bidirectional-override characters, and without
/// white space at either end. It never changes and is never given out twice; display names live elsewhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Checks and wraps `id`.
    ///
    /// # Errors
    /// [`InvalidId`] names the rule that `id` breaks.
    pub fn new(id: impl AsRef<str>) -> Result<Self, InvalidId> {
        let id = id.as_ref();
        if id.is_empty() {
            return Err(InvalidId::Empty { what: "user id" });
        }
        if id.len() > USER_ID_BYTES_MAX {
            return Err(InvalidId::TooLong { what: "user id", bytes: id.len(), max: USER_ID_BYTES_MAX });
        }
        if id.trim() != id || id.chars().any(is_unprintable) {
            return Err(InvalidId::UserCharacter);
        }
        Ok(Self(id.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fixed_bytes! {
    /// One installation of a user's software: 16 random bytes and **a secret of that installation**.
    ///
    /// Whoever knows it can publish as that client. Others see only the derived [`ClientTag`]; `Debug` shows nothing.
    ClientId, 16
}

impl ClientId {
    /// A new client.
    #[must_use]
    pub fn random(env: &(impl Environment + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        env.fill_random(&mut bytes);
        Self(bytes)
    }
}

/// A client as the store knows it: the same `client_id` under another user is another client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey {
    /// Whose software it is.
    pub user: UserId,
    /// Which installation it is.
    pub id: ClientId,
}

impl ClientKey {
    /// The name under which others see this client: 8 bytes derived by BLAKE3 from user and `client_id`.
    #[must_use]
    pub fn tag(&self) -> ClientTag {
        let mut hasher = blake3::Hasher::new_derive_key("anchor.v1 client tag");
        hasher.update(&length_prefix(self.user.as_str().len()));
        hasher.update(self.user.as_str().as_bytes());
        hasher.update(self.id.as_bytes());
        let mut tag = [0; 8];
        tag.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        ClientTag(tag)
    }
}

fixed_bytes! {
    /// The public name of a client, as events show it. It does not reveal the `client_id`.
    ClientTag, 8
}

fixed_bytes! {
    /// The name of one connection of a client, for logs: 16 random bytes.
    SessionId, 16
}

/// Which session of a client this is: each `hello` raises it, and appends of a lower one are fenced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNumber(pub u64);

/// The number a client gives to a publish: strictly increasing, gaps allowed, from 1 to [`NUMBER_MAX`].
///
/// [`Seq::ZERO`] stands for "none yet" where a highest seq is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// "None yet": below every seq of a publish.
    pub const ZERO: Self = Self(0);
    /// The lowest seq of a publish.
    pub const FIRST: Self = Self(1);

    /// Checks and wraps `number`.
    ///
    /// # Errors
    /// [`InvalidId::Number`] above [`NUMBER_MAX`].
    pub const fn new(number: u64) -> Result<Self, InvalidId> {
        if number > NUMBER_MAX { Err(InvalidId::Number { what: "seq" }) } else { Ok(Self(number)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next seq; stays at [`NUMBER_MAX`], which no client reaches (285,000 years at 1,000 a second).
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 == NUMBER_MAX { self } else { Self(self.0 + 1) }
    }
}

/// Random bits that a client draws for each publish, so that two equal texts of two clones stay two publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub u32);

/// Why an id or a number was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Nothing was given.
    #[error("a {what} must not be empty")]
    Empty {
        /// Which id.
        what: &'static str,
    },
    /// More bytes than allowed.
    #[error("a {what} has at most {max} bytes, this one has {bytes}")]
    TooLong {
        /// Which id.
        what: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The longest allowed, in bytes.
        max: usize,
    },
    /// A room id with a character outside of its alphabet.
    #[error("a room id consists of a-z 0-9 . _ - only")]
    RoomCharacter,
    /// A user id with a control character, a bidirectional override, or white space at an end.
    #[error("a user id has no control or bidirectional-override characters and no white space at its ends")]
    UserCharacter,
    /// A number above [`NUMBER_MAX`].
    #[error("a {what} is at most 2^53 - 1")]
    Number {
        /// Which number.
        what: &'static str,
    },
}

/// True for characters that can forge what a person sees: controls, line separators, bidirectional overrides.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The length of a variable field, as it goes into every hash: big-endian u32.
pub(crate) fn length_prefix(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

shown_as_hex!(ClientTag, SessionId);

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientId(secret)")
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests;
