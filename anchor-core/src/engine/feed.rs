//! A feed: a cursor into one room's log, and what comes after it.
//!
//! Live delivery, catching up and slow readers are this one path: look into the tail; what is not there, read from the
//! store; what the log no longer vouches for, verify anew. A feed holds at most one read of runs, never a queue.
//!
//! What its reader may read is known up to a bound, an event after which that may be another. Nothing behind the bound is
//! delivered before the cursor was verified and the permit asked for again: the log itself brings the news, whatever this
//! node has heard of.

use std::collections::VecDeque;

use super::permit::Bound;
use super::profiles::Introduction;
use super::tail::{Ahead, Found, Generation, follows};
use super::tails::Watch;
use crate::id::RoomId;
use crate::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use crate::position::{Offset, Position};
use crate::run::{Contents, Run};
use crate::sabotage::{self, Sabotage};
use crate::session::Identity;
use crate::store::{Direction, Read};

/// A cursor into a room's log that is fed by its tail and its store.
#[derive(Debug)]
pub struct Feed {
    watch: Watch,
    generation: Generation,
    cursor: Position,
    bound: Bound,
    /// What the store had when the cursor was verified: as long as this node has not heard of all that, the tail may hold
    /// what is gone.
    newest: Offset,
    loaded: VecDeque<Run>,
    /// As the tail counted them before that was read.
    redactions: u32,
    /// Reads in a row that did not go on from the cursor.
    misreads: u8,
    /// What was delivered last went up to the head.
    is_newest: bool,
}

/// What a feed's reader does next.
#[derive(Debug)]
pub enum Step {
    /// Take this run; events at or below the former cursor are to be ignored. The cursor has moved to its end.
    Deliver(Run),
    /// Nothing: a wake-up will come.
    Wait,
    /// Do this read, and hand its runs to [`Feed::loaded`].
    Read(Read),
    /// Have the cursor verified by [`super::Anchor::verify`], and hand the result to [`Feed::resume`].
    Verify,
    /// The store vouches for a position and cannot read on from it, again and again: its data is damaged.
    Broken,
}

impl Feed {
    pub(super) fn new(
        watch: Watch,
        generation: Generation,
        cursor: Position,
        bound: Bound,
        newest: Offset,
    ) -> Self {
        watch.watcher().stay(bound.is_open());
        Self {
            watch,
            generation,
            cursor,
            bound,
            newest,
            loaded: VecDeque::new(),
            redactions: 0,
            misreads: 0,
            is_newest: false,
        }
    }

    /// The next thing to do.
    pub fn step(&mut self) -> Step {
        if let Bound::Until(last) = self.bound
            && self.cursor.offset >= last
        {
            return self.ask_again();
        }
        if self.is_loaded() && !self.is_still_there() {
            // It may hold what was redacted or deleted since: read again.
            self.loaded = VecDeque::new();
        }
        if let Some(run) = self.loaded.pop_front() {
            if self.loaded.is_empty() {
                self.loaded = VecDeque::new();
            }
            return self.deliver(run);
        }
        // Nothing has come since the look at the tail that found the newest: there is no need for another.
        if std::mem::take(&mut self.is_newest) && !self.watch.watcher().is_told() {
            return Step::Wait;
        }
        self.watch.watcher().rearm();
        match self.watch.tail().find(self.generation, &self.cursor) {
            Found::Current => Step::Wait,
            Found::Run { .. } if self.is_unheard() => self.read(),
            Found::Run { run, is_newest } => {
                let last = run.last();
                let step = self.deliver(run);
                self.is_newest = is_newest && self.cursor.offset == last;
                step
            }
            Found::Store => self.read(),
            Found::Stale if self.misreads >= MISREADS_MAX => Step::Broken,
            Found::Stale => Step::Verify,
        }
    }

    /// Takes the answer to [`Step::Read`]. What does not follow the cursor is dropped, and the cursor verified anew. Where
    /// there is nothing, the log went back behind what the tail knows of: then the tail asks anew, too.
    pub fn loaded(&mut self, runs: Vec<Run>) {
        if runs.is_empty() {
            self.watch.tail().doubt(self.generation);
        }
        // A room may have begun anew, for other readers, and nothing of it is this reader's yet.
        let is_known = runs.iter().all(|run| Some(run.epoch()) == self.cursor.epoch)
            || self.watch.tail().has_epochs(self.generation, &runs);
        if !is_known {
            self.watch.tail().doubt(self.generation);
        }
        let contiguous = runs.windows(2).all(|pair| pair[0].tip() == pair[1].before());
        match runs.first() {
            Some(first)
                if is_known
                    && contiguous
                    && first.last() > self.cursor.offset
                    && follows(first, &self.cursor) =>
            {
                self.loaded = runs.into();
            }
            _ => {
                self.misreads = self.misreads.saturating_add(1);
                self.generation = Generation::STALE;
            }
        }
    }

    /// Takes the answer to [`Step::Verify`].
    pub(super) fn verified(
        &mut self,
        generation: Generation,
        cursor: Position,
        bound: Bound,
        newest: Offset,
    ) {
        self.loaded = VecDeque::new();
        self.is_newest = false;
        self.generation = generation;
        (self.bound, self.newest) = (bound, newest);
        self.watch.watcher().stay(bound.is_open());
        self.cursor = cursor;
    }

    /// True if it holds runs of a read that are not delivered yet.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        !self.loaded.is_empty()
    }

    /// Which room.
    #[must_use]
    pub fn room(&self) -> &RoomId {
        self.watch.tail().room()
    }

    /// Who reads; none for the host itself.
    #[must_use]
    pub fn reader(&self) -> Option<&Identity> {
        self.watch.watcher().reader()
    }

    /// Everything up to here was taken.
    #[must_use]
    pub fn cursor(&self) -> &Position {
        &self.cursor
    }

    /// The newest offset of the room that this node knows, if that lies beyond the cursor.
    #[must_use]
    pub fn lag(&self) -> Option<Offset> {
        let head = self.watch.tail().head().map_or(Offset::ZERO, |head| head.offset);
        // Most are current: then there is nothing ahead to be looked at.
        let is_behind = head > self.cursor.offset;
        let last = match self.bound {
            Bound::Until(last) => Some(last),
            Bound::Turn(_) if is_behind => match self.ahead() {
                Ahead::Turn(last) => Some(last),
                Ahead::Clear | Ahead::Unknown => None,
            },
            Bound::Turn(_) | Bound::None => None,
        };
        let head = last.map_or(head, |last| head.min(last));
        let is_stale = || self.watch.tail().is_stale(self.generation, &self.cursor);
        (head > self.cursor.offset || is_stale()).then_some(head.max(self.cursor.offset))
    }

    /// True if its reader belongs to those who are there: it may read on as far as this node knows, and nothing that is still to
    /// be delivered may say otherwise.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.bound.is_open() && self.ahead() == Ahead::Clear
    }

    /// Tells those who are in the room of its reader's new profile, if that belongs to them. Everybody reads announcements:
    /// nobody meets there.
    pub(crate) fn introduce(&self, introduction: &Introduction) {
        let is_met_in = !self.room().is_system() || self.room().is_direct();
        if is_met_in && self.is_present() {
            introduction.make_in(self.watch.tail());
        }
    }

    /// What lies between the cursor and the head for its reader.
    fn ahead(&self) -> Ahead {
        match (self.bound, self.watch.watcher().user()) {
            (Bound::Turn(known), Some(user)) => {
                self.watch.tail().ahead(self.generation, &self.cursor, known, user)
            }
            _ => Ahead::Clear,
        }
    }

    /// True if the store had more than this node has heard of since.
    fn is_unheard(&self) -> bool {
        let head = || self.watch.tail().head().map_or(Offset::ZERO, |head| head.offset);
        self.cursor.offset < self.newest && head() < self.newest
    }

    fn read(&mut self) -> Step {
        self.redactions = self.watch.tail().redactions();
        Step::Read(Read {
            room: self.room().clone(),
            from: Direction::After(self.cursor.offset),
            events_max: READ_RUNS * RUN_EVENTS_MAX,
            bytes_max: RUN_BYTES_MAX,
        })
    }

    /// True if what was read of the store is there as it was, as far as this node knows.
    fn is_still_there(&self) -> bool {
        let tail = self.watch.tail();
        self.redactions == tail.redactions() && tail.is_of(self.generation)
    }

    #[inline]
    fn deliver(&mut self, run: Run) -> Step {
        let is_whole = match self.bound {
            Bound::None => true,
            Bound::Until(last) => run.last() <= last,
            Bound::Turn(_) => !run.contents().has(Contents::OF_ROOM),
        };
        if is_whole { self.take(run) } else { self.deliver_allowed(run) }
    }

    fn take(&mut self, run: Run) -> Step {
        self.cursor = run.position();
        self.misreads = 0;
        Step::Deliver(run)
    }

    /// Delivers what may be delivered of a run without asking again.
    #[cold]
    fn deliver_allowed(&mut self, run: Run) -> Step {
        match self.last_allowed(&run) {
            None => self.take(run),
            Some(last) if last <= self.cursor.offset => {
                // What the store tells then covers this turn: it is at least as new as what was read of it.
                self.misreads = self.misreads.saturating_add(1);
                if self.misreads > MISREADS_MAX { Step::Broken } else { self.ask_again() }
            }
            Some(last) => match run.up_to(last) {
                Ok(Some(run)) => self.take(run),
                Ok(None) | Err(_) => Step::Broken,
            },
        }
    }

    /// The newest event of `run` that is delivered without asking again; none if all are.
    fn last_allowed(&self, run: &Run) -> Option<Offset> {
        match self.bound {
            Bound::None => None,
            Bound::Until(last) => (run.last() > last).then_some(last),
            Bound::Turn(_) if sabotage::is(Sabotage::PermitKept) => None,
            Bound::Turn(known) => {
                let user = self.watch.watcher().user()?;
                let known = known.max(self.cursor.offset);
                let turn = run.turns().iter().find(|turn| turn.offset > known && turn.concerns(user))?;
                Some(turn.offset.previous())
            }
        }
    }

    /// Lets go of what was read, and has cursor and permit looked at anew.
    fn ask_again(&mut self) -> Step {
        self.loaded = VecDeque::new();
        Step::Verify
    }
}

/// Full runs that one read of the store asks for. Source: chosen; five runs of 64 events of 128-byte bodies are one
/// read of 64 KiB.
const READ_RUNS: usize = 5;

/// Reads in a row that do not go on from a verified cursor. Source: chosen; each needs the log to change under the reader.
const MISREADS_MAX: u8 = 16;
