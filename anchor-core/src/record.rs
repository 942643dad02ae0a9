//! Small durable rows beside the logs: where consumers stand, what webhooks there are, who was last seen when.
//!
//! Nothing that was said in a room goes into a record, so that a redaction reaches everything: records refer to events.

use std::fmt;

use thiserror::Error;

/// Longest key of a record, in bytes. Source: chosen; a few ids and words.
pub const RECORD_KEY_BYTES_MAX: usize = 512;

/// Largest value of a record that every store takes, in bytes. Whoever writes records keeps within it: no store need look.
/// Source: chosen; a row, no document.
pub const RECORD_VALUE_BYTES_MAX: usize = 64 * 1024;

/// The name of a record: text of 1 to [`RECORD_KEY_BYTES_MAX`] bytes, a path by convention (`consumer/search/…`). Ordered by
/// its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Box<str>);

impl RecordKey {
    /// Checks and wraps `key`.
    ///
    /// # Errors
    /// [`InvalidRecord::Key`] for an empty key or one that is too long.
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidRecord> {
        let key = key.into();
        match key.len() {
            1..=RECORD_KEY_BYTES_MAX => Ok(Self(key.into())),
            bytes => Err(InvalidRecord::Key { bytes }),
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Changes of records that are made together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordWrite {
    /// A record and the value that it must have for anything to be written; `None`: there must be none.
    pub guard: Option<(RecordKey, Option<Vec<u8>>)>,
    /// Records and their new values; `None` takes one away. Of two of one key the later holds.
    pub puts: Vec<(RecordKey, Option<Vec<u8>>)>,
}

/// What became of a [`RecordWrite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It is so, durably.
    Done,
    /// The guard has another value: nothing was written.
    GuardFailed,
}

/// Why something is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidRecord {
    /// No key.
    #[error("the key of a record has 1 to 512 bytes, this one has {bytes}")]
    Key {
        /// Its length in bytes.
        bytes: usize,
    },
}
