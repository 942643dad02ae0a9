//! What the store remembers of a client's publishes: its floor, its highest seq, and the outcomes in between.
//!
//! Pure: every store keeps one [`Window`] for each client and calls the same two functions. Invariants: the floor only
//! rises; every kept seq is at or above it; at most [`WINDOW`] are kept; nothing at or below `highest` is ever decided
//! anew.

use std::collections::VecDeque;

use crate::code::Code;
use crate::id::{RoomId, Seq};
use crate::limits::WINDOW;
use crate::position::{Epoch, Mark};
use crate::publish::{Fingerprint, Refusal};
use crate::sabotage::{self, Sabotage};

/// One client's decided seqs, from its floor on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    floor: Seq,
    highest: Seq,
    decided: VecDeque<Entry>,
}

/// A seq of the window and what was decided for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The client's number.
    pub seq: Seq,
    /// What was published under it.
    pub fingerprint: Fingerprint,
    /// The outcome.
    pub decision: Decision,
}

/// A decided outcome, which is repeated for the same seq as long as the window holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stands in the log.
    Appended {
        /// In which room.
        room: RoomId,
        /// In which history.
        epoch: Epoch,
        /// Where.
        mark: Mark,
        /// When, in milliseconds since the Unix epoch.
        ts: u64,
    },
    /// It never will.
    Refused(Refusal),
}

/// What the window says of a seq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not decided yet, and there is room: decide it, and [`Window::record`] the outcome.
    Fresh,
    /// Decided before: give the same answer.
    Repeat(Decision),
    /// Refused for its seq: `seq_conflict`, `seq_forgotten` or `seq_skipped`. Not recorded.
    Refused(Refusal),
    /// No room: neither append nor refuse, end the session.
    Full,
}

impl Window {
    /// The window of a client that never published.
    #[must_use]
    pub const fn new() -> Self {
        Self { floor: Seq::FIRST, highest: Seq::ZERO, decided: VecDeque::new() }
    }

    /// A window that was kept. The entries must be in rising order of seq.
    #[must_use]
    pub fn restore(floor: Seq, highest: Seq, decided: impl IntoIterator<Item = Entry>) -> Self {
        let mut window = Self { floor: Seq::FIRST, highest, decided: decided.into_iter().collect() };
        debug_assert!(window.decided.iter().zip(window.decided.iter().skip(1)).all(|(a, b)| a.seq < b.seq));
        window.raise_floor(floor);
        window
    }

    /// Everything below it was settled by the client.
    #[must_use]
    pub const fn floor(&self) -> Seq {
        self.floor
    }

    /// The highest seq ever decided; zero if none was.
    #[must_use]
    pub const fn highest(&self) -> Seq {
        self.highest
    }

    /// The decided seqs from the floor on, in rising order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.decided.iter()
    }

    /// Raises the floor to `waits`, forgetting what lies below; a lower one changes nothing.
    pub fn raise_floor(&mut self, waits: Seq) {
        self.floor = if sabotage::is(Sabotage::FloorFalls) { waits } else { self.floor.max(waits) };
        while self.decided.front().is_some_and(|entry| entry.seq < self.floor) {
            self.decided.pop_front();
        }
    }

    /// What is to be done with a publish of `seq`. Raise the floor to its `waits` first.
    #[must_use]
    pub fn look_up(&self, seq: Seq, fingerprint: Fingerprint) -> Verdict {
        let refused = |code, message| Verdict::Refused(Refusal::new(code, message));
        if seq < self.floor {
            return refused(
                Code::SeqForgotten,
                "this seq was settled or given up before; the log tells its outcome",
            );
        }
        if let Ok(at) = self.decided.binary_search_by_key(&seq, |entry| entry.seq) {
            let entry = &self.decided[at];
            return match entry.fingerprint == fingerprint {
                true if sabotage::is(Sabotage::RepeatGetsNewOffset) => Verdict::Fresh,
                true => Verdict::Repeat(entry.decision.clone()),
                false => refused(
                    Code::SeqConflict,
                    "this seq was used for another publish; this one was not appended",
                ),
            };
        }
        if seq <= self.highest {
            return refused(
                Code::SeqSkipped,
                "a higher seq was decided before this one, which was never appended",
            );
        }
        if self.decided.len() >= WINDOW { Verdict::Full } else { Verdict::Fresh }
    }

    /// True if [`Window::look_up`] answers `seq`, whatever is published under it: it is not fresh.
    #[must_use]
    pub fn is_decided(&self, seq: Seq) -> bool {
        seq < self.floor || seq <= self.highest
    }

    /// Keeps what was decided for a seq that [`Window::look_up`] called fresh.
    pub fn record(&mut self, entry: Entry) {
        if sabotage::is(Sabotage::RepeatGetsNewOffset) && entry.seq <= self.highest {
            return;
        }
        debug_assert!(entry.seq > self.highest && entry.seq >= self.floor && self.decided.len() < WINDOW);
        self.highest = entry.seq;
        self.decided.push_back(entry);
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
