//! Runs that were read or joined lately, shared by everybody who reads them, within a bound of bytes.
//!
//! Clones of a run share its events and the frames that were made of it, so that many who come back for the same events
//! cost what one costs.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use anchor_core::position::Offset;
use anchor_core::run::Run;

/// Keeps what was used lately. Takes turns: the oldest goes unless it was used since its last turn.
#[derive(Debug)]
pub(crate) struct Runs<K> {
    kept: BTreeMap<K, Kept>,
    /// Every key that is kept, with its number; and some that are no more.
    turns: VecDeque<(K, u64)>,
    numbers: u64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Kept {
    run: Run,
    /// What it is counted as.
    bytes: usize,
    /// Tells it from one that was kept under the same key before.
    number: u64,
    is_used: bool,
}

impl<K: Ord + Clone> Runs<K> {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { kept: BTreeMap::new(), turns: VecDeque::new(), numbers: 0, bytes: 0, bytes_max }
    }

    /// The run of the highest key from `lowest` to `highest`.
    pub(crate) fn newest(&mut self, lowest: K, highest: K) -> Option<Run> {
        let (_, kept) = self.kept.range_mut(lowest..=highest).next_back()?;
        kept.is_used = true;
        self.bytes += kept.grow();
        Some(kept.run.clone())
    }

    pub(crate) fn insert(&mut self, key: K, run: Run) {
        let bytes = size(&run);
        if bytes > self.bytes_max {
            return;
        }
        self.numbers += 1;
        self.remove(&key);
        self.kept.insert(key.clone(), Kept { run, bytes, number: self.numbers, is_used: false });
        self.turns.push_back((key, self.numbers));
        self.bytes += bytes;
        self.evict();
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(kept) = self.kept.remove(key) {
            self.bytes -= kept.bytes;
        }
        // Turns of what is no more are taken away now and then.
        if self.turns.len() > 2 * self.kept.len() + TURNS_SPARE {
            let kept = &self.kept;
            self.turns.retain(|(key, number)| kept.get(key).is_some_and(|kept| kept.number == *number));
        }
    }

    /// Lets go of the runs with these keys that hold an event.
    pub(crate) fn remove_holding(&mut self, keys: RangeInclusive<K>, offset: Offset) {
        let holds = |run: &Run| (run.first()..=run.last()).contains(&offset);
        let within = self.kept.range(keys).filter(|(_, kept)| holds(&kept.run));
        let keys: Vec<K> = within.map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.remove(key));
    }

    fn evict(&mut self) {
        while self.bytes > self.bytes_max
            && let Some((key, number)) = self.turns.pop_front()
        {
            match self.kept.get_mut(&key) {
                Some(kept) if kept.number == number && kept.is_used => {
                    kept.is_used = false;
                    self.bytes += kept.grow();
                    self.turns.push_back((key, number));
                }
                Some(kept) if kept.number == number => self.remove(&key),
                _ => {}
            }
        }
    }

    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Kept {
    /// Counts the frames that were made of it since; by how much it grew.
    fn grow(&mut self) -> usize {
        let bytes = size(&self.run).max(self.bytes);
        bytes - std::mem::replace(&mut self.bytes, bytes)
    }
}

/// What a run is counted as; frames that are made of it later count from its next use or turn on.
fn size(run: &Run) -> usize {
    run.bytes() + KEPT_BYTES
}

/// What keeping a run takes beside it. Source: a node of both collections, about.
const KEPT_BYTES: usize = 160;

/// Turns that may be of nothing any more, beside as many as there are runs. Source: chosen.
const TURNS_SPARE: usize = 64;

#[cfg(test)]
mod tests;
