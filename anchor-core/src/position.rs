//! Where in a room's log: epochs, offsets, ordinals, chains, and the positions made of them.

use std::fmt;

use crate::fixed::{fixed_bytes, shown_as_hex};
use crate::id::NUMBER_MAX;

fixed_bytes! {
    /// Which history of a room: a random nonce, drawn with the room's first event and again by every restore.
    Epoch, 8
}

impl Epoch {
    /// Reads an epoch as it is written: 16 hex digits, the letters small.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let is_written_so =
            hex.len() == 16 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = is_written_so.then(|| u64::from_str_radix(hex, 16).ok()).flatten()?;
        Some(Self::from_bytes(number.to_be_bytes()))
    }
}

/// The place of an event in its room: dense from 1. [`Offset::ZERO`] is the place before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// The offset of the following event.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The offset of the preceding event; zero stays zero.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// The number of messages up to an event, that event included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal(pub u64);

fixed_bytes! {
    /// A running digest of the log up to an event. The chain of offset 0 is zero. See [`crate::chain`].
    Chain, 8
}

impl Chain {
    /// The chain before the first event.
    pub const ZERO: Self = Self([0; 8]);
}

/// A point of a log as the log itself knows it: after the event at `offset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The newest event at this point; zero before the first.
    pub offset: Offset,
    /// Messages up to here.
    pub ordinal: Ordinal,
    /// Digest of the log up to here.
    pub chain: Chain,
}

impl Mark {
    /// Before the first event.
    pub const START: Self = Self { offset: Offset::ZERO, ordinal: Ordinal(0), chain: Chain::ZERO };
}

/// How far a reader has read, in terms that another server can verify. [`Position::START`] is valid in every history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The history that `offset` belongs to; `None` only at the start.
    pub epoch: Option<Epoch>,
    /// The newest event that was taken.
    pub offset: Offset,
    /// The chain of that event.
    pub chain: Chain,
}

impl Position {
    /// Before the first event of any history.
    pub const START: Self = Self { epoch: None, offset: Offset::ZERO, chain: Chain::ZERO };

    /// The position of `mark` in the history `epoch`; the start where nothing was read.
    #[must_use]
    pub fn at(epoch: Epoch, mark: Mark) -> Self {
        match mark.offset {
            Offset::ZERO => Self::START,
            offset => Self { epoch: Some(epoch), offset, chain: mark.chain },
        }
    }

    /// True if a frame can carry it: an offset of at most [`NUMBER_MAX`], which belongs to a history unless it is zero.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.offset.0 <= NUMBER_MAX && (self.offset.0 == 0 || self.epoch.is_some())
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

shown_as_hex!(Epoch, Chain);

impl Default for Chain {
    fn default() -> Self {
        Self::ZERO
    }
}
