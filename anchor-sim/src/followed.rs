//! What a durable consumer was given, over all its openings, and what must hold of it: nothing skipped, nothing out of order,
//! and in the end everything that stands in the logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use anchor_core::event::Event;
use anchor_core::id::RoomId;
use anchor_core::position::{Chain, Epoch, Offset};
use anchor_core::resume::{Gap, GapReason};

use crate::kernel::lock;

/// All that the consumer of a run was given. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Followed(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    rooms: BTreeMap<RoomId, Room>,
    openings: u64,
    broken: Vec<String>,
}

#[derive(Debug, Default)]
struct Room {
    /// Every event that was given, by the history that it was written in: it is the same one each time.
    seen: BTreeMap<(Epoch, Offset), Chain>,
    /// Everything up to here was done by some opening, or was told to be gone.
    done: Offset,
    /// How far each opening was given it.
    given: BTreeMap<Opening, Offset>,
}

/// The consumer from one opening to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening(u64);

impl Followed {
    /// The consumer is opened.
    #[must_use]
    pub fn opened(&self) -> Opening {
        let mut inner = lock(&self.0);
        inner.openings += 1;
        Opening(inner.openings)
    }

    /// It is given contiguous events of a room.
    pub fn given(&self, opening: Opening, room: &RoomId, epoch: Epoch, events: &[Event]) {
        let mut inner = lock(&self.0);
        let Inner { rooms, broken, .. } = &mut *inner;
        let state = rooms.entry(room.clone()).or_default();
        for event in events {
            let offset = event.offset;
            match state.given.insert(opening, offset) {
                Some(before) if before.next() != offset => {
                    broken.push(format!("the consumer was given {offset} of {room} behind {before}"));
                }
                None if offset > state.done.next() => {
                    let done = state.done;
                    broken.push(format!("the consumer begins with {offset} of {room}, and has done {done}"));
                }
                _ => {}
            }
            if state.seen.insert((epoch, offset), event.chain).is_some_and(|chain| chain != event.chain) {
                broken.push(format!("the consumer was given another event {offset} of {room}"));
            }
        }
    }

    /// It is told that events are gone.
    pub fn told(&self, opening: Opening, room: &RoomId, gap: &Gap) {
        let mut inner = lock(&self.0);
        let state = inner.rooms.entry(room.clone()).or_default();
        let position = gap.position.map_or(Offset::ZERO, |position| position.offset);
        state.given.insert(opening, position);
        match gap.reason {
            GapReason::Trimmed => state.done = state.done.max(position),
            _ => state.done = state.done.min(position),
        }
    }

    /// What it was given up to there is done.
    pub fn done(&self, room: &RoomId, offset: Offset) {
        let mut inner = lock(&self.0);
        let state = inner.rooms.entry(room.clone()).or_default();
        state.done = state.done.max(offset);
    }

    /// The log went back to `fork`, and with it, it may be, where the consumer stands.
    pub fn restored(&self, room: &RoomId, fork: Offset) {
        let mut inner = lock(&self.0);
        let state = inner.rooms.entry(room.clone()).or_default();
        state.done = state.done.min(fork);
        // Whoever has it open may begin anew from there.
        state.given.clear();
    }

    /// True if it was given that event.
    #[must_use]
    pub fn has(&self, room: &RoomId, epoch: Epoch, offset: Offset) -> bool {
        lock(&self.0).rooms.get(room).is_some_and(|room| room.seen.contains_key(&(epoch, offset)))
    }

    /// What is wrong, as sentences; `left` is what stands in the logs in the end.
    #[must_use]
    pub fn verdict(&self, left: &BTreeMap<RoomId, Vec<(Epoch, Event)>>) -> Vec<String> {
        let inner = lock(&self.0);
        let mut broken = inner.broken.clone();
        for (room, events) in left {
            let seen = inner.rooms.get(room).map(|room| &room.seen);
            let missing: BTreeSet<_> = events
                .iter()
                .filter(|(epoch, event)| {
                    seen.and_then(|seen| seen.get(&(*epoch, event.offset))) != Some(&event.chain)
                })
                .map(|(_, event)| event.offset)
                .collect();
            if let (Some(first), count) = (missing.first(), missing.len()) {
                broken.push(format!(
                    "the consumer was never given {count} events of {room}, the first {first}"
                ));
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests;
