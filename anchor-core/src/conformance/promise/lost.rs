//! What was lost by name: ranges that a restored backup or a deletion took away.

use std::collections::HashMap;

use super::history::{History, Record};
use crate::id::RoomId;
use crate::position::{Epoch, Offset};
use crate::resume::GapReason;

/// The ranges of every room that a `restored` or `deleted` gap, or a [`Record::Restored`], named.
#[derive(Debug)]
pub(super) struct Lost<'h> {
    history: &'h History,
    /// First and last offset; sorted and disjoint.
    ranges: HashMap<&'h RoomId, Vec<(Offset, Offset)>>,
}

impl<'h> Lost<'h> {
    pub(super) fn of(history: &'h History) -> Self {
        let mut ranges: HashMap<_, Vec<_>> = HashMap::new();
        for record in history.records() {
            let (room, range) = match record {
                Record::Restored { room, fork } => (room, (fork.next(), END)),
                Record::Told { room, gap, .. } if gap.reason == GapReason::Restored => {
                    (room, (gap.from, gap.to))
                }
                Record::Told { room, gap, .. } if gap.reason == GapReason::Deleted => {
                    (room, (Offset::ZERO, END))
                }
                _ => continue,
            };
            ranges.entry(room).or_default().push(range);
        }
        for named in ranges.values_mut() {
            named.sort_unstable();
            named.dedup_by(|later, earlier| {
                let joins = later.0 <= earlier.1;
                if joins {
                    earlier.1 = earlier.1.max(later.1);
                }
                joins
            });
        }
        Self { history, ranges }
    }

    /// True if an event of `epoch` at `offset` may be absent. The epoch that the room is in now has lost nothing.
    pub(super) fn names(&self, room: &RoomId, epoch: Epoch, offset: Offset) -> bool {
        if self.history.log(room).is_some_and(|log| log.epoch == epoch) {
            return false;
        }
        let Some(named) = self.ranges.get(room) else { return false };
        let after = named.partition_point(|(from, _)| *from <= offset);
        after.checked_sub(1).and_then(|last| named.get(last)).is_some_and(|(_, to)| offset <= *to)
    }

    /// True if the room was set back or deleted at all.
    pub(super) fn concerns(&self, room: &RoomId) -> bool {
        self.ranges.contains_key(room)
    }
}

/// Beyond every offset.
const END: Offset = Offset(u64::MAX);
