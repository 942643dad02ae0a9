//! When to connect again: full jitter over 0–1 s first, then over a range that doubles to 30 s.

use std::time::Duration;

/// How often in a row it did not work.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Attempts since the last welcome.
    attempts: u32,
    /// Waits since the last welcome.
    failures: u32,
    /// Sessions in a row that a fault of the protocol ended soon after their welcome.
    faults: u32,
    /// New ids in a row of which none lasted.
    renewals: u32,
}

impl Backoff {
    /// How long to wait after a connection that ended or did not come about; `random` is any number.
    pub(super) fn next(&mut self, random: u64) -> Duration {
        let doublings = self.failures.max(self.faults);
        self.failures = self.failures.saturating_add(1);
        jitter(doublings, random)
    }

    /// How long to wait before going on under a new id: not at all, unless the one before did not last either.
    pub(super) fn renewed(&mut self, random: u64) -> Duration {
        self.renewals = self.renewals.saturating_add(1);
        match self.renewals {
            1 => Duration::ZERO,
            renewals => jitter(renewals - 2, random),
        }
    }

    /// A session began: the next wait is short again, unless sessions keep ending by faults.
    pub(super) const fn welcomed(&mut self) {
        self.failures = 0;
        self.attempts = 0;
    }

    /// A session ended because the server broke the protocol.
    pub(super) const fn faulted(&mut self) {
        self.faults = self.faults.saturating_add(1);
    }

    /// A session lived for a while.
    pub(super) const fn lasted(&mut self) {
        self.faults = 0;
        self.renewals = 0;
    }

    /// An attempt begins: its number since the last welcome, from 1.
    pub(super) const fn dialled(&mut self) -> u32 {
        self.attempts = self.attempts.saturating_add(1);
        self.attempts
    }
}

/// Any time within the range after so many doublings.
fn jitter(doublings: u32, random: u64) -> Duration {
    let range = (FIRST * 2_u32.pow(doublings.min(DOUBLINGS_MAX))).min(LONGEST);
    range.mul_f64(random as f64 / u64::MAX as f64)
}

/// The range of the first wait. Source: the design.
const FIRST: Duration = Duration::from_secs(1);

/// The range of the longest. Source: the design.
const LONGEST: Duration = Duration::from_secs(30);

/// Doublings after which [`LONGEST`] holds: 2^5 s > 30 s.
const DOUBLINGS_MAX: u32 = 5;
