//! The tails of a node: one for each room that somebody here reads, under one budget of bytes and age.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::mailbox::Watcher;
use super::tail::{Pushed, Tail};
use crate::bus::Bus;
use crate::environment::Monotonic;
use crate::id::RoomId;
use crate::limits::{TAIL_AGE_MAX, TAIL_BYTES_MAX};
use crate::position::Offset;
use crate::run::Run;

/// All tails of a node. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Tails(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bus: Arc<dyn Bus>,
    by_room: Mutex<HashMap<RoomId, Arc<Tail>>>,
    held: Mutex<Held>,
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

/// A place among the readers of a room, given up when dropped. The last one takes the tail with it.
#[derive(Debug)]
pub(crate) struct Watch {
    tails: Tails,
    tail: Arc<Tail>,
    watcher: Arc<Watcher>,
}

impl Tails {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self(Arc::new(Shared { bus, by_room: Mutex::default(), held: Mutex::default() }))
    }

    /// Registers a reader of `room`, with a tail that knows nothing if it is the first.
    pub(crate) fn watch(&self, room: &RoomId, watcher: Arc<Watcher>) -> Watch {
        let mut by_room = self.by_room();
        let tail = by_room.entry(room.clone()).or_insert_with(|| Arc::new(Tail::new(room.clone()))).clone();
        tail.watch(watcher.clone());
        drop(by_room);
        Watch { tails: self.clone(), tail, watcher }
    }

    /// Takes what a commit added to a room, if somebody reads it here.
    pub(crate) fn push(&self, run: &Run, now: Monotonic) -> Pushed {
        let Some(tail) = self.get(run.room()) else { return Pushed::Passed };
        let pushed = tail.push(run);
        if pushed == Pushed::Held {
            // Twice the encoded events: they are framed for the wire as soon as somebody reads them.
            let bytes = run.bytes() + run.encoded().len();
            self.hold(HeldRun { tail: Arc::downgrade(&tail), last: run.last(), bytes, since: now });
        }
        pushed
    }

    /// The tail of `room`, if somebody reads it here.
    pub(crate) fn get(&self, room: &RoomId) -> Option<Arc<Tail>> {
        self.by_room().get(room).cloned()
    }

    /// All tails, in the order of their rooms: what is done to each in turn is done in the same turn again.
    pub(crate) fn all(&self) -> Vec<Arc<Tail>> {
        let mut tails: Vec<_> = self.by_room().values().cloned().collect();
        tails.sort_unstable_by(|one, other| one.room().cmp(other.room()));
        tails
    }

    /// Lets go of runs older than [`TAIL_AGE_MAX`].
    pub(crate) fn age(&self, now: Monotonic) {
        let old = self.held().take_while(|held, _| now.since(held.since) > TAIL_AGE_MAX);
        evict(&old);
    }

    fn hold(&self, run: HeldRun) {
        let over = {
            let mut held = self.held();
            held.bytes += run.bytes;
            held.runs.push_back(run);
            held.take_while(|_, bytes| bytes > TAIL_BYTES_MAX)
        };
        evict(&over);
    }

    fn by_room(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<Tail>>> {
        self.0.by_room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
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
            by_room.remove(self.tail.room());
            // Under the lock, so that whoever comes next joins after this.
            self.tails.0.bus.leave(self.tail.room());
        }
    }
}
