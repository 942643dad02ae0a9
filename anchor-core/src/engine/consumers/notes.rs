//! What a consumer hears of: rooms in which something came, noted where commits are told.
//!
//! A note is the room, never what came, and there are at most [`CONSUMER_NOTED_MAX`]: beyond that the consumer looks at all
//! rooms. Nothing depends on notes but speed: all rooms are looked at every now and then anyway.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::task::AtomicWaker;

use super::name::{ConsumerId, Scope};
use crate::event::Event;
use crate::id::RoomId;
use crate::limits::CONSUMER_NOTED_MAX;
use crate::position::Offset;
use crate::run::{Contents, Run};
use crate::sabotage::{self, Sabotage};

/// What a consumer wants to see: runs are given or passed over whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(Option<Contents>);

impl Interest {
    /// Everything.
    pub const ALL: Self = Self(None);

    /// Runs that may have something of `contents` among their events. Runs without cost such a consumer next to nothing.
    #[must_use]
    pub const fn any_of(contents: Contents) -> Self {
        Self(Some(contents))
    }

    /// True if the run is to be given.
    pub(super) fn has(self, run: &Run) -> bool {
        self.0.is_none_or(|wanted| run.contents().has_any(wanted))
    }

    /// True if what the run has behind the event at `after` is to be given: a page may hold more before.
    pub(super) fn has_behind(self, run: &Run, after: Offset) -> bool {
        let Some(wanted) = self.0.filter(|_| run.first() <= after) else { return self.has(run) };
        // What cannot be read is for whoever is given it to see.
        let is_wanted = |event: Event| Contents::of_event(&event).has_any(wanted);
        self.has(run)
            && run.events().any(|event| event.map_or(true, |event| event.offset > after && is_wanted(event)))
    }

    /// True if nothing is passed over.
    pub(super) const fn is_all(self) -> bool {
        self.0.is_none()
    }
}

/// The consumers that are open on a node. Clones share.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Consumers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// So that a commit costs a node without consumers one look.
    is_any: AtomicBool,
    open: Mutex<Vec<Arc<Notes>>>,
}

/// What one consumer is told.
#[derive(Debug)]
pub(super) struct Notes {
    id: ConsumerId,
    scope: Scope,
    inner: Mutex<Inner>,
    waker: AtomicWaker,
    /// Events that it has not done yet, as of the last look at all rooms and what was heard since; none before the first.
    lag: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    interest: Interest,
    news: News,
}

/// What has been noted since the consumer looked.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Rooms in which something came.
    pub(super) rooms: BTreeSet<RoomId>,
    /// More rooms than are noted.
    pub(super) is_overflown: bool,
    /// Its head is another one now.
    pub(super) is_changed: bool,
}

impl News {
    fn is_empty(&self) -> bool {
        self.rooms.is_empty() && !self.is_overflown && !self.is_changed
    }
}

impl Consumers {
    /// Begins to note for a consumer, as long as the guard lives.
    pub(super) fn enter(&self, id: ConsumerId, scope: Scope) -> NotesGuard {
        let inner = Inner { interest: Interest::ALL, news: News::default() };
        let notes = Arc::new(Notes {
            id,
            scope,
            inner: Mutex::new(inner),
            waker: AtomicWaker::new(),
            lag: AtomicU64::new(UNKNOWN),
        });
        let mut open = self.lock();
        open.push(notes.clone());
        self.0.is_any.store(true, Ordering::Release);
        drop(open);
        NotesGuard { consumers: self.clone(), notes }
    }

    /// Notes the rooms of what was committed.
    pub(in crate::engine) fn committed(&self, runs: &[Run]) {
        if self.0.is_any.load(Ordering::Acquire) {
            self.lock().iter().for_each(|notes| notes.committed(runs));
        }
    }

    /// Notes that a room went away.
    pub(in crate::engine) fn deleted(&self, room: &RoomId) {
        if self.0.is_any.load(Ordering::Acquire) {
            let open = self.lock();
            open.iter().filter(|notes| notes.scope.has(room)).for_each(|notes| notes.note([room]));
        }
    }

    /// Tells who holds the consumer on this node that its head has changed.
    pub(super) fn changed(&self, id: &ConsumerId) {
        for notes in self.lock().iter().filter(|notes| notes.id == *id) {
            notes.lock().news.is_changed = true;
            notes.waker.wake();
        }
    }

    /// Events that the consumer has not done yet, about, if it is open on this node.
    pub(super) fn lag(&self, id: &ConsumerId) -> Option<u64> {
        // The newest that was opened holds it.
        self.lock().iter().rev().find(|notes| notes.id == *id).and_then(|notes| notes.lag())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Notes>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A consumer's notes, which end with it.
#[derive(Debug)]
pub(super) struct NotesGuard {
    consumers: Consumers,
    notes: Arc<Notes>,
}

impl std::ops::Deref for NotesGuard {
    type Target = Notes;

    fn deref(&self) -> &Notes {
        &self.notes
    }
}

impl Drop for NotesGuard {
    fn drop(&mut self) {
        let mut open = self.consumers.lock();
        open.retain(|notes| !Arc::ptr_eq(notes, &self.notes));
        self.consumers.0.is_any.store(!open.is_empty(), Ordering::Release);
    }
}

impl Notes {
    /// Takes what was noted, if anything was.
    pub(super) fn take(&self) -> News {
        std::mem::take(&mut self.lock().news)
    }

    /// Has `waker` woken with the next note; true if something was noted already.
    pub(super) fn register(&self, waker: &std::task::Waker) -> bool {
        self.waker.register(waker);
        !self.lock().news.is_empty()
    }

    /// True if nothing was noted since it was taken.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().news.is_empty()
    }

    /// What is noted from now on.
    pub(super) fn set_interest(&self, interest: Interest) {
        self.lock().interest = interest;
    }

    /// Events that it has not done yet, about.
    pub(super) fn lag(&self) -> Option<u64> {
        Some(self.lag.load(Ordering::Acquire)).filter(|lag| *lag != UNKNOWN)
    }

    /// All rooms were looked at: so many events are not done.
    pub(super) fn set_lag(&self, events: u64) {
        self.lag.store(events, Ordering::Release);
    }

    /// So many events more were done.
    pub(super) fn done(&self, events: u64) {
        self.change_lag(|lag| lag.saturating_sub(events));
    }

    fn committed(&self, runs: &[Run]) {
        let mut rooms = Vec::new();
        let interest = self.lock().interest;
        for run in runs.iter().filter(|run| interest.has(run) && self.scope.has(run.room())) {
            let events = run.len() as u64;
            self.change_lag(|lag| lag.saturating_add(events));
            rooms.push(run.room());
        }
        if !rooms.is_empty() {
            self.note(rooms);
        }
    }

    fn note<'a>(&self, rooms: impl IntoIterator<Item = &'a RoomId>) {
        if sabotage::is(Sabotage::ConsumerForgetsRoom) {
            return;
        }
        let mut inner = self.lock();
        for room in rooms {
            match inner.news.rooms.len() < CONSUMER_NOTED_MAX || inner.news.rooms.contains(room) {
                true => drop(inner.news.rooms.insert(room.clone())),
                false => inner.news.is_overflown = true,
            }
        }
        drop(inner);
        self.waker.wake();
    }

    fn change_lag(&self, change: impl Fn(u64) -> u64) {
        let known = |lag: u64| (lag != UNKNOWN).then(|| change(lag).min(UNKNOWN - 1));
        // It fails where nothing is known yet, and then there is nothing to change.
        let _ = self.lag.fetch_update(Ordering::AcqRel, Ordering::Acquire, known);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lag that nobody has counted yet.
const UNKNOWN: u64 = u64::MAX;
