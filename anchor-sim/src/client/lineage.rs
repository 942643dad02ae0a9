//! What an application knows of itself beside the client library's state: how far it has counted, and what it saved.

use std::collections::BTreeMap;

use anchor_core::conformance::promise::Mark;
use anchor_core::id::{RoomId, Seq};
use anchor_core::position::{Offset, Position};

/// One line of an application's life, through its restarts.
#[derive(Clone, Debug)]
pub struct Lineage {
    authors: Vec<u64>,
    /// Publishes called for so far, by all authors of this line.
    called: u64,
    /// False while another copy may be publishing under the same id: then nobody promises an order.
    is_ordered: bool,
    cursors: BTreeMap<RoomId, Cursor>,
    /// The newest announcement that was heard.
    announced: Option<Offset>,
}

/// A cursor that was given to the client library to keep.
#[derive(Clone, Debug, Default)]
struct Cursor {
    /// The newest that it said to keep.
    kept: Option<Position>,
    /// Given since, without an answer.
    given: Vec<Position>,
}

impl Lineage {
    /// A life that begins.
    #[must_use]
    pub fn new(author: u64) -> Self {
        Self { authors: vec![author], called: 0, is_ordered: true, cursors: BTreeMap::new(), announced: None }
    }

    /// A name for the next publish; `author` makes a new author.
    pub(super) fn name(&mut self, author: impl FnOnce() -> u64) -> Mark {
        self.called += 1;
        if !self.is_ordered {
            self.authors.push(author());
        }
        let author = self.authors.last().copied().unwrap_or_default();
        Mark { author, number: Seq::new(self.called).unwrap_or(Seq::FIRST) }
    }

    /// True as long as nobody else may be publishing under the same id.
    pub(super) const fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// Publishes left to call for, of `all`.
    pub(super) const fn left(&self, all: u64) -> u64 {
        all.saturating_sub(self.called)
    }

    /// Publishes called for.
    pub(super) const fn next(&self) -> u64 {
        self.called
    }

    /// Everybody who published in this line.
    pub(super) fn authors(&self) -> &[u64] {
        &self.authors
    }

    /// A copy begins to live beside the original: each publish is a line of its own, for both of them.
    pub(super) const fn fork(&mut self) {
        self.is_ordered = false;
    }

    /// The state was set back: another line begins, `called` publishes after the beginning.
    pub(super) fn branch(&mut self, author: u64, called: u64) {
        self.authors.push(author);
        self.called = called;
    }

    /// The process ended and its state with it.
    pub(super) fn renew(&mut self, author: u64) {
        self.authors.push(author);
        self.cursors.clear();
        self.announced = None;
    }

    /// An announcement is heard; the newest before.
    pub(super) const fn hear(&mut self, offset: Offset) -> Option<Offset> {
        self.announced.replace(offset)
    }

    /// A cursor is given to the library to keep.
    pub(super) fn give(&mut self, room: &RoomId, position: Position) {
        self.cursors.entry(room.clone()).or_default().given.push(position);
    }

    /// The library said that it keeps it.
    pub(super) fn kept(&mut self, room: &RoomId, position: Position) {
        let cursor = self.cursors.entry(room.clone()).or_default();
        let upto = cursor.given.iter().rposition(|given| *given == position).map_or(0, |at| at + 1);
        cursor.given.drain(..upto);
        cursor.kept = Some(position);
    }

    /// The library was asked what it keeps; what is wrong with the answer.
    pub(super) fn found(&mut self, room: &RoomId, found: Option<Position>) -> Result<(), String> {
        let cursor = self.cursors.entry(room.clone()).or_default();
        let is_right = found == cursor.kept || found.is_some_and(|found| cursor.given.contains(&found));
        let wrong = format!("the cursor kept for {room} is {found:?}, and {cursor:?} was given to keep");
        *cursor = Cursor { kept: found, given: Vec::new() };
        if is_right { Ok(()) } else { Err(wrong) }
    }
}
