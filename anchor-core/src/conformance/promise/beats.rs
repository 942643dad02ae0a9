//! A beat never lies: what was acked before its `at` was seen before the beat, in each room that its `lag` leaves out.
//!
//! **Proves**: for each beat, and each room that its reader has open and that its `lag` does not name, that the reader had
//! taken the newest event of the final log that was acked in an earlier millisecond than `at`. An ack counts from the moment
//! its client had it, which is later than the commit; so a beat is never blamed for an event that was on its way. Acks of what
//! was lost by name since, or may have been for a while, do not count.
//!
//! **Cannot** judge a beat about events that nobody was acked for, nor about acks whose clock and the node's disagree: the
//! recorder leaves out beats of nodes whose clock it has moved. It proves nothing of rooms that `lag` names: a node that names
//! all of them always says nothing, which is slow and no lie.

use std::collections::HashMap;

use super::history::{History, Record};
use super::lost::Lost;
use super::replay::{Stream, replay};
use super::violation::{Promise, Violation};
use crate::id::RoomId;
use crate::position::Offset;

/// Checks every beat against the cursors of its reader's open rooms.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let acked = Acked::of(history);
    let mut violations = Vec::new();
    replay(history, |stream, record| {
        let Record::Beat { at_ms, lag, .. } = record else { return };
        let newest = acked.before(stream.room, *at_ms);
        let missing = if newest > stream.cursor() {
            format!("{} seen", stream.cursor())
        } else if holds_another(history, stream, newest) {
            "another event there".to_owned()
        } else {
            return;
        };
        if !lag.contains(stream.room) {
            let what = format!("acked before {at_ms} ms, and a beat of that time came with {missing}");
            let violation = Violation::new(Promise::BeatNeverLies, what);
            violations.push(violation.room(stream.room).reader(stream.reader).offset(newest));
        }
    });
    violations
}

/// True if what the reader took at `offset` is of another history than the log's.
fn holds_another(history: &History, stream: &Stream<'_>, offset: Offset) -> bool {
    let standing = history.log(stream.room).and_then(|log| log.at(offset));
    standing.zip(stream.held_at(offset)).is_some_and(|(standing, held)| standing.epoch != held.epoch)
}

/// For each room when which offset was known to be acked: times and offsets, both rising.
struct Acked<'h>(HashMap<&'h RoomId, Vec<(u64, Offset)>>);

impl<'h> Acked<'h> {
    fn of(history: &'h History) -> Self {
        let lost = Lost::of(history);
        let mut rooms: HashMap<_, Vec<_>> = HashMap::new();
        for record in history.records() {
            if let Record::Acked { ack, at_ms, .. } = record
                && !lost.names(&ack.room, ack.epoch, ack.mark.offset)
                && !lost.may_have_come_back(&ack.room, ack.mark.offset)
            {
                rooms.entry(&ack.room).or_default().push((*at_ms, ack.mark.offset));
            }
        }
        for acks in rooms.values_mut() {
            acks.sort_unstable();
            let mut newest = Offset::ZERO;
            for (_, offset) in acks {
                newest = newest.max(*offset);
                *offset = newest;
            }
        }
        Self(rooms)
    }

    /// The newest offset of `room` acked before `at_ms`.
    fn before(&self, room: &RoomId, at_ms: u64) -> Offset {
        let Some(acks) = self.0.get(room) else { return Offset::ZERO };
        let later = acks.partition_point(|(acked_at_ms, _)| *acked_at_ms < at_ms);
        later.checked_sub(1).map_or(Offset::ZERO, |last| acks[last].1)
    }
}
