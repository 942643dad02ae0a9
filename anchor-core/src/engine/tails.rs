//! The tails of a node: one for each room that somebody here reads or read a moment ago, under one budget of bytes and
//! age.
//!
//! A tail that its last reader leaves stays for [`TAIL_AGE_MAX`] and goes on taking what is committed: many come back
//! within seconds, all at once, and find what they missed.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use smallvec::SmallVec;

use super::joins::framed_bytes;
use super::mailbox::Watcher;
use super::tail::{Pushed, Tail};
use crate::bus::Bus;
use crate::environment::Monotonic;
use crate::id::RoomId;
use crate::limits::{TAIL_AGE_MAX, TAIL_BYTES_MAX, TAILS_UNWATCHED_MAX};
use crate::position::Offset;
use crate::run::Run;

/// All tails of a node. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Tails(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bus: Arc<dyn Bus>,
    by_room: Mutex<ByRoom>,
    held: Mutex<Held>,
    /// Of the joins of all tails, which leave with the runs that they were made of.
    joined_bytes: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct ByRoom {
    tails: HashMap<RoomId, Arc<Tail>>,
    /// How many of them nobody watches.
    unwatched: usize,
}

/// The runs that all tails hold, in the order they came: the oldest goes first.
#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    runs: VecDeque<HeldRun>,
}

#[derive(Debug)]
struct HeldRun {
    tail: Weak<Tail>,
    last: Offset,
    bytes: usize,
    since: Monotonic,
}

/// A place among the readers of a room, given up when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    tails: Tails,
    tail: Arc<Tail>,
    watcher: Arc<Watcher>,
}

impl Tails {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        let (by_room, held, joined_bytes) = (Mutex::default(), Mutex::default(), Arc::default());
        Self(Arc::new(Shared { bus, by_room, held, joined_bytes }))
    }

    /// Registers a reader of `room`, with a tail that knows nothing if it is the first.
    pub(crate) fn watch(&self, room: &RoomId, watcher: Arc<Watcher>) -> Watch {
        let mut by_room = self.by_room();
        let tail = match by_room.tails.get(room) {
            Some(tail) => tail.clone(),
            None => {
                let tail = Arc::new(Tail::new(room.clone(), self.0.joined_bytes.clone()));
                by_room.tails.insert(room.clone(), tail.clone());
                by_room.unwatched += 1;
                tail
            }
        };
        by_room.unwatched -= usize::from(tail.watch(watcher.clone()));
        drop(by_room);
        Watch { tails: self.clone(), tail, watcher }
    }

    /// Takes what was added to a room, if that has a tail here.
    pub(crate) fn push(&self, run: &Run, now: Monotonic) -> Pushed {
        let Some(tail) = self.get(run.room()) else { return Pushed::Passed };
        let pushed = tail.push(run);
        if pushed == Pushed::Held {
            self.hold([HeldRun::new(&tail, run, now)]);
        }
        pushed
    }

    /// Takes what a commit added to rooms, as [`Tails::push`] one by one.
    pub(crate) fn push_all(&self, runs: &[Run], now: Monotonic) {
        let tails: SmallVec<[_; COMMIT_ROOMS]> = {
            let by_room = self.by_room();
            runs.iter().filter_map(|run| Some((run, by_room.tails.get(run.room())?.clone()))).collect()
        };
        if tails.is_empty() {
            return;
        }
        let mut held = SmallVec::<[_; COMMIT_ROOMS]>::new();
        for (run, tail) in &tails {
            if tail.push(run) == Pushed::Held {
                held.push(HeldRun::new(tail, run, now));
            }
        }
        self.hold(held);
    }

    /// The tail of `room`, if it has one here.
    pub(crate) fn get(&self, room: &RoomId) -> Option<Arc<Tail>> {
        self.by_room().tails.get(room).cloned()
    }

    /// All tails, in the order of their rooms: what is done to each in turn is done in the same turn again.
    pub(crate) fn all(&self) -> Vec<Arc<Tail>> {
        let mut tails: Vec<_> = self.by_room().tails.values().cloned().collect();
        tails.sort_unstable_by(|one, other| one.room().cmp(other.room()));
        tails
    }

    /// Lets go of runs older than [`TAIL_AGE_MAX`], and of tails that nobody has watched for as long.
    pub(crate) fn age(&self, now: Monotonic) {
        let old = self.held().take_while(|held, _| now.since(held.since) > TAIL_AGE_MAX);
        evict(&old);
        for tail in self.all() {
            if tail.unwatched_since(now).is_some_and(|since| now.since(since) > TAIL_AGE_MAX) {
                let mut by_room = self.by_room();
                if tail.is_unwatched() {
                    self.forget(&mut by_room, &tail);
                }
            }
        }
    }

    fn hold(&self, runs: impl IntoIterator<Item = HeldRun>) {
        let over = {
            let mut held = self.held();
            runs.into_iter().for_each(|run| held.push(run));
            let bytes_max = TAIL_BYTES_MAX.saturating_sub(self.0.joined_bytes.load(Ordering::Relaxed));
            held.take_while(|_, bytes| bytes > bytes_max)
        };
        evict(&over);
    }

    /// Drops a tail that nobody watches.
    fn forget(&self, by_room: &mut ByRoom, tail: &Arc<Tail>) {
        if by_room.tails.get(tail.room()).is_some_and(|kept| Arc::ptr_eq(kept, tail)) {
            by_room.tails.remove(tail.room());
            by_room.unwatched -= 1;
            // Under the lock, so that whoever comes next joins after this.
            self.0.bus.leave(tail.room());
        }
    }

    #[cfg(test)]
    pub(super) fn joined_bytes(&self) -> usize {
        self.0.joined_bytes.load(Ordering::Relaxed)
    }

    fn by_room(&self) -> MutexGuard<'_, ByRoom> {
        self.0.by_room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldRun {
    fn new(tail: &Arc<Tail>, run: &Run, since: Monotonic) -> Self {
        Self { tail: Arc::downgrade(tail), last: run.last(), bytes: framed_bytes(run), since }
    }
}

impl Held {
    fn push(&mut self, run: HeldRun) {
        self.bytes += run.bytes;
        self.runs.push_back(run);
    }

    /// Takes the oldest runs while `goes` says so of the oldest and of the bytes held.
    fn take_while(&mut self, goes: impl Fn(&HeldRun, usize) -> bool) -> Vec<HeldRun> {
        let mut taken = Vec::new();
        while let Some(run) = self.runs.pop_front_if(|run| goes(run, self.bytes)) {
            self.bytes -= run.bytes;
            taken.push(run);
        }
        taken
    }
}

fn evict(runs: &[HeldRun]) {
    for run in runs {
        if let Some(tail) = run.tail.upgrade() {
            tail.evict(run.last);
        }
    }
}

impl Watch {
    pub(crate) fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    pub(crate) fn watcher(&self) -> &Watcher {
        &self.watcher
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut by_room = self.tails.by_room();
        if self.tail.unwatch(&self.watcher) {
            by_room.unwatched += 1;
            if by_room.unwatched > TAILS_UNWATCHED_MAX {
                self.tails.forget(&mut by_room, &self.tail);
            }
        }
    }
}

/// Runs of a commit that are handed to their tails without memory of their own. Source: chosen; most commits have fewer.
const COMMIT_ROOMS: usize = 8;
