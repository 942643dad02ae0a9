//! What is known of events that retention took away since: readers took them, and clients have their acks.

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, HashMap};

use super::history::{Entry, History, Log, Reader};
use super::lost::Lost;
use super::replay::replay;
use crate::id::RoomId;
use crate::position::Offset;

/// Events below the horizon of the final logs, as readers hold them; without what was lost by name.
#[derive(Debug, Default)]
pub(super) struct Trimmed<'h> {
    rooms: HashMap<&'h RoomId, BTreeMap<Offset, Taken<'h>>>,
    /// Events that another reader holds otherwise, in another epoch: with that reader's.
    pub(super) conflicts: Vec<(Taken<'h>, Taken<'h>)>,
}

/// An event that a reader took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'h> {
    pub(super) reader: Reader,
    pub(super) room: &'h RoomId,
    pub(super) entry: &'h Entry,
}

impl<'h> Trimmed<'h> {
    pub(super) fn of(history: &'h History, lost: &Lost<'h>) -> Self {
        let mut trimmed = Self::default();
        let is_trimmed = |log: &Log| log.before > Offset::ZERO;
        if !history.logs().values().any(is_trimmed) {
            return trimmed;
        }
        for stream in replay(history, |_, _| {}) {
            let Some(log) = history.log(stream.room) else { continue };
            let held = stream.held.iter().take_while(|entry| entry.offset <= log.before);
            let room = trimmed.rooms.entry(stream.room).or_default();
            for entry in held.filter(|entry| !lost.names(stream.room, entry.epoch, entry.offset)) {
                let taken = Taken { reader: stream.reader, room: stream.room, entry };
                match room.entry(entry.offset) {
                    Place::Vacant(place) => {
                        place.insert(taken);
                    }
                    Place::Occupied(place) if place.get().entry.epoch != entry.epoch => {
                        trimmed.conflicts.push((taken, *place.get()));
                    }
                    Place::Occupied(_) => {}
                }
            }
        }
        trimmed
    }

    /// What stood at `offset` of `room`, as far as it is known.
    pub(super) fn at(&self, room: &RoomId, offset: Offset) -> Option<&'h Entry> {
        self.rooms.get(room)?.get(&offset).map(|taken| taken.entry)
    }

    /// What is known to have stood in `room`, by rising offset.
    pub(super) fn of_room(&self, room: &RoomId) -> impl Iterator<Item = &'h Entry> {
        self.rooms.get(room).into_iter().flat_map(BTreeMap::values).map(|taken| taken.entry)
    }
}
