//! Checkers of the promise: a history of what clients did and saw goes in, what was broken comes out.
//!
//! Whoever runs clients against a server (a simulator, a torture run, a stranger with a server of their own) writes down
//! a [`History`] and hands it to [`check_all`]. Nothing here does I/O, and nothing trusts the server: the verdict rests
//! on the answers that clients got, the events that readers took, and one full read of every room at the end.
//!
//! | promise | its checker |
//! | --- | --- |
//! | what was acknowledged stands in the log | [`durable`] |
//! | no publish stands twice in the log, none reaches a reader twice, none that was refused stands at all | [`once`] |
//! | one order for all readers, that of the log; each client's publishes in the order of their seqs | [`order`] |
//! | no gap that was not told, with the exact range | [`gaps`] |
//! | a cursor never goes back but by a gap | [`cursors`] |
//! | a beat that says "current" is right | [`beats`] |
//! | memory is bounded | [`memory`] |
//! | once the faults stop, every reader reaches the head | [`convergence`] |
//! | what an outbox took is delivered, though its client is killed | [`outbox`] |
//!
//! Each page says what its checker proves, what it excuses, and what it cannot see. Each costs O(n log n) for n records, and
//! O(r) for each beat of a reader of r rooms: a million records are judged in 2 to 5 seconds (measured November 2026, release,
//! one core). A history without final reads or without readers has nothing to say about some promises: an empty verdict means
//! "not refuted", never "proven".

pub mod beats;
pub mod convergence;
pub mod cursors;
pub mod durable;
pub mod gaps;
pub mod history;
mod lost;
pub mod marked;
pub mod memory;
pub mod once;
pub mod order;
pub mod outbox;
mod replay;
mod trimmed;
pub mod violation;

pub use self::history::{Crash, Entry, History, Log, PublishId, Reader, Record, Sample};
pub use self::marked::Mark;
pub use self::violation::{Promise, Violation};

/// Every violation of every promise, promise by promise in the order of the table above.
#[must_use]
pub fn check_all(history: &History) -> Vec<Violation> {
    let checkers = [
        durable::check,
        once::check,
        order::check,
        gaps::check,
        cursors::check,
        beats::check,
        memory::check,
        convergence::check,
        outbox::check,
    ];
    checkers.into_iter().flat_map(|check| check(history)).collect()
}

#[cfg(test)]
mod tests;
