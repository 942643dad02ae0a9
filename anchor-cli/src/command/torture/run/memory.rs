//! The memory of the server, as the checker of memory wants it.

use anchor_core::conformance::promise::Sample;

/// The memory of each life of the server.
#[derive(Debug, Default)]
pub(super) struct Samples {
    kept: Vec<Sample>,
    /// Events that all clients had handled when this life began.
    base: u64,
    life: u64,
}

impl Samples {
    /// Adds a sample. Of a life that is young only the largest is kept.
    ///
    /// Whether memory grows with the events is judged once the caches are full: before, it must.
    pub(super) fn add(&mut self, life: u64, events: u64, bytes: u64) {
        if self.life != life {
            (self.life, self.base) = (life, events);
        }
        let events = events.saturating_sub(self.base);
        let sample = Sample { process: life, events, bytes, bound_bytes: MEMORY_BYTES_MAX };
        match self.kept.last_mut() {
            Some(last) if last.process == life && last.events < SETTLED_EVENTS => {
                if events >= SETTLED_EVENTS || bytes >= last.bytes {
                    *last = sample;
                }
            }
            _ => self.kept.push(sample),
        }
    }

    pub(super) fn take(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.kept)
    }
}

/// What a server may use, in bytes. Source: tails and unpaged events have 64 MiB each, redb's caches their own; measured
/// 225 MB after 600,000 messages (2026-11-22). Twice that, and some for a debug build.
const MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Events after which a server's caches are full. Source: as [`MEMORY_BYTES_MAX`].
const SETTLED_EVENTS: u64 = 600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_life_keeps_its_largest_sample_and_an_old_one_all() {
        let mut samples = Samples::default();
        for (life, events, bytes) in [
            (1, 0, 5),
            (1, 10, 9),
            (1, 20, 7),
            (2, 30, 3),
            (2, 30 + SETTLED_EVENTS, 2),
            (2, 40 + SETTLED_EVENTS, 1),
        ] {
            samples.add(life, events, bytes);
        }
        let kept: Vec<_> =
            samples.take().iter().map(|kept| (kept.process, kept.events, kept.bytes)).collect();
        assert_eq!(kept, [(1, 10, 9), (2, SETTLED_EVENTS, 2), (2, SETTLED_EVENTS + 10, 1)]);
    }
}
