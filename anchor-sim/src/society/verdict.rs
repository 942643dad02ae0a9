//! What must hold of all that was told, once everything is known.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::conformance::promise::Reader;
use anchor_core::event::Event;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Epoch, Offset};

use super::ledger::Life;
use super::permits::{Club, Range, allows};
use super::{Inner, Society, pair};

impl Society {
    /// The rooms whose ids had other rooms before: of those nothing is left.
    #[must_use]
    pub fn gone(
        &self,
        left: &BTreeMap<RoomId, Vec<Event>>,
        epochs: &BTreeMap<RoomId, Epoch>,
    ) -> Vec<(RoomId, Epoch)> {
        let inner = self.inner();
        let lives =
            inner.ledger.rooms().flat_map(|(room, lives)| lives.iter().map(move |life| (room, life.epoch)));
        let is_gone =
            |(room, epoch): &(&RoomId, Epoch)| !left.contains_key(*room) || epochs.get(*room) != Some(epoch);
        lives.filter(is_gone).map(|(room, epoch)| (room.clone(), epoch)).collect()
    }

    /// Somebody who reads `room` and has not come to where it ends for that user; none if everybody has.
    #[must_use]
    pub fn who_lags(&self, reader: Reader, user: &UserId, room: &RoomId) -> Option<String> {
        let inner = self.inner();
        let life = inner.ledger.newest(room).filter(|life| !life.is_deleted())?;
        let (after, until) = Club::of(life).range(user)?;
        let end = until.unwrap_or(life.head());
        let stands = inner.witness.newest.get(&(reader, room.clone()));
        let is_trimmed = until.is_some_and(|until| until < inner.trims.ever(room).most());
        let is_there = end <= after || is_trimmed || stands == Some(&(life.epoch, end));
        (!is_there).then(|| {
            format!(
                "{user} may read {room} up to {end} of epoch {}, and {reader} stands at {stands:?}",
                life.epoch
            )
        })
    }

    /// What is wrong, as sentences; `left` is what a last full read found in each club, in the epoch of `epochs`.
    #[must_use]
    pub fn verdict(
        &self,
        left: &BTreeMap<RoomId, Vec<Event>>,
        epochs: &BTreeMap<RoomId, Epoch>,
    ) -> Vec<String> {
        let inner = self.inner();
        let mut broken = inner.broken.clone();
        for (room, lives) in inner.ledger.rooms() {
            let is_there = left.contains_key(room);
            let deletions = lives.len() - usize::from(is_there);
            if deletions > 0 && !inner.witness.deletions.contains(room) {
                broken.push(format!("{room} began anew, or is gone, and nobody asked to delete it"));
            }
            if room.is_direct() {
                broken.extend(lives.iter().flat_map(|life| pair::defects(room, life)));
            }
        }
        for (room, events) in left {
            broken.extend(inner.what_is_left(room, epochs[room], events));
        }
        broken.extend(inner.acks_that_do_not_hold(left, epochs));
        broken.extend(inner.told_to_the_wrong());
        broken.extend(inner.said_to_those_who_would_not_hear());
        for (room, log) in left {
            broken.extend(inner.signals_stored(room, log));
            match *room == RoomId::announcements() {
                true => broken.extend(inner.what_was_announced(log)),
                false => broken.extend(inner.what_was_reported(room, left)),
            }
        }
        broken.extend(inner.against_the_host());
        broken.extend(inner.answers_that_were_never_right());
        broken
    }
}

impl Inner {
    /// The last read against the ledger.
    fn what_is_left(&self, room: &RoomId, epoch: Epoch, events: &[Event]) -> Vec<String> {
        let mut broken = Vec::new();
        let Some(life) = self.ledger.life(room, epoch) else { return broken };
        let redacted = self.redacted(room, epoch);
        if life.is_deleted() {
            broken.push(format!("{room} was deleted, and is still there"));
        }
        let horizons = self.trims.ever(room);
        let first = events.first().map_or(life.head().next(), |event| event.offset);
        let last = events.last().map_or(first.previous(), |event| event.offset);
        if first > Offset(1) && !horizons.has(first) {
            broken.push(format!("{room} begins at {first}, and {horizons:?}"));
        }
        if life.head() > last {
            broken.push(format!("{room} ends at {last}, and had {}", life.head()));
        }
        for event in events {
            let Some(known) = life.events.get(&event.offset) else { continue };
            let is_redacted = redacted.contains(&event.offset);
            if is_redacted && event.body.is_some() {
                broken.push(format!("{} of {room} was redacted, and has a body in the end", event.offset));
            }
            let expected = Event { body: known.event.body.clone().filter(|_| !is_redacted), ..event.clone() };
            if !is_redacted && *event != expected {
                broken.push(format!("{} of {room} lost its body, and nobody redacted it", event.offset));
            }
            if known.event.chain != event.chain {
                broken.push(format!("{} of {room} is another event in the end", event.offset));
            }
        }
        broken
    }

    /// Each ack names an event of its room, be that there or deleted since.
    fn acks_that_do_not_hold(
        &self,
        left: &BTreeMap<RoomId, Vec<Event>>,
        epochs: &BTreeMap<RoomId, Epoch>,
    ) -> Vec<String> {
        let stands = |(ack, kind): &&(anchor_core::publish::Ack, anchor_core::event::EventKind)| {
            if epochs.get(&ack.room) != Some(&ack.epoch) {
                // It was deleted since, which is looked at elsewhere.
                return self.witness.deletions.contains(&ack.room);
            }
            let left = left.get(&ack.room).map_or(&[][..], |events| &events[..]);
            let is_kept = left.first().is_some_and(|first| first.offset <= ack.mark.offset);
            let is_trimmed = !is_kept && ack.mark.offset < self.trims.ever(&ack.room).most();
            is_trimmed || left.iter().any(|event| event.mark() == ack.mark && event.kind == *kind)
        };
        let lost = self.witness.acks.iter().filter(|ack| !stands(ack));
        lost.map(|(ack, kind)| {
            format!("a {kind:?} was acked at {} of {}, and does not stand there", ack.mark.offset, ack.room)
        })
        .collect()
    }

    /// Nobody was told an event that, ever since it was there and until it was told, was not for that user's eyes.
    fn told_to_the_wrong(&self) -> Vec<String> {
        let mut ranges: BTreeMap<(&RoomId, Epoch, &UserId), Vec<Option<Range>>> = BTreeMap::new();
        let mut broken = Vec::new();
        for ((room, epoch, user, offset), at) in &self.witness.delivered {
            let Some(life) = self.ledger.life(room, *epoch) else { continue };
            let ranges = ranges.entry((room, *epoch, user)).or_insert_with(|| ranges_of(life, user));
            if !may_have_been_told(life, ranges, *offset, *at) {
                let now = ranges.last().copied().flatten();
                broken.push(format!("{user} was told {offset} of {room} at {at:?}, and may read {now:?}"));
            }
        }
        broken
    }
}

/// What `user` may read after each event of `life` that is known without a hole.
fn ranges_of(life: &Life, user: &UserId) -> Vec<Option<Range>> {
    let mut club = Club::new();
    let ranges = life.prefix().map(|known| {
        club.take(&known.event);
        club.range(user)
    });
    ranges.collect()
}

/// True if at some moment after the event at `offset` was committed and before `at` the user could read it. What was
/// committed unseen may have been so at any time.
fn may_have_been_told(life: &Life, ranges: &[Option<Range>], offset: Offset, at: Duration) -> bool {
    let known = life.prefix().zip(ranges).skip(usize::try_from(offset.previous().0).unwrap_or(usize::MAX));
    let mut since = known.take_while(|(known, _)| known.committed_at.is_none_or(|committed| committed <= at));
    // Behind a hole nothing is known.
    ranges.len() < life.events.len() || since.any(|(_, range)| allows(*range, offset))
}
