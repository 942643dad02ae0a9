//! The tail of a room: a contiguous run of committed events that ends at the newest this node knows.
//!
//! Invariant, checked on every push: the runs are contiguous, and the last one's tip is the head of the known state. A tail
//! grows only by a run that follows its head, offset *and* chain. Anything else drops what it holds and raises
//! `generation`; every feed of an older generation verifies its position anew.
//!
//! A body that was redacted is in no tail: who pushes a redaction takes away what it is about, on every node the same.
//!
//! A tail is registered before its head is read from the store (see [`super::tails`]), so that no commit falls between.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::joins::Joins;
use super::mailbox::{Mailbox, Watcher};
use super::redacted::{redactions, without};
use crate::environment::Monotonic;
use crate::id::{ClientTag, RoomId, UserId};
use crate::position::{Epoch, Mark, Offset, Position};
use crate::run::{Contents, Run};
use crate::sabotage::{self, Sabotage};
use crate::session::frame::ServerFrame;
use crate::store::{EpochStart, RoomState};

/// A room's newest events, shared by all its readers on this node.
#[derive(Debug)]
pub(crate) struct Tail {
    room: RoomId,
    /// Runs with redactions that have come.
    redactions: AtomicU32,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: Known,
    generation: Generation,
    /// Up to the head nothing was decided about the room: everybody reads it.
    is_plain: bool,
    /// Runs with room events that have come.
    of_room: u64,
    runs: VecDeque<Run>,
    joins: Joins,
    watchers: Vec<Arc<Watcher>>,
    /// When it was first seen that nobody watches any more.
    unwatched_since: Option<Monotonic>,
}

/// What a tail knows of its room.
#[derive(Debug)]
enum Known {
    /// Nothing yet; commits up to `heard` happened meanwhile.
    Nothing { heard: Offset },
    /// What the store says and what was committed since; `None` for a room without events.
    Room(Option<RoomState>),
}

/// Counts how often a tail was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Generation {
    /// A generation that no tail has.
    pub(crate) const STALE: Self = Self(u64::MAX);
}

/// What a tail had heard of when a read of its room's state began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    generation: Generation,
    heard: Offset,
}

/// What a tail had heard of when it was asked whether its room is plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AskedPlain {
    generation: Generation,
    of_room: u64,
}

/// What a push came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The tail holds the run.
    Held,
    /// The tail does not know its room yet, or knew the run already.
    Passed,
    /// The run does not follow the head: the tail was dropped.
    Dropped,
}

/// What a reader at some position finds in a tail.
#[derive(Debug)]
pub(crate) enum Found {
    /// Everything that this node knows of is taken.
    Current,
    /// A run that holds the next event, and as many behind it as one run may hold.
    Run {
        /// The run; the same one for every reader at that place.
        run: Run,
        /// True if that was everything.
        is_newest: bool,
    },
    /// The next event is not in the tail: read the store.
    Store,
    /// The tail was dropped since the position was verified, or holds another history.
    Stale,
}

/// What a reader at some position has before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Nothing that could end what it may read.
    Clear,
    /// This turn is the first.
    Turn(Offset),
    /// The tail does not hold all that is ahead.
    Unknown,
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the head.
    Current,
    /// Before something that this run holds.
    Run(usize),
    /// Before what the tail holds.
    Store,
    /// In no place that the tail knows.
    Stale,
}

impl Tail {
    /// A tail that knows nothing. The bytes of its joins are counted in `joined_bytes`.
    pub(crate) fn new(room: RoomId, joined_bytes: Arc<AtomicUsize>) -> Self {
        let inner = Inner {
            known: Known::Nothing { heard: Offset::ZERO },
            generation: Generation::default(),
            is_plain: false,
            of_room: 0,
            runs: VecDeque::new(),
            joins: Joins::new(joined_bytes),
            watchers: Vec::new(),
            unwatched_since: None,
        };
        Self { room, redactions: AtomicU32::new(0), inner: Mutex::new(inner) }
    }

    /// Which room.
    pub(crate) fn room(&self) -> &RoomId {
        &self.room
    }

    /// Takes what a commit added to the room, and wakes the readers.
    pub(crate) fn push(&self, run: &Run) -> Pushed {
        let mut inner = self.lock();
        let pushed = inner.push(run);
        if run.contents().has(Contents::REDACTIONS) {
            inner.redact(run);
            self.redactions.fetch_add(1, Ordering::Release);
        }
        if pushed != Pushed::Passed {
            inner.watchers.iter().for_each(|watcher| watcher.wake());
        }
        pushed
    }

    /// Counts the redactions that have come: what was read of the store at another count may hold what is gone.
    pub(crate) fn redactions(&self) -> u32 {
        self.redactions.load(Ordering::Acquire)
    }

    /// To be called before the room's state is read from the store, for [`Tail::learn`].
    pub(crate) fn ask(&self) -> Asked {
        let inner = self.lock();
        let heard = match inner.known {
            Known::Nothing { heard } => heard,
            Known::Room(_) => Offset::ZERO,
        };
        Asked { generation: inner.generation, heard }
    }

    /// Takes the room's state as the store tells it. False if it may not cover what happened since it was asked for: read
    /// again. What was heard of earlier and is not in it is not in the log.
    pub(crate) fn learn(&self, asked: Asked, state: Option<RoomState>) -> bool {
        let mut inner = self.lock();
        let Known::Nothing { heard } = inner.known else { return true };
        let head = state.as_ref().map_or(Offset::ZERO, |state| state.head.offset);
        if asked.generation != inner.generation || (asked.heard != heard && head < heard) {
            return false;
        }
        inner.known = Known::Room(state);
        inner.watchers.iter().for_each(|watcher| watcher.wake());
        true
    }

    /// Compares the head with the store's, read after the tail's was `before`. The store must hold at least that, and
    /// nothing that the tail does not have; else the tail is dropped.
    pub(crate) fn check(&self, before: Option<Mark>, stored: Option<(Epoch, Mark)>) {
        let mut inner = self.lock();
        let Known::Room(state) = &inner.known else { return };
        let fits = match (state, stored) {
            (Some(state), Some((epoch, stored))) => {
                epoch == state.epoch()
                    && before.is_none_or(|before| before.offset <= stored.offset)
                    && stored.offset <= state.head.offset
                    && (stored == state.head || inner.holds(stored))
            }
            (_, None) => before.is_none(),
            (None, Some(_)) => false,
        };
        if !fits {
            inner.drop_all(stored.map_or(Offset::ZERO, |(_, mark)| mark.offset));
            inner.watchers.iter().for_each(|watcher| watcher.wake());
        }
    }

    /// The room's state and the generation it belongs to, once known; `Some((None, _))` for a room without events.
    pub(crate) fn state(&self) -> Option<(Option<RoomState>, Generation)> {
        self.state_and_plain().map(|(state, generation, _)| (state, generation))
    }

    /// As [`Tail::state`], and true if nothing was decided about the room as far as the tail knows: everybody reads it.
    pub(crate) fn state_and_plain(&self) -> Option<(Option<RoomState>, Generation, bool)> {
        let inner = self.lock();
        match &inner.known {
            Known::Nothing { .. } => None,
            Known::Room(state) => Some((state.clone(), inner.generation, inner.is_plain)),
        }
    }

    /// To be called before the store is asked what was decided about the room of that generation, for
    /// [`Tail::found_plain`].
    pub(crate) fn ask_plain(&self, generation: Generation) -> AskedPlain {
        AskedPlain { generation, of_room: self.lock().of_room }
    }

    /// Learns that nothing was decided about the room, of the log of that generation, unless news of that came meanwhile.
    pub(crate) fn found_plain(&self, asked: AskedPlain) {
        let mut inner = self.lock();
        if asked == (AskedPlain { generation: inner.generation, of_room: inner.of_room }) {
            inner.is_plain = true;
        }
    }

    /// True if the room's log has the epochs of all these runs, as far as the tail knows in `generation`.
    pub(crate) fn has_epochs(&self, generation: Generation, runs: &[Run]) -> bool {
        let inner = self.lock();
        let Known::Room(Some(state)) = &inner.known else { return false };
        let has = |run: &Run| state.epochs.iter().any(|start| start.epoch == run.epoch());
        inner.generation == generation && runs.iter().all(has)
    }

    /// The newest event this node knows; none without events, or while the tail knows nothing.
    pub(crate) fn head(&self) -> Option<Mark> {
        self.lock().head()
    }

    /// Looks for the event after `cursor`, a position that was verified in `generation`.
    pub(crate) fn find(&self, generation: Generation, cursor: &Position) -> Found {
        let mut inner = self.lock();
        match inner.place(generation, cursor) {
            Place::Current => Found::Current,
            Place::Run(at) => {
                let run = inner.joined_from(at);
                Found::Run { is_newest: inner.head().is_some_and(|head| head.offset == run.last()), run }
            }
            Place::Store => Found::Store,
            Place::Stale => Found::Stale,
        }
    }

    /// True if a reader at `cursor`, a position that was verified in `generation`, must verify it anew.
    pub(crate) fn is_stale(&self, generation: Generation, cursor: &Position) -> bool {
        self.lock().place(generation, cursor) == Place::Stale
    }

    /// True if the tail was not dropped since `generation`.
    pub(crate) fn is_of(&self, generation: Generation) -> bool {
        self.lock().generation == generation
    }

    /// What `user`, at a `cursor` that was verified in `generation`, has ahead, beside the turns up to `known`.
    pub(crate) fn ahead(
        &self,
        generation: Generation,
        cursor: &Position,
        known: Offset,
        user: &UserId,
    ) -> Ahead {
        let inner = self.lock();
        match inner.place(generation, cursor) {
            Place::Current => Ahead::Clear,
            Place::Run(at) => {
                let known = known.max(cursor.offset);
                let runs = inner.runs.range(at..).filter(|run| run.contents().has(Contents::OF_ROOM));
                let mut turns = runs.flat_map(Run::turns);
                let turn = turns.find(|turn| turn.offset > known && turn.concerns(user));
                turn.map_or(Ahead::Clear, |turn| Ahead::Turn(turn.offset))
            }
            Place::Store | Place::Stale => Ahead::Unknown,
        }
    }

    /// The point of the log after the event at `offset`, if the tail holds that, as of `generation`.
    pub(crate) fn mark_at(&self, generation: Generation, offset: Offset) -> Option<Mark> {
        let inner = self.lock();
        let run = inner.holding(offset).filter(|_| inner.generation == generation)?;
        run.mark_at(offset).ok().flatten()
    }

    /// The run that holds the event at `offset`, if the tail does.
    pub(crate) fn run_at(&self, offset: Offset) -> Option<Run> {
        let inner = self.lock();
        inner.holding(offset).filter(|run| run.first() <= offset).cloned()
    }

    /// Lets go of the runs up to `last`.
    pub(crate) fn evict(&self, last: Offset) {
        let mut inner = self.lock();
        while inner.runs.front().is_some_and(|run| run.last() <= last) {
            inner.runs.pop_front();
        }
        if inner.runs.is_empty() {
            inner.runs.shrink_to_fit();
        }
        let first = inner.runs.front().map_or(last.next(), Run::first);
        inner.joins.evict(first);
    }

    /// Forgets everything: news may have been lost.
    pub(crate) fn distrust(&self) {
        let mut inner = self.lock();
        inner.drop_all(Offset::ZERO);
        inner.watchers.iter().for_each(|watcher| watcher.wake());
    }

    /// Forgets everything, unless that has happened since `generation`: the store vouches for what the tail denies.
    pub(crate) fn doubt(&self, generation: Generation) {
        if self.lock().generation == generation {
            self.distrust();
        }
    }

    /// Learns where the horizon is, or was a while ago: it only rises.
    pub(crate) fn trimmed(&self, state: &RoomState) {
        if let Known::Room(Some(known)) = &mut self.lock().known
            && known.epoch() == state.epoch()
            && known.horizon < state.horizon
        {
            known.horizon = state.horizon;
            known.before_horizon = state.before_horizon;
        }
    }

    /// Wakes `watcher` from now on; true if nobody watched before.
    pub(crate) fn watch(&self, watcher: Arc<Watcher>) -> bool {
        let mut inner = self.lock();
        let is_first = inner.watchers.is_empty();
        inner.watchers.push(watcher);
        inner.unwatched_since = None;
        is_first
    }

    /// Ends what [`Tail::watch`] began; true if nobody watches any more.
    pub(crate) fn unwatch(&self, watcher: &Arc<Watcher>) -> bool {
        let mut inner = self.lock();
        if let Some(at) = inner.watchers.iter().position(|other| Arc::ptr_eq(other, watcher)) {
            inner.watchers.swap_remove(at);
        }
        if inner.watchers.is_empty() {
            inner.watchers = Vec::new();
        }
        inner.watchers.is_empty()
    }

    /// True if nobody watches.
    pub(crate) fn is_unwatched(&self) -> bool {
        self.lock().watchers.is_empty()
    }

    /// Since when nobody watches, as far as was looked: from `now` on if that is new. None if somebody does.
    pub(crate) fn unwatched_since(&self, now: Monotonic) -> Option<Monotonic> {
        let mut inner = self.lock();
        let is_unwatched = inner.watchers.is_empty();
        is_unwatched.then(|| *inner.unwatched_since.get_or_insert(now))
    }

    /// Says something in passing to the sessions of clients that watch and are meant.
    pub(crate) fn say(&self, frame: &Arc<ServerFrame>, is_meant: impl Fn(&UserId, ClientTag) -> bool) {
        self.lock().watchers.iter().for_each(|watcher| watcher.say(frame, &is_meant));
    }

    /// Calls `each` for the mailboxes of the clients that watch.
    pub(crate) fn each_mailbox(&self, each: impl FnMut(&Arc<Mailbox>)) {
        self.lock().watchers.iter().filter_map(|watcher| watcher.client_mailbox()).for_each(each);
    }

    /// Whose client `client` is, if that is there.
    pub(crate) fn user_of(&self, client: ClientTag) -> Option<UserId> {
        let inner = self.lock();
        let watcher =
            inner.watchers.iter().find(|watcher| watcher.stays() && watcher.client() == Some(client))?;
        watcher.user().cloned()
    }

    /// True if more than `count` users are there. It looks no further than that.
    pub(crate) fn has_more_users_than(&self, count: usize) -> bool {
        let inner = self.lock();
        if inner.watchers.len() <= count {
            return false;
        }
        let mut users = HashSet::new();
        let there =
            inner.watchers.iter().filter(|watcher| watcher.stays()).filter_map(|watcher| watcher.user());
        for user in there {
            users.insert(user);
            if users.len() > count {
                return true;
            }
        }
        false
    }

    /// The users that are there, in the order of their ids, each once.
    pub(crate) fn users(&self) -> Vec<UserId> {
        let inner = self.lock();
        let there = inner.watchers.iter().filter(|watcher| watcher.stays());
        let mut users: Vec<_> = there.filter_map(|watcher| watcher.user().cloned()).collect();
        drop(inner);
        users.sort_unstable();
        users.dedup();
        users
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, run: &Run) -> Pushed {
        if run.contents().has(Contents::OF_ROOM) {
            self.is_plain = false;
            self.of_room += 1;
        }
        match &mut self.known {
            Known::Nothing { heard } => {
                *heard = (*heard).max(run.last());
                return Pushed::Passed;
            }
            Known::Room(Some(state)) if run.before() == state.head && run.epoch() == state.epoch() => {
                state.head = run.tip();
            }
            Known::Room(Some(state)) if run.last() <= state.head.offset && run.epoch() == state.epoch() => {
                return Pushed::Passed;
            }
            Known::Room(state @ None) if run.before() == Mark::START => {
                *state = Some(RoomState {
                    epochs: vec![EpochStart { epoch: run.epoch(), before: Mark::START }],
                    head: run.tip(),
                    horizon: Offset(1),
                    before_horizon: Mark::START,
                });
            }
            Known::Room(Some(state))
                if sabotage::is(Sabotage::HoleInTail) && run.before().offset > state.head.offset =>
            {
                state.head = run.tip();
            }
            Known::Room(_) => {
                self.drop_all(run.last());
                return Pushed::Dropped;
            }
        }
        assert!(
            self.runs.back().is_none_or(|last| last.tip() == run.before())
                || sabotage::is(Sabotage::HoleInTail),
            "the last run of a tail ends at its head"
        );
        self.runs.push_back(run.clone());
        Pushed::Held
    }

    /// Takes the bodies away that the redactions of `newest` are about: those of their targets, and of the edits of these.
    fn redact(&mut self, newest: &Run) {
        let targets: Vec<_> = redactions(newest).collect();
        self.joins.evict(Offset(u64::MAX));
        match without(&self.runs, &targets) {
            Ok(runs) => self.runs = runs.into(),
            // It cannot be read: nothing of it is kept.
            Err(_) => self.drop_all(newest.last()),
        }
    }

    fn place(&self, generation: Generation, cursor: &Position) -> Place {
        if self.generation != generation || matches!(self.known, Known::Nothing { .. }) {
            return Place::Stale;
        }
        let head = self.head().unwrap_or(Mark::START);
        if cursor.offset == head.offset {
            return if cursor.chain == head.chain { Place::Current } else { Place::Stale };
        }
        if cursor.offset > head.offset {
            // The store told the reader of a commit that this node has yet to hear of.
            return Place::Current;
        }
        let next = cursor.offset.next();
        let at = self.runs.partition_point(|run| run.last() < next);
        match self.runs.get(at) {
            Some(run) if run.first() <= next => match follows(run, cursor) {
                true => Place::Run(at),
                false => Place::Stale,
            },
            Some(_) if at > 0 && sabotage::is(Sabotage::HoleInTail) => Place::Run(at),
            _ => Place::Store,
        }
    }

    /// The runs from the one numbered `at` on as one run, as far as they fit.
    fn joined_from(&mut self, at: usize) -> Run {
        let (first, newest) = (&self.runs[at], &self.runs[self.runs.len() - 1]);
        if first.last() == newest.last() {
            return first.clone();
        }
        let head = newest.last();
        if let Some(run) = self.joins.find(first.before().offset, head) {
            return run;
        }
        let run = first.joined_all(self.runs.range(at + 1..));
        if run.last() > first.last() {
            self.joins.keep(run.clone(), head);
        }
        run
    }

    fn drop_all(&mut self, heard: Offset) {
        self.joins.evict(Offset(u64::MAX));
        self.runs = VecDeque::new();
        self.known = Known::Nothing { heard };
        self.is_plain = false;
        self.generation.0 += 1;
    }

    fn head(&self) -> Option<Mark> {
        match &self.known {
            Known::Room(Some(state)) => Some(state.head),
            _ => None,
        }
    }

    /// False only if the tail knows another event at that offset; what it no longer holds was verified when it came.
    fn holds(&self, mark: Mark) -> bool {
        let run = self.holding(mark.offset);
        run.is_none_or(|run| run.mark_at(mark.offset).is_ok_and(|held| held == Some(mark)))
    }

    /// The first run that knows the point of the log after the event at `offset`.
    fn holding(&self, offset: Offset) -> Option<&Run> {
        let at = self.runs.partition_point(|run| run.last() < offset);
        self.runs.get(at).filter(|run| run.before().offset <= offset)
    }
}

/// True if `cursor` is a point of the log that `run` continues or holds.
pub(crate) fn follows(run: &Run, cursor: &Position) -> bool {
    run.mark_at(cursor.offset).is_ok_and(|mark| mark.is_some_and(|mark| mark.chain == cursor.chain))
}
