//! The subscriptions of a session, found by slot and by room. Few of them take little memory: most sessions have one.
//!
//! Invariant: every subscription stands under one slot and under its room, and slots are never used twice.

use std::collections::HashMap;

use super::rooms::Subscription;
use crate::engine::Slot;
use crate::id::RoomId;

/// All subscriptions of a session.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    next_slot: u64,
    /// In the order of slots.
    by_slot: Vec<(Slot, Box<Subscription>)>,
    /// Once there are more than are looked through.
    #[expect(clippy::box_collection, reason = "most sessions have none, and pay for its pointer alone")]
    by_room: Option<Box<HashMap<RoomId, Slot>>>,
}

impl Subscriptions {
    /// Adds a subscription of a room that has none, under a slot of its own.
    pub(super) fn insert(&mut self, subscription: Subscription) -> Slot {
        let slot = Slot(self.next_slot);
        self.next_slot += 1;
        if let Some(by_room) = &mut self.by_room {
            by_room.insert(subscription.room.clone(), slot);
        }
        if self.by_slot.is_empty() {
            self.by_slot.reserve_exact(1);
        }
        self.by_slot.push((slot, Box::new(subscription)));
        if self.by_room.is_none() && self.by_slot.len() > LOOKED_THROUGH_MAX {
            let by_room = self.by_slot.iter().map(|(slot, subscription)| (subscription.room.clone(), *slot));
            self.by_room = Some(Box::new(by_room.collect()));
        }
        slot
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Box<Subscription>> {
        let (_, subscription) = self.by_slot.remove(self.place(slot)?);
        if let Some(by_room) = &mut self.by_room {
            by_room.remove(&subscription.room);
        }
        if self.by_slot.is_empty() {
            self.by_slot = Vec::new();
            self.by_room = None;
        }
        Some(subscription)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Subscription> {
        self.place(slot).map(|at| &*self.by_slot[at].1)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Subscription> {
        self.place(slot).map(|at| &mut *self.by_slot[at].1)
    }

    /// The slot of the subscription of `room`.
    pub(super) fn slot_of(&self, room: &RoomId) -> Option<Slot> {
        match &self.by_room {
            Some(by_room) => by_room.get(room).copied(),
            None => self.iter().find(|(_, subscription)| subscription.room == *room).map(|(slot, _)| slot),
        }
    }

    /// All, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Subscription)> {
        self.by_slot.iter().map(|(slot, subscription)| (*slot, &**subscription))
    }

    pub(super) fn len(&self) -> usize {
        self.by_slot.len()
    }

    fn place(&self, slot: Slot) -> Option<usize> {
        self.by_slot.binary_search_by_key(&slot, |(slot, _)| *slot).ok()
    }
}

/// Subscriptions among which a room is found by looking at each. Source: chosen; as fast as a map of them.
const LOOKED_THROUGH_MAX: usize = 8;

#[cfg(test)]
mod tests;
