//! What somebody was told of clubs, and what was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anchor_core::conformance::promise::Reader;
use anchor_core::event::{Event, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Epoch, Offset, Position};
use anchor_core::publish::Ack;
use anchor_core::resume::{Gap, GapReason};
use anchor_core::session::frame::{Events, Page};

use super::{Life, Society, is_watched};

/// Everything that was told.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// Each event once for each user, as early as it was taken.
    pub(super) delivered: BTreeMap<(RoomId, Epoch, UserId, Offset), Duration>,
    pub(super) acks: Vec<(Ack, EventKind)>,
    /// Where each reader stands.
    pub(super) newest: BTreeMap<(Reader, RoomId), (Epoch, Offset)>,
    /// Bodies that nobody may see, and since when.
    redacted: BTreeMap<(RoomId, Epoch, Offset), Duration>,
    /// Rooms that somebody asked to delete.
    pub(super) deletions: BTreeSet<RoomId>,
}

impl Society {
    /// A user takes events that were asked for at `asked_at`.
    pub fn delivered(&self, user: &UserId, reader: Reader, asked_at: Duration, events: &Events) {
        let now = self.0.kernel.now();
        let mut inner = self.inner();
        for event in &events.events {
            inner.take(user, asked_at, now, (&events.room, events.epoch), event);
        }
        if let Some(last) = events.events.last() {
            inner.witness.newest.insert((reader, events.room.clone()), (events.epoch, last.offset));
        }
    }

    /// A user gets a page that was asked for at `asked_at`.
    pub fn paged(&self, user: &UserId, asked_at: Duration, page: &Page) {
        let Some(epoch) = page.epoch else { return };
        let now = self.0.kernel.now();
        let mut inner = self.inner();
        for event in &page.events {
            inner.take(user, asked_at, now, (&page.room, epoch), event);
        }
    }

    /// A reader is told of a gap, and stands behind it.
    pub fn skips(&self, reader: Reader, room: &RoomId, gap: &Gap) {
        if let Some(Position { epoch: Some(epoch), offset, .. }) = gap.position {
            self.inner().witness.newest.insert((reader, room.clone()), (epoch, offset));
        }
        self.told(room, gap.reason);
    }

    /// Somebody is told why there is a gap.
    pub fn told(&self, room: &RoomId, reason: GapReason) {
        let mut inner = self.inner();
        if reason == GapReason::Trimmed && inner.trims.ever(room).most() == Offset::ZERO {
            inner.broken.push(format!("{room} is said to be trimmed, and nobody asked for that"));
        }
        if reason == GapReason::Deleted && !inner.witness.deletions.contains(room) {
            inner.broken.push(format!("{room} is said to be deleted, and nobody asked for that"));
        }
    }

    /// Somebody asks that a room be deleted.
    pub fn asks_to_delete(&self, room: &RoomId) {
        self.inner().witness.deletions.insert(room.clone());
    }

    /// A publish to a club is acked.
    pub fn acked(&self, ack: &Ack, kind: EventKind) {
        let now = self.0.kernel.now();
        let mut inner = self.inner();
        if kind == EventKind::REDACTION {
            let gone = inner.gone_with(&ack.room, ack.epoch, ack.mark.offset);
            for offset in gone {
                let place = (ack.room.clone(), ack.epoch, offset);
                inner.witness.redacted.entry(place).or_insert(now);
            }
        }
        inner.witness.acks.push((ack.clone(), kind));
    }

    /// True if a change of the room was acked behind all that anybody has seen of it: the one that deleted it, by a server that
    /// then lost its power and gave nothing of it away any more.
    pub(super) fn has_ended_unseen(&self, room: &RoomId, life: &Life) -> bool {
        let inner = self.inner();
        let is_behind =
            |ack: &Ack| ack.room == *room && ack.epoch == life.epoch() && ack.mark.offset > life.head();
        inner.witness.acks.iter().any(|(ack, kind)| *kind == EventKind::ROOM && is_behind(ack))
    }

    /// A store was asked at `asked_at`, and gives `offset` with its body.
    pub(super) fn read(&self, room: &RoomId, epoch: Epoch, offset: Offset, asked_at: Duration) {
        let mut inner = self.inner();
        if inner.witness.was_redacted(room, epoch, offset, asked_at) {
            let what = format!("the body of {offset} of {room} could be read");
            inner.broken.push(format!("{what} after its redaction was acked"));
        }
    }
}

impl Witness {
    /// True if somebody was told before `at` that what the event at `offset` said is gone.
    pub(super) fn was_redacted(&self, room: &RoomId, epoch: Epoch, offset: Offset, at: Duration) -> bool {
        let place = (room.clone(), epoch, offset);
        self.redacted.get(&place).is_some_and(|since| *since < at)
    }
}

impl super::Inner {
    /// A user has an event, at `now`.
    fn take(
        &mut self,
        user: &UserId,
        asked_at: Duration,
        now: Duration,
        (room, epoch): (&RoomId, Epoch),
        event: &Event,
    ) {
        if event.body.is_some() && self.witness.was_redacted(room, epoch, event.offset, asked_at) {
            let what = format!("{user} was told the body of {} of {room} anew", event.offset);
            self.broken.push(format!("{what}, after its redaction was acked"));
        }
        let place = (room.clone(), epoch, user.clone(), event.offset);
        self.witness.delivered.entry(place).or_insert(now);
    }

    /// What loses its body with the redaction at `offset`: its target, and the edits of that.
    fn gone_with(&self, room: &RoomId, epoch: Epoch, offset: Offset) -> Vec<Offset> {
        debug_assert!(is_watched(room));
        let Some(life) = self.ledger.life(room, epoch) else { return Vec::new() };
        let Some(target) = life.events.get(&offset).and_then(|known| known.event.target) else {
            return Vec::new();
        };
        let is_edit = |event: &&Event| {
            event.kind == EventKind::EDIT && event.target == Some(target) && event.offset < offset
        };
        std::iter::once(target).chain(life.events().filter(is_edit).map(|event| event.offset)).collect()
    }

    /// Every body of a room that must be gone by now.
    pub(super) fn redacted(&self, room: &RoomId, epoch: Epoch) -> BTreeSet<Offset> {
        let Some(life) = self.ledger.life(room, epoch) else { return BTreeSet::new() };
        let redactions = life.events().filter(|event| event.kind == EventKind::REDACTION);
        redactions.flat_map(|event| self.gone_with(room, epoch, event.offset)).collect()
    }
}
