//! How much of its time a shard gives to those who catch up.
//!
//! All of it, while nobody else is heard from. Else a part: reading an old log takes all the processors there are, on both
//! ends, and whoever then publishes waits for the system's scheduler wherever a thread of his has to wake.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// When somebody who is current was last heard from, on any shard.
#[derive(Debug)]
pub(super) struct Heard {
    origin: Instant,
    /// Since `origin`; zero for never.
    at_micros: AtomicU64,
}

/// One shard's share.
#[derive(Debug)]
pub(super) struct Pace {
    heard: Arc<Heard>,
    began: Instant,
    spent: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Heard {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { origin: Instant::now(), at_micros: AtomicU64::new(0) })
    }

    fn note(&self) {
        let micros = self.origin.elapsed().as_micros();
        self.at_micros.store(u64::try_from(micros).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    fn is_recent(&self, now: Instant) -> bool {
        let micros = self.at_micros.load(Ordering::Relaxed);
        micros > 0 && now.duration_since(self.origin + Duration::from_micros(micros)) < RECENT
    }
}

impl Pace {
    pub(super) fn new(heard: Arc<Heard>) -> Self {
        Self { heard, began: Instant::now(), spent: Duration::ZERO, sleep: None }
    }

    /// Somebody who is current was heard from.
    pub(super) fn heard(&self) {
        self.heard.note();
    }

    /// Whether somebody who catches up may have a turn now; if not, `cx` is woken when he may.
    pub(super) fn allows(&mut self, cx: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let next = self.began + PERIOD;
        if now >= next {
            (self.began, self.spent) = (now, Duration::ZERO);
            return true;
        }
        if self.spent < SHARE || !self.heard.is_recent(now) {
            return true;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(next)));
        sleep.as_mut().reset(next);
        sleep.as_mut().poll(cx).is_ready()
    }

    /// Takes a turn of his.
    pub(super) fn spend<T>(&mut self, turn: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = turn();
        self.spent += began.elapsed();
        result
    }

    /// As if a turn had taken so long.
    #[cfg(test)]
    pub(super) fn spend_for_test(&mut self, time: Duration) {
        self.spent += time;
    }
}

/// How long somebody counts as heard from. Source: chosen; ten publishes a second keep it up for a fifth of the time.
const RECENT: Duration = Duration::from_millis(20);

/// What the share is a share of. Source: the shortest time that tokio's timer tells.
const PERIOD: Duration = Duration::from_millis(1);

/// Time of each period for those who catch up, after which they wait for the next. Source: measured; two shards read 2 to 3
/// million messages a second in it, and leave more than half of two processors free.
const SHARE: Duration = Duration::from_micros(150);
