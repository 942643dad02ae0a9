//! Runs of a tail joined into one, kept for whoever comes to the same place.
//!
//! A tail holds a run for each commit. What a reader lacks is one run nevertheless: many readers stand at the same place,
//! so it is joined once, framed once, and shared. Invariant: a join holds what the runs of its tail hold from its
//! beginning on, up to its tip; who takes runs away or distrusts them takes the joins along.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::position::Offset;
use crate::run::Run;

/// The newest joins of a tail.
#[derive(Debug)]
pub(super) struct Joins {
    newest: VecDeque<Join>,
    /// Of the joins of all tails.
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Join {
    run: Run,
    /// The run that follows does not fit: what comes changes nothing.
    is_full: bool,
    bytes: usize,
}

impl Joins {
    /// No joins; the bytes of those to come are counted in `bytes`.
    pub(super) fn new(bytes: Arc<AtomicUsize>) -> Self {
        Self { newest: VecDeque::new(), bytes }
    }

    /// The join that begins behind `before` and needs nothing of what there is up to `head`.
    pub(super) fn find(&self, before: Offset, head: Offset) -> Option<Run> {
        let fits =
            |join: &&Join| join.run.before().offset == before && (join.is_full || join.run.last() == head);
        self.newest.iter().find(fits).map(|join| join.run.clone())
    }

    /// Keeps a join of a tail whose newest event is `head`, in place of the oldest if there are [`JOINS_MAX`].
    pub(super) fn keep(&mut self, run: Run, head: Offset) {
        while self.newest.len() >= JOINS_MAX
            && let Some(oldest) = self.newest.pop_front()
        {
            self.forget(&oldest);
        }
        let (is_full, bytes) = (run.last() < head, framed_bytes(&run));
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.newest.push_back(Join { run, is_full, bytes });
    }

    /// Lets go of joins that begin before `first`.
    pub(super) fn evict(&mut self, first: Offset) {
        let (kept, gone) =
            std::mem::take(&mut self.newest).into_iter().partition(|join| join.run.first() >= first);
        self.newest = kept;
        VecDeque::iter(&gone).for_each(|join| self.forget(join));
    }

    fn forget(&self, join: &Join) {
        self.bytes.fetch_sub(join.bytes, Ordering::Relaxed);
    }
}

impl Drop for Joins {
    fn drop(&mut self) {
        self.newest.iter().for_each(|join| self.forget(join));
    }
}

/// What a run comes to in memory: twice its encoded events, as it is framed for the wire once somebody reads it.
pub(super) fn framed_bytes(run: &Run) -> usize {
    run.bytes() + run.encoded().len()
}

/// Joins that a tail keeps. Source: chosen; a sweep over many readers meets a few places at a time.
const JOINS_MAX: usize = 4;
