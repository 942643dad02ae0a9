//! The operating system's clock and randomness, and tokio's timer: what the core has none of.
//!
//! A crate of its own because both need it: the facade `anchor`, which re-exports it, and `anchor-server`, which the
//! facade re-exports too.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use anchor_core::environment::{Environment, Monotonic};
use futures::FutureExt;
use futures::future::BoxFuture;

/// The environment of a real process. Its timer needs a tokio runtime; the rest needs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Environment for System {
    fn now(&self) -> Monotonic {
        Monotonic(START.elapsed())
    }

    fn unix_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        tokio::time::sleep_until((*START + deadline.0).into()).boxed()
    }
}

/// Where the monotonic time of this process begins.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
