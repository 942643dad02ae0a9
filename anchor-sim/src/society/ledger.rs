//! What is true: every event of every club, as stores gave it away.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::event::Event;
use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Offset};
use anchor_core::run::Run;

/// Every club that ever was.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The rooms of one id, one after another.
    lives: BTreeMap<RoomId, Vec<Life>>,
}

/// A room from its beginning to its deletion.
#[derive(Clone, Debug)]
pub struct Life {
    pub(super) epoch: Epoch,
    pub(super) events: BTreeMap<Offset, Known>,
    /// When it was deleted, if it was.
    pub(super) deleted_at: Option<Duration>,
}

/// An event.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// With the body that it had when it was first seen.
    pub(super) event: Event,
    /// When its commit was told; none if its server ended before it told anybody.
    pub(super) committed_at: Option<Duration>,
}

impl Ledger {
    /// Takes what a store gave away: told as a commit, or read.
    pub(super) fn take(&mut self, run: &Run, committed_at: Option<Duration>) {
        let lives = self.lives.entry(run.room().clone()).or_default();
        let at = lives.iter().position(|life| life.epoch == run.epoch()).unwrap_or_else(|| {
            lives.push(Life { epoch: run.epoch(), events: BTreeMap::new(), deleted_at: None });
            lives.len() - 1
        });
        for event in run.events() {
            let event = event.expect("what a store gives is an event");
            let known = lives[at].events.entry(event.offset);
            let known = known.or_insert_with(|| Known { event: event.clone(), committed_at: None });
            known.committed_at = known.committed_at.or(committed_at);
            if known.event.body.is_none() {
                known.event.body = event.body;
            }
        }
    }

    /// Adds an event to the newest room of that id, whatever a store would say to it.
    #[cfg(test)]
    pub(super) fn write(&mut self, room: &RoomId, event: Event, committed_at: Duration) {
        let lives = self.lives.entry(room.clone()).or_default();
        if lives.is_empty() {
            let epoch = Epoch::from_bytes([1; 8]);
            lives.push(Life { epoch, events: BTreeMap::new(), deleted_at: None });
        }
        lives[0].events.insert(event.offset, Known { event, committed_at: Some(committed_at) });
    }

    /// The newest room of that id is no more.
    pub(super) fn delete(&mut self, room: &RoomId, at: Duration) {
        if let Some(life) = self.lives.get_mut(room).and_then(|lives| lives.last_mut()) {
            life.deleted_at.get_or_insert(at);
        }
    }

    pub(super) fn newest(&self, room: &RoomId) -> Option<&Life> {
        self.lives.get(room)?.last()
    }

    pub(super) fn life(&self, room: &RoomId, epoch: Epoch) -> Option<&Life> {
        self.lives.get(room)?.iter().find(|life| life.epoch == epoch)
    }

    /// All rooms of that id, one after another.
    pub(super) fn lives(&self, room: &RoomId) -> &[Life] {
        self.lives.get(room).map_or(&[], |lives| &lives[..])
    }

    /// The events of the newest room of that id, to be spoilt.
    #[cfg(test)]
    pub(super) fn events_of(&mut self, room: &RoomId) -> &mut BTreeMap<Offset, Known> {
        &mut self.lives.get_mut(room).and_then(|lives| lives.last_mut()).expect("it is there").events
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = (&RoomId, &[Life])> {
        self.lives.iter().map(|(room, lives)| (room, &lives[..]))
    }
}

impl Life {
    /// In which history it was written.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest event that anybody has seen.
    #[must_use]
    pub fn head(&self) -> Offset {
        self.events.keys().next_back().copied().unwrap_or_default()
    }

    /// What is known of it, in order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.values().map(|known| &known.event)
    }

    /// True once somebody deleted it.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }

    /// True if what held after some event, as `holds` says when it is shown one after another, may have held at some moment of
    /// `time`: an event that nobody was told of stood at any time between those around it.
    pub(super) fn may_have_held(
        &self,
        (from, until): (Duration, Duration),
        mut holds: impl FnMut(&Event) -> bool,
    ) -> bool {
        let known: Vec<_> = self.prefix().collect();
        let mut ends_at = Duration::MAX;
        let mut ends: Vec<_> = known
            .iter()
            .rev()
            .map(|known| {
                let end = ends_at;
                ends_at = known.committed_at.unwrap_or(ends_at);
                end
            })
            .collect();
        ends.reverse();
        let mut since = Duration::ZERO;
        let mut may = false;
        for (known, ends_at) in known.iter().zip(ends) {
            since = known.committed_at.unwrap_or(since);
            may |= holds(&known.event) && since <= until && ends_at >= from;
        }
        // Behind a hole nothing is known.
        may || known.len() < self.events.len()
    }

    /// The events from the first on, as long as none is unknown.
    pub(super) fn prefix(&self) -> impl Iterator<Item = &Known> {
        self.events
            .iter()
            .zip(1..)
            .take_while(|((offset, _), place)| offset.0 == *place)
            .map(|((_, known), _)| known)
    }
}
