//! How far a consumer has come in one room: what it was given, what of that it has done, what of that is durable.
//!
//! Invariant: what is done lies before everything that is given and not done, in the order in which it was given. After a
//! restore an event that was given later may have a lower offset.

use std::collections::VecDeque;

use crate::limits::CONSUMER_PASSED_MAX;
use crate::position::{Offset, Position};
use crate::sabotage::{self, Sabotage};

#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Everything up to here was given or passed over.
    given: Position,
    /// What was given and is not done.
    open: VecDeque<Part>,
    /// Everything up to here is done.
    done: Position,
    /// As it is kept.
    durable: Position,
    /// Something that was given has become done since.
    is_due: bool,
}

/// Something that was given.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Events behind this one are in it, up to its end.
    after: Offset,
    /// Where it ends, which is what its receiver says when it is done.
    key: Position,
    /// Where what was passed over behind it ends.
    end: Position,
}

impl Place {
    /// A place as it was kept.
    pub(super) const fn kept(durable: Position) -> Self {
        Self { given: durable, open: VecDeque::new(), done: durable, durable, is_due: false }
    }

    /// Where the next event is looked for.
    pub(super) const fn given(&self) -> Position {
        self.given
    }

    /// Everything up to here is done.
    pub(super) const fn done(&self) -> Position {
        self.done
    }

    pub(super) const fn durable(&self) -> Position {
        self.durable
    }

    /// Parts that were given and are not done.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Passes over what is of no interest up to `position`.
    pub(super) fn pass(&mut self, position: Position) {
        self.given = position;
        match self.open.back_mut() {
            Some(part) => part.end = position,
            None => self.done = position,
        }
    }

    /// Gives what ends at `position` and begins behind `after`; a gap ends where it begins.
    pub(super) fn give(&mut self, after: Offset, position: Position) {
        self.given = position;
        self.open.push_back(Part { after, key: position, end: position });
        if sabotage::is(Sabotage::ConsumerMovesBeforeDone) {
            (self.done, self.is_due) = (position, true);
        }
    }

    /// What was given up to `position` is done; says how many parts that were. Of two that end there it is the first; a part
    /// within which it lies is begun.
    pub(super) fn finish(&mut self, position: &Position) -> usize {
        if let Some(at) = self.open.iter().position(|part| part.key == *position) {
            if let Some(last) = self.open.drain(..=at).next_back() {
                (self.done, self.is_due) = (last.end, true);
            }
            return at + 1;
        }
        let is_within = |part: &Part| {
            position.epoch == part.key.epoch
                && (part.after.next()..part.key.offset).contains(&position.offset)
        };
        let Some(at) = self.open.iter().position(is_within) else { return 0 };
        self.open.drain(..at);
        self.open[0].after = position.offset;
        (self.done, self.is_due) = (*position, true);
        at
    }

    /// What was told of a log that is gone is done, if that is the next; says how many parts that were.
    pub(super) fn finish_gone(&mut self) -> usize {
        match self.open.front() {
            Some(part) if part.key == Position::START => self.finish(&Position::START),
            _ => 0,
        }
    }

    /// Takes back what was given and is not done: it is given again. Says how many parts that were.
    pub(super) fn take_back(&mut self) -> usize {
        self.given = self.done;
        std::mem::take(&mut self.open).len()
    }

    /// Goes on behind `position`, which the log vouches for, whatever was given by an earlier holder up to there.
    pub(super) fn skip_to(&mut self, position: Position) {
        (self.given, self.done, self.is_due) = (position, position, true);
    }

    /// Events that were given and are not done.
    pub(super) fn undone(&self) -> u64 {
        match self.open.is_empty() {
            true => 0,
            false => self.given.offset.0.saturating_sub(self.done.offset.0),
        }
    }

    /// True if what is done is worth a write now: what was merely passed over is not, as long as it is little.
    pub(super) fn is_due(&self) -> bool {
        let passed = self.done.offset.0.abs_diff(self.durable.offset.0);
        self.is_unkept() && (self.is_due || passed >= CONSUMER_PASSED_MAX)
    }

    /// True if more is done than is kept.
    pub(super) fn is_unkept(&self) -> bool {
        self.done != self.durable
    }

    /// `done` is kept now.
    pub(super) fn kept_at(&mut self, done: Position) {
        self.durable = done;
        self.is_due &= self.done != done;
    }
}
