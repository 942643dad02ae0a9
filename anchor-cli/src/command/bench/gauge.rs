//! What a run used: processor time of server and generator, memory of the server, and the distribution of times.

use std::time::Duration;

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use super::net::Nanos;
use crate::server::process;

/// What was used up to a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Nanos,
    /// Processor time of the server, where the system tells it.
    pub(super) server: Option<Duration>,
    /// Processor time of this program.
    pub(super) own: Duration,
    /// Memory of the server.
    pub(super) resident_bytes: Option<u64>,
}

impl Sample {
    /// Takes it now, of the server with that process number.
    pub(super) fn take(at: Nanos, server: Option<u32>) -> Self {
        let own = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = u64::try_from(own.tv_sec).unwrap_or_default();
        let own = Duration::from_secs(seconds)
            + Duration::from_nanos(u64::try_from(own.tv_nsec).unwrap_or_default());
        Self {
            at,
            server: server.and_then(process::cpu_time),
            own,
            resident_bytes: server.and_then(process::resident_bytes),
        }
    }
}

/// How long things took, to three digits, up to [`TIME_MAX`].
#[derive(Debug)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    pub(super) fn new() -> Self {
        let max = u64::try_from(TIME_MAX.as_nanos()).unwrap_or(u64::MAX);
        Self(Histogram::new_with_bounds(RESOLUTION_NANOS, max, 3).expect("bounds that make sense"))
    }

    pub(super) fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that so many of a hundred did not exceed.
    pub(super) fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(percent / 100.0))
    }

    pub(super) fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }
}

/// The longest time that is told from longer ones. Source: chosen; longer than any run waits.
const TIME_MAX: Duration = Duration::from_secs(600);

/// Times are told apart from here on. Source: chosen; nothing over a socket takes less.
const RESOLUTION_NANOS: u64 = 1_000;
