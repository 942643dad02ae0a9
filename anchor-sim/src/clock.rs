//! A process's clock and dice: the kernel's time, and a Unix clock that may be set wrong.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor_core::conformance::environment::{SplitMix64, UNIX_MS_AT_START};
use anchor_core::environment::{Environment, Monotonic};
use futures::future::BoxFuture;

use crate::kernel::{Kernel, lock};

/// The environment of one machine. Clones share the Unix clock and the dice.
#[derive(Clone)]
pub struct Clock {
    kernel: Kernel,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    dice: SplitMix64,
    /// How far the Unix clock is ahead of the true time, in milliseconds.
    ahead_ms: i64,
}

impl Clock {
    /// A clock that is right, and dice of its own.
    #[must_use]
    pub fn new(kernel: Kernel, dice: SplitMix64) -> Self {
        Self { kernel, inner: Arc::new(Mutex::new(Inner { dice, ahead_ms: 0 })) }
    }

    /// Sets the Unix clock `ahead_ms` milliseconds ahead of the true time, or back.
    pub fn set_ahead(&self, ahead_ms: i64) {
        lock(&self.inner).ahead_ms = ahead_ms;
    }

    /// The true Unix time, in milliseconds: what a recorder writes down.
    #[must_use]
    pub fn true_unix_ms(&self) -> u64 {
        true_unix_ms(self.kernel.now())
    }

    /// A number below `end`.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        lock(&self.inner).dice.below(end)
    }

    /// A duration between `least` and `most`, short ones more often: each order of magnitude is as likely.
    #[must_use]
    pub fn between(&self, least: Duration, most: Duration) -> Duration {
        between(&mut lock(&self.inner).dice, least, most)
    }

    /// The kernel.
    #[must_use]
    pub const fn kernel(&self) -> &Kernel {
        &self.kernel
    }
}

impl Environment for Clock {
    fn now(&self) -> Monotonic {
        Monotonic(self.kernel.now())
    }

    fn unix_ms(&self) -> u64 {
        self.true_unix_ms().saturating_add_signed(lock(&self.inner).ahead_ms)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        lock(&self.inner).dice.fill(bytes);
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        Box::pin(self.kernel.sleep_until(deadline.0))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.kernel.now()).finish_non_exhaustive()
    }
}

/// The true Unix time at a virtual time, in milliseconds.
#[must_use]
pub fn true_unix_ms(now: Duration) -> u64 {
    UNIX_MS_AT_START.saturating_add(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// See [`Clock::between`].
pub(crate) fn between(dice: &mut SplitMix64, least: Duration, most: Duration) -> Duration {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1);
    let (least, most) = (nanos(least), nanos(most));
    let octaves = u64::from((most / least).max(1).ilog2()) + 1;
    let octave = least.saturating_mul(1 << dice.below(octaves));
    Duration::from_nanos((octave + dice.below(octave)).min(most))
}
