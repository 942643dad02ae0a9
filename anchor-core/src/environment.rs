//! Time and randomness, which come in from outside so that whole runs can be simulated.

use std::fmt::Debug;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// A point of monotonic time: the time since a start that only its [`Environment`] knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub Duration);

impl Monotonic {
    /// The time from `earlier` until this; zero if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// The clock, the dice and the alarm of a process. The facade brings the system's; tests and the simulator their own.
pub trait Environment: Debug + Send + Sync + 'static {
    /// Monotonic time: never goes back.
    fn now(&self) -> Monotonic;

    /// Milliseconds since the Unix epoch. May jump in both directions.
    fn unix_ms(&self) -> u64;

    /// Fills `bytes` with random bits that nobody can guess.
    fn fill_random(&self, bytes: &mut [u8]);

    /// Ends at `deadline`, at once if that has passed.
    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()>;
}

impl<E: Environment + ?Sized> Environment for Arc<E> {
    fn now(&self) -> Monotonic {
        (**self).now()
    }

    fn unix_ms(&self) -> u64 {
        (**self).unix_ms()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        (**self).fill_random(bytes);
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        (**self).sleep_until(deadline)
    }
}
