//! What a checker found: which promise, where, and one sentence.

use std::fmt;

use super::history::Reader;
use crate::id::RoomId;
use crate::position::Offset;

/// A part of the promise, each with a checker of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// What was acknowledged stands in the log.
    AckedIsDurable,
    /// No publish stands twice in the log or reaches a reader twice.
    ExactlyOnce,
    /// All readers and the log agree on every offset.
    OneOrder,
    /// A range that is missing is told.
    NoSilentGap,
    /// A cursor goes back only by a gap.
    CursorsNeverGoBack,
    /// A beat that says "current" is right.
    BeatNeverLies,
    /// Memory does not grow with the work done.
    MemoryBounded,
    /// After the faults stop, every reader reaches the head.
    Convergence,
    /// What an outbox took is delivered, or has another answer.
    OutboxKeeps,
}

impl Promise {
    /// All of them, in the order in which [`super::check_all`] checks them.
    pub const ALL: [Self; 9] = [
        Self::AckedIsDurable,
        Self::ExactlyOnce,
        Self::OneOrder,
        Self::NoSilentGap,
        Self::CursorsNeverGoBack,
        Self::BeatNeverLies,
        Self::MemoryBounded,
        Self::Convergence,
        Self::OutboxKeeps,
    ];

    /// The promise in a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AckedIsDurable => "acked is durable",
            Self::ExactlyOnce => "exactly once",
            Self::OneOrder => "one order for all readers",
            Self::NoSilentGap => "no gap in silence",
            Self::CursorsNeverGoBack => "cursors never go back",
            Self::BeatNeverLies => "a beat never lies",
            Self::MemoryBounded => "memory is bounded",
            Self::Convergence => "every reader reaches the head",
            Self::OutboxKeeps => "the outbox keeps what it took",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One broken promise. `Display` is a line for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Which promise.
    pub promise: Promise,
    /// In which room, where it concerns one.
    pub room: Option<RoomId>,
    /// Which reader was concerned, where it was one.
    pub reader: Option<Reader>,
    /// At which offset, where it concerns one.
    pub offset: Option<Offset>,
    /// What happened, in one sentence.
    pub what: String,
}

impl Violation {
    pub(super) fn new(promise: Promise, what: impl Into<String>) -> Self {
        Self { promise, room: None, reader: None, offset: None, what: what.into() }
    }

    pub(super) fn room(mut self, room: &RoomId) -> Self {
        self.room = Some(room.clone());
        self
    }

    pub(super) fn reader(mut self, reader: Reader) -> Self {
        self.reader = Some(reader);
        self
    }

    pub(super) fn offset(mut self, offset: Offset) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.promise)?;
        if let Some(room) = &self.room {
            write!(f, "room {room}, ")?;
        }
        if let Some(offset) = self.offset {
            write!(f, "offset {offset}, ")?;
        }
        if let Some(reader) = self.reader {
            write!(f, "{reader}, ")?;
        }
        f.write_str(&self.what)
    }
}
