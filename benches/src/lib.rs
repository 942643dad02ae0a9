//! What the programs of this package share: samples of what is sent, stores filled with it, connections without a socket.

pub mod connection;
pub mod log;
pub mod publisher;
pub mod sample;

use std::time::{Duration, Instant};

/// True if every bench is only to run once, to see that it does (`cargo test --benches`): then logs may be short.
#[must_use]
pub fn is_smoke() -> bool {
    // By which criterion tells it, too.
    !std::env::args().any(|argument| argument == "--bench")
}

/// Times `operations`, for benches that use something up or let it grow: after each [`ROUND`] of them there is a new one,
/// made for so many operations by `make`, in time that does not count.
pub fn timed<T>(
    operations: u64,
    mut make: impl FnMut(usize) -> T,
    mut operation: impl FnMut(&mut T),
) -> Duration {
    let mut elapsed = Duration::ZERO;
    let mut left = usize::try_from(operations).unwrap_or(usize::MAX);
    while left > 0 {
        let round = left.min(ROUND);
        let mut made = make(round);
        let started = Instant::now();
        (0..round).for_each(|_| operation(&mut made));
        elapsed += started.elapsed();
        left -= round;
    }
    elapsed
}

/// Operations on one thing. Source: chosen; 64,000 messages in memory at most.
pub const ROUND: usize = 1_000;
