//! Memory is bounded: no sample above its bound, and no growth in step with the events handled.
//!
//! **Proves** only what was sampled, of processes with at least [`SAMPLES_MIN`] samples over a doubling of events.
//!
//! Growth is judged between two medians of one process, by events handled: of its second quarter of samples (the first
//! is warm-up) and of its last. Where the events at least doubled in between, memory must not have grown half as much in
//! proportion. A leak small beside what the process needs anyhow is found by the bound, in a run that is long enough.

use std::collections::BTreeMap;

use super::history::{History, Record, Sample};
use super::violation::{Promise, Violation};

/// Fewest samples of a process from which growth is judged. Chosen: two for each quarter.
pub const SAMPLES_MIN: usize = 8;

/// Checks the samples of each process.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut processes: BTreeMap<u64, Vec<&Sample>> = BTreeMap::new();
    for record in history.records() {
        if let Record::Memory(sample) = record {
            processes.entry(sample.process).or_default().push(sample);
        }
    }
    let mut violations = Vec::new();
    for (process, mut samples) in processes {
        let largest =
            samples.iter().filter(|sample| sample.bytes > sample.bound_bytes).max_by_key(|s| s.bytes);
        if let Some(Sample { bytes, bound_bytes, events, .. }) = largest {
            let what = format!("process {process} used {bytes} of {bound_bytes} bytes after {events} events");
            violations.push(Violation::new(Promise::MemoryBounded, what));
        }
        samples.sort_by_key(|sample| sample.events);
        violations.extend(growth(process, &samples));
    }
    violations
}

fn growth(process: u64, samples: &[&Sample]) -> Option<Violation> {
    if samples.len() < SAMPLES_MIN {
        return None;
    }
    let quarter = samples.len() / 4;
    let early = median(&samples[quarter..2 * quarter]);
    let late = median(&samples[samples.len() - quarter..]);
    let more_events = late.0.saturating_sub(early.0);
    let more_bytes = late.1.saturating_sub(early.1);
    let doubled = early.0 > 0 && more_events >= early.0;
    let in_step = more_bytes > 0
        && 2 * u128::from(more_bytes) * u128::from(early.0) >= u128::from(more_events) * u128::from(early.1);
    (doubled && in_step).then(|| {
        let what = format!(
            "process {process} grew from {} bytes at {} events to {} bytes at {} events",
            early.1, early.0, late.1, late.0
        );
        Violation::new(Promise::MemoryBounded, what)
    })
}

/// The median events and the median bytes of `samples`, which are sorted by events and not empty.
fn median(samples: &[&Sample]) -> (u64, u64) {
    let mut bytes: Vec<_> = samples.iter().map(|sample| sample.bytes).collect();
    bytes.sort_unstable();
    (samples[samples.len() / 2].events, bytes[bytes.len() / 2])
}
