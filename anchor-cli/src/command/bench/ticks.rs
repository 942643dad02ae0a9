//! The clock of an open loop: whose message is due, and since when, whatever became of earlier ones.

use std::time::Duration;

use super::net::Nanos;

/// The times of an open loop, and whose turn it is.
#[derive(Debug)]
pub(super) struct Ticks {
    authors: Vec<usize>,
    began: Nanos,
    per_second: f64,
    count: u64,
    turn: usize,
    next: Nanos,
}

impl Ticks {
    /// So many messages in a second from `began` on, of all `authors` by turns.
    pub(super) const fn new(authors: Vec<usize>, began: Nanos, per_second: f64) -> Self {
        Self { authors, began, per_second, count: 0, turn: 0, next: began }
    }

    /// Whose message is due at `now`, and since when; ask again.
    pub(super) fn due(&mut self, now: Nanos) -> Option<(usize, Nanos)> {
        let due = (self.next, *self.authors.get(self.turn)?);
        if due.0 > now {
            return None;
        }
        self.turn = (self.turn + 1) % self.authors.len();
        self.count += 1;
        self.next = self.began.plus(Duration::from_secs_f64(self.count as f64 / self.per_second));
        Some((due.1, due.0))
    }

    /// When the next one is due.
    pub(super) const fn next(&self) -> Nanos {
        self.next
    }
}

#[cfg(test)]
mod tests;
