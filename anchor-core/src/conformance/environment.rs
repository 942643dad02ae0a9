//! A clock, dice and alarms that a test holds in its hand: nothing happens unless the test says so, and all of it again
//! for the same seed.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::environment::{Environment, Monotonic};

/// An [`Environment`] whose time stands still until [`TestEnvironment::advance`] and whose randomness follows from a seed.
///
/// Clones share clock, dice and alarms. The random bits are splitmix64: good enough to tell ids apart, and known to
/// everybody who knows the seed.
#[derive(Clone, Debug)]
pub struct TestEnvironment(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    now: Monotonic,
    unix_ms: u64,
    random: SplitMix64,
    sleepers: BTreeMap<(Monotonic, u64), Waker>,
    sleepers_made: u64,
}

impl TestEnvironment {
    /// An environment at monotonic time zero and Unix time [`UNIX_MS_AT_START`].
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now: Monotonic::default(),
            unix_ms: UNIX_MS_AT_START,
            random: SplitMix64::new(seed),
            sleepers: BTreeMap::new(),
            sleepers_made: 0,
        })))
    }

    /// Moves both clocks forward by `duration`, then wakes whoever slept until a time that has come.
    pub fn advance(&self, duration: Duration) {
        let woken = {
            let mut inner = self.inner();
            inner.now = inner.now + duration;
            let whole_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            inner.unix_ms = inner.unix_ms.saturating_add(whole_ms);
            let now = inner.now;
            let later = inner.sleepers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut inner.sleepers, later)
        };
        woken.into_values().for_each(Waker::wake);
    }

    /// Moves both clocks to the earliest time that somebody sleeps until; `false` if nobody sleeps.
    pub fn advance_to_next(&self) -> bool {
        let Some(deadline) = self.next_deadline() else { return false };
        self.advance(deadline.since(self.now()));
        true
    }

    /// The earliest time that somebody sleeps until.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.inner().sleepers.keys().next().map(|(deadline, _)| *deadline)
    }

    /// Sets the Unix clock, as an operator or a time service does; monotonic time stays.
    pub fn set_unix_ms(&self, unix_ms: u64) {
        self.inner().unix_ms = unix_ms;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment for TestEnvironment {
    fn now(&self) -> Monotonic {
        self.inner().now
    }

    fn unix_ms(&self) -> u64 {
        self.inner().unix_ms
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.inner().random.fill(bytes);
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        let number = {
            let mut inner = self.inner();
            inner.sleepers_made += 1;
            inner.sleepers_made
        };
        Box::pin(Sleep { environment: self.clone(), key: (deadline, number) })
    }
}

/// Ends once the clock of its environment has reached the deadline. In the map of sleepers from its first poll on.
#[derive(Debug)]
struct Sleep {
    environment: TestEnvironment,
    key: (Monotonic, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.environment.inner();
        if inner.now >= self.key.0 {
            return Poll::Ready(());
        }
        inner.sleepers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.environment.inner().sleepers.remove(&self.key);
    }
}

/// The generator of Steele, Lea and Flood (2014): one `u64` of state, every seed as good as any other.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator; the same seed gives the same numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[must_use]
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; zero where `end` is zero. Small ends are as good as even.
    #[must_use]
    pub const fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.draw() % end }
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Unix time at which a [`TestEnvironment`] starts, in milliseconds: 2026-01-01T00:00:00Z. Source: chosen, a plausible day.
pub const UNIX_MS_AT_START: u64 = 1_767_225_600_000;

#[cfg(test)]
mod tests;
