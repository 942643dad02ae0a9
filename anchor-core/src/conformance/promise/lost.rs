//! What was lost by name: ranges that a restored backup or a deletion took away.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::history::{History, Record};
use crate::id::RoomId;
use crate::position::{Epoch, Offset};
use crate::resume::GapReason;

/// The ranges of every room that a [`Record::Restored`], or a `restored` or `deleted` gap, named.
///
/// An epoch that the log is in now has lost nothing. Of an older one whose events stand in the log, from its first to its
/// last, only what lay behind the last can be lost, by a restore to a point behind the first: whatever was restored to a
/// point before that was restored before the epoch began.
#[derive(Debug)]
pub(super) struct Lost<'h> {
    history: &'h History,
    /// By the recorder, or by the deletion of the room.
    noted: HashMap<&'h RoomId, Ranges>,
    /// Offsets that a restore took away and a later one, of a newer backup, may have brought back: behind the first of a
    /// pair, up to the second.
    back: HashMap<&'h RoomId, Vec<(Offset, Offset)>>,
    /// By the server.
    told: HashMap<&'h RoomId, Ranges>,
    /// Epochs of rooms that were deleted.
    deleted: HashSet<(&'h RoomId, Epoch)>,
    /// The first and the last event of an epoch that stand in the log.
    standing: HashMap<(&'h RoomId, Epoch), (Offset, Offset)>,
}

/// The last offset of the longest range that begins at an offset.
type Ranges = BTreeMap<Offset, Offset>;

impl<'h> Lost<'h> {
    pub(super) fn of(history: &'h History) -> Self {
        let mut lost = Self {
            history,
            noted: HashMap::new(),
            back: HashMap::new(),
            told: HashMap::new(),
            deleted: HashSet::new(),
            standing: HashMap::new(),
        };
        let mut lowest: HashMap<_, Offset> = HashMap::new();
        for record in history.records() {
            if let Record::Restored { room, fork } = record {
                let lowest = lowest.entry(room).or_insert(*fork);
                if fork > lowest {
                    lost.back.entry(room).or_default().push((*lowest, *fork));
                }
                *lowest = *fork.min(lowest);
            }
            if let Record::Deleted { room, epoch } = record {
                lost.deleted.insert((room, *epoch));
            }
            let (ranges, room, from, to) = match record {
                Record::Restored { room, fork } => (&mut lost.noted, room, fork.next(), END),
                Record::Told { room, gap, .. } => match gap.reason {
                    GapReason::Restored => (&mut lost.told, room, gap.from, gap.to),
                    GapReason::Deleted => (&mut lost.noted, room, Offset::ZERO, END),
                    GapReason::Trimmed | GapReason::Hidden | GapReason::History | GapReason::Skipped => {
                        continue;
                    }
                },
                _ => continue,
            };
            let longest = ranges.entry(room).or_default().entry(from).or_insert(to);
            *longest = to.max(*longest);
        }
        for (room, log) in history.logs() {
            for entry in &log.entries {
                let (first, last) =
                    lost.standing.entry((room, entry.epoch)).or_insert((entry.offset, entry.offset));
                (*first, *last) = (entry.offset.min(*first), entry.offset.max(*last));
            }
        }
        lost
    }

    /// True if an event of `epoch` at `offset` may be absent, by the word of whoever restored or deleted.
    pub(super) fn notes(&self, room: &RoomId, epoch: Epoch, offset: Offset) -> bool {
        self.deleted.contains(&(room, epoch)) || self.covers(&self.noted, room, epoch, offset)
    }

    /// True if an event of `epoch` at `offset` may be absent, by the word of the recorder or of the server.
    pub(super) fn names(&self, room: &RoomId, epoch: Epoch, offset: Offset) -> bool {
        self.notes(room, epoch, offset) || self.covers(&self.told, room, epoch, offset)
    }

    /// True if an event at `offset` that stands in the log may have been lost for a while.
    pub(super) fn may_have_come_back(&self, room: &RoomId, offset: Offset) -> bool {
        let pairs = self.back.get(room).into_iter().flatten();
        pairs.into_iter().any(|(lowest, fork)| *lowest < offset && offset <= *fork)
    }

    /// True if the room was set back or deleted at all.
    pub(super) fn concerns(&self, room: &RoomId) -> bool {
        let is_deleted = || self.deleted.iter().any(|(deleted, _)| *deleted == room);
        self.noted.contains_key(room) || self.told.contains_key(room) || is_deleted()
    }

    fn covers(
        &self,
        ranges: &HashMap<&'h RoomId, Ranges>,
        room: &RoomId,
        epoch: Epoch,
        offset: Offset,
    ) -> bool {
        let Some(ranges) = ranges.get(room) else { return false };
        if self.history.log(room).is_some_and(|log| log.epoch == epoch) {
            return false;
        }
        let from = match self.standing.get(&(room, epoch)) {
            None => Offset::ZERO,
            Some((first, last)) if offset > *last => first.next(),
            Some(_) => return false,
        };
        ranges.range(from..=offset).any(|(_, to)| offset <= *to)
    }
}

/// Beyond every offset.
const END: Offset = Offset(u64::MAX);
