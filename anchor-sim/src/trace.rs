//! What happened in a run, line by line, and a digest of all of it.

use std::collections::VecDeque;
use std::fmt;
use std::hash::Hasher;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::kernel::{Kernel, lock};

/// The log of a run. Clones are the same log.
#[derive(Clone)]
pub struct Trace {
    kernel: Kernel,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    digest: Fnv,
    lines: VecDeque<String>,
    kept: usize,
    dropped: u64,
}

impl Trace {
    /// A log that keeps its last `kept` lines; its digest is of all.
    #[must_use]
    pub fn new(kernel: Kernel, kept: usize) -> Self {
        let inner = Inner { digest: Fnv::default(), lines: VecDeque::new(), kept, dropped: 0 };
        Self { kernel, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Notes what `who` did, or what was done to it.
    pub fn note(&self, who: impl fmt::Display, what: impl fmt::Display) {
        let line = format!("{} {who}: {what}", Seconds(self.kernel.now()));
        let mut inner = lock(&self.inner);
        inner.digest.write(line.as_bytes());
        inner.digest.write(b"\n");
        inner.lines.push_back(line);
        if inner.lines.len() > inner.kept {
            inner.lines.pop_front();
            inner.dropped += 1;
        }
    }

    /// Mixes bytes into the digest that would say nothing to a person.
    pub fn mix(&self, bytes: &[u8]) {
        lock(&self.inner).digest.write(bytes);
    }

    /// Stands for everything that was noted.
    #[must_use]
    pub fn digest(&self) -> u64 {
        lock(&self.inner).digest.finish()
    }

    /// The last lines, and how many came before them.
    #[must_use]
    pub fn lines(&self) -> (Vec<String>, u64) {
        let inner = lock(&self.inner);
        (inner.lines.iter().cloned().collect(), inner.dropped)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("digest", &self.digest()).finish_non_exhaustive()
    }
}

/// Seconds with microseconds, in a column.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// FNV-1a of Fowler, Noll and Vo: tells runs apart, and is the same on every machine.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
