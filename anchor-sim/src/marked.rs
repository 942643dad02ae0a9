//! How far users said that they have read, in what was answered and what was not: cursors only rise, never beyond what
//! somebody said or wrote, and what was answered outlives everything but the log itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anchor_core::cursor::Cursors;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::store::RoomState;

use crate::kernel::lock;

/// All that was said of cursors in a run. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Marked(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    places: BTreeMap<(UserId, RoomId), Place>,
    /// How often a log went back.
    restores: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The furthest that was ever asked for.
    asked: Offset,
    /// The furthest that was answered: durable.
    answered: Offset,
}

impl Marked {
    /// A user says to have read up to there.
    pub fn asks(&self, user: &UserId, room: &RoomId, offset: Offset) {
        let mut inner = lock(&self.0);
        let place = inner.places.entry((user.clone(), room.clone())).or_default();
        place.asked = place.asked.max(offset);
    }

    /// To be asked before a store is: how often a log went back.
    #[must_use]
    pub fn restores(&self) -> u64 {
        lock(&self.0).restores
    }

    /// A store said that a user has read up to there, unless a log went back since.
    pub fn answered(&self, user: &UserId, room: &RoomId, offset: Offset, restores: u64) {
        let mut inner = lock(&self.0);
        if inner.restores == restores {
            let place = inner.places.entry((user.clone(), room.clone())).or_default();
            place.answered = place.answered.max(offset);
        }
    }

    /// A log went back, and with it, it may be, what was written of cursors since.
    pub fn restored(&self) {
        let mut inner = lock(&self.0);
        inner.restores += 1;
        inner.places.values_mut().for_each(|place| place.answered = Offset::ZERO);
    }

    /// The users and rooms of which something was said.
    #[must_use]
    pub fn all(&self) -> Vec<(UserId, RoomId)> {
        lock(&self.0).places.keys().cloned().collect()
    }

    /// How far users were told that they have read a room.
    #[must_use]
    pub fn answers(&self, room: &RoomId) -> BTreeMap<UserId, Offset> {
        let inner = lock(&self.0);
        let answers = inner.places.iter().filter(|((_, other), _)| other == room);
        answers.map(|((user, _), place)| (user.clone(), place.answered)).collect()
    }

    /// What is wrong with where a store has somebody who wrote the event at `written` last.
    #[must_use]
    pub fn verdict(
        &self,
        user: &UserId,
        room: &RoomId,
        written: Offset,
        state: &RoomState,
        cursors: Cursors,
    ) -> Option<String> {
        let place = lock(&self.0).places.get(&(user.clone(), room.clone())).copied().unwrap_or_default();
        let (head, trimmed) = (state.head.offset, state.before_horizon.offset);
        let read = cursors.read.offset;
        if read.max(trimmed) < place.answered.min(head) {
            return Some(format!(
                "{user} was told to have read {room} up to {}, and has up to {read}",
                place.answered
            ));
        }
        if read < written {
            return Some(format!("{user} wrote {written} of {room}, and has read up to {read}"));
        }
        // What was trimmed away counts as read by whoever has read something before.
        if read > place.asked.max(written).max(trimmed) || read > head {
            return Some(format!("{user} has read {room} up to {read}, and never said so"));
        }
        (cursors.delivered < read).then(|| format!("{user} has read {read} of {room} and not been given it"))
    }
}

#[cfg(test)]
mod tests;
