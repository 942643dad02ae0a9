//! Watched rooms: who has read, who is there and who types, for those who look at a room.
//!
//! A watched room is one state that all its watchers share, each entry with the version at which it changed. Whoever is woken
//! reads what changed since the version that it was told, as a delivery is a read at a cursor: nothing waits in a queue, bursts
//! run together, and a slow watcher gets how things stand in the end. Without watchers there is no state.
//!
//! What is told is of those who belong to the room, as far as the store said so last. When members may have changed nobody is
//! told anything until the store was asked again. Whether a watcher may still be told is the matter of its subscription.

mod load;
mod state;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::state::{Changes, Side, State};
use super::due::Due;
use super::mailbox::{Mailbox, Slot};
use super::presence::Settled;
use super::tails::Watch;
use crate::cursor::Cursors;
use crate::environment::{Environment, Monotonic};
use crate::id::{RoomId, UserId};
use crate::limits::TYPING_EXPIRES;
use crate::run::{Contents, Run};
use crate::session::frame::ServerFrame;

/// The rooms of a node that somebody watches. Clones share.
#[derive(Clone, Debug)]
pub(super) struct Watched(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    env: Arc<dyn Environment>,
    due: Arc<Due>,
    rooms: Mutex<HashMap<RoomId, Arc<WatchedRoom>>>,
    /// Members of a room beyond which they are counted.
    listed_max: usize,
    /// How many there are: as a rule a commit need not look for its room.
    count: AtomicUsize,
}

/// A room that somebody watches.
#[derive(Debug)]
pub(super) struct WatchedRoom {
    room: RoomId,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    watchers: Vec<Arc<RoomWatcher>>,
    /// When it was looked last who belongs to the room, and who is there.
    loaded_at: Option<Monotonic>,
    looked_at: Option<Monotonic>,
}

/// A session that watches a room.
#[derive(Debug)]
struct RoomWatcher {
    mailbox: Arc<Mailbox>,
    slot: Slot,
    user: UserId,
    /// The version up to which it was told.
    told: AtomicU64,
    /// It was woken, and has not looked since.
    woken: AtomicBool,
}

/// A session's watching of a room; ends when dropped.
#[derive(Debug)]
pub struct RoomWatch {
    watched: Watched,
    room: Arc<WatchedRoom>,
    watcher: Arc<RoomWatcher>,
    /// Keeps the room among those of which this node hears; nobody looks at what it is woken for.
    _tail: Watch,
}

/// What a watcher is told next.
#[derive(Debug)]
pub enum News {
    /// These, or nothing: a wake-up will come.
    Frames(VecDeque<ServerFrame>),
    /// Nothing more: the room has become another one.
    Over,
}

impl Watched {
    pub(super) fn new(env: Arc<dyn Environment>, due: Arc<Due>, listed_max: usize) -> Self {
        let (rooms, count) = (Mutex::default(), AtomicUsize::new(0));
        Self(Arc::new(Shared { env, due, rooms, listed_max, count }))
    }

    /// Members of a room beyond which nobody is told one by one who has read and who is there.
    pub(super) fn listed_max(&self) -> usize {
        self.0.listed_max
    }

    /// The room, if somebody watches it.
    pub(super) fn get(&self, room: &RoomId) -> Option<Arc<WatchedRoom>> {
        match self.0.count.load(Ordering::Acquire) {
            0 => None,
            _ => self.rooms().get(room).cloned(),
        }
    }

    /// All of them, in the order of their ids.
    pub(super) fn all(&self) -> Vec<Arc<WatchedRoom>> {
        let mut all: Vec<_> = self.rooms().values().cloned().collect();
        all.sort_unstable_by(|one, other| one.room.cmp(&other.room));
        all
    }

    /// Hears of a commit: where it says who belongs to a room, the store is asked again before anything is told; and whoever
    /// has written types no more.
    pub(super) fn committed(&self, run: &Run) {
        let Some(watched) = self.get(run.room()) else { return };
        if run.contents().has(Contents::OF_ROOM) {
            self.turned(run.room());
        }
        if watched.lock().state.has_typists() {
            let writers = run.events().filter_map(Result::ok).map(|event| event.user);
            watched.change(|state| writers.for_each(|user| state.typing(&user, None)));
        }
    }

    /// Learns that a room is not what it was.
    pub(super) fn turned(&self, room: &RoomId) {
        if let Some(watched) = self.get(room) {
            watched.lock().state.turn();
            self.0.due.by(self.0.env.now());
        }
    }

    /// Learns that news may have been lost.
    pub(super) fn all_turned(&self) {
        self.all().iter().for_each(|watched| watched.lock().state.turn());
        self.0.due.by(self.0.env.now());
    }

    /// Tells the watchers of those rooms to which users belong how these are from now on.
    pub(super) fn settled(&self, settled: &[Settled]) {
        if settled.is_empty() || self.0.count.load(Ordering::Acquire) == 0 {
            return;
        }
        for watched in self.all() {
            watched.change(|state| {
                settled.iter().for_each(|settled| state.settled(settled));
            });
        }
    }

    /// A place among the watchers of a room, of which nothing is known yet if it is the first.
    fn enter(&self, room: &RoomId, watcher: RoomWatcher, tail: Watch) -> RoomWatch {
        let watcher = Arc::new(watcher);
        let mut rooms = self.rooms();
        let watched = rooms
            .entry(room.clone())
            .or_insert_with(|| Arc::new(WatchedRoom { room: room.clone(), inner: Mutex::default() }));
        let watched = watched.clone();
        watched.lock().watchers.push(watcher.clone());
        self.0.count.store(rooms.len(), Ordering::Release);
        RoomWatch { watched: self.clone(), room: watched, watcher, _tail: tail }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<WatchedRoom>>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchedRoom {
    pub(super) fn room(&self) -> &RoomId {
        &self.room
    }

    /// Takes where a user's cursors are now.
    pub(super) fn moved(&self, user: &UserId, cursors: &Cursors) {
        self.change(|state| state.moved(user, cursors));
    }

    /// A user types, until some time from now, or has stopped. Says until when.
    pub(super) fn typing(&self, user: &UserId, typing: bool, now: Monotonic) -> Option<Monotonic> {
        let until = typing.then_some(now + TYPING_EXPIRES);
        self.change(|state| state.typing(user, until));
        until
    }

    /// Forgets who has not gone on typing, and says when the next will be.
    pub(super) fn expire(&self, now: Monotonic) -> Option<Monotonic> {
        self.change(|state| state.expire(now))
    }

    /// Changes the state, and wakes the watchers who have something to look at by that.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut inner = self.lock();
        let changed = change(&mut inner.state);
        let told = inner.watchers.iter().map(|watcher| watcher.told.load(Ordering::Acquire)).min();
        inner.state.purge(told.unwrap_or(u64::MAX));
        let version = inner.state.version();
        let has_news = |watcher: &&Arc<RoomWatcher>| watcher.told.load(Ordering::Acquire) < version;
        let woken: Vec<_> = match inner.state.is_known() {
            true => inner.watchers.iter().filter(has_news).cloned().collect(),
            false => Vec::new(),
        };
        drop(inner);
        woken.iter().for_each(|watcher| watcher.wake());
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RoomWatcher {
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.mailbox.look(self.slot);
        }
    }
}

impl RoomWatch {
    /// Which room.
    #[must_use]
    pub fn room(&self) -> &RoomId {
        &self.room.room
    }

    /// The slot under which it is woken.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.watcher.slot
    }

    /// What has changed since it was last told, as far as it is known; for a watcher whose subscription says that it may still
    /// be told. It is not said again.
    #[must_use]
    pub fn news(&self) -> News {
        let Some(changes) = self.changes() else { return News::Over };
        self.tell(changes)
    }

    /// What has changed since it was last told, which stays untold; none if it is told no more.
    fn changes(&self) -> Option<Changes> {
        self.watcher.woken.store(false, Ordering::Release);
        let told = self.watcher.told.load(Ordering::Acquire);
        self.room.lock().state.changes(told, &self.watcher.user)
    }

    fn tell(&self, changes: Changes) -> News {
        self.watcher.told.fetch_max(changes.version, Ordering::AcqRel);
        News::Frames(self.frames(changes))
    }

    fn frames(&self, changes: Changes) -> VecDeque<ServerFrame> {
        let room = &self.room.room;
        let Changes { receipts, sightings, counted, typing, version: _ } = changes;
        let Side { online, away } = counted.unwrap_or_default();
        let mut frames = VecDeque::new();
        if !receipts.is_empty() {
            frames.push_back(ServerFrame::Receipts { room: room.clone(), receipts });
        }
        if counted.is_some() {
            frames.push_back(ServerFrame::Presence { room: room.clone(), sightings, online, away });
        }
        frames.extend(typing.map(|users| ServerFrame::Typing { room: room.clone(), users }));
        frames
    }
}

impl Drop for RoomWatch {
    fn drop(&mut self) {
        let mut rooms = self.watched.rooms();
        let is_empty = {
            let mut inner = self.room.lock();
            inner.watchers.retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
            inner.watchers.is_empty()
        };
        if is_empty && rooms.get(self.room()).is_some_and(|kept| Arc::ptr_eq(kept, &self.room)) {
            rooms.remove(&self.room.room);
        }
        self.watched.0.count.store(rooms.len(), Ordering::Release);
    }
}
