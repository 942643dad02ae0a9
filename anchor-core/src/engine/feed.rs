//! A feed: a cursor into one room's log, and what comes after it.
//!
//! Live delivery, catching up and slow readers are this one path: look into the tail; what is not there, read from the
//! store; what the log no longer vouches for, verify anew. A feed holds at most one read of runs, never a queue.

use std::collections::VecDeque;

use super::tail::{Found, Generation, follows};
use super::tails::Watch;
use crate::id::RoomId;
use crate::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use crate::position::{Offset, Position};
use crate::run::Run;
use crate::store::{Direction, Read};

/// A cursor into a room's log that is fed by its tail and its store.
#[derive(Debug)]
pub struct Feed {
    watch: Watch,
    generation: Generation,
    cursor: Position,
    loaded: VecDeque<Run>,
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
    pub(crate) fn new(watch: Watch, generation: Generation, cursor: Position) -> Self {
        Self { watch, generation, cursor, loaded: VecDeque::new(), misreads: 0, is_newest: false }
    }

    /// The next thing to do.
    pub fn step(&mut self) -> Step {
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
            Found::Run { run, is_newest } => {
                self.is_newest = is_newest;
                self.deliver(run)
            }
            Found::Store => Step::Read(Read {
                room: self.room().clone(),
                from: Direction::After(self.cursor.offset),
                events_max: READ_RUNS * RUN_EVENTS_MAX,
                bytes_max: RUN_BYTES_MAX,
            }),
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
        let contiguous = runs.windows(2).all(|pair| pair[0].tip() == pair[1].before());
        match runs.first() {
            Some(first)
                if contiguous && first.last() > self.cursor.offset && follows(first, &self.cursor) =>
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
    pub(crate) fn verified(&mut self, generation: Generation, cursor: Position) {
        self.loaded = VecDeque::new();
        self.is_newest = false;
        self.generation = generation;
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

    /// Everything up to here was taken.
    #[must_use]
    pub fn cursor(&self) -> &Position {
        &self.cursor
    }

    /// The newest offset of the room that this node knows, if that lies beyond the cursor.
    #[must_use]
    pub fn lag(&self) -> Option<Offset> {
        let head = self.watch.tail().head().map_or(Offset::ZERO, |head| head.offset);
        let is_stale = || self.watch.tail().is_stale(self.generation, &self.cursor);
        (head > self.cursor.offset || is_stale()).then_some(head.max(self.cursor.offset))
    }

    fn deliver(&mut self, run: Run) -> Step {
        self.cursor = run.position();
        self.misreads = 0;
        Step::Deliver(run)
    }
}

/// Full runs that one read of the store asks for. Source: chosen; five runs of 64 events of 128-byte bodies are one
/// read of 64 KiB.
const READ_RUNS: usize = 5;

/// Reads in a row that do not go on from a verified cursor. Source: chosen; each needs the log to change under the reader.
const MISREADS_MAX: u8 = 16;
