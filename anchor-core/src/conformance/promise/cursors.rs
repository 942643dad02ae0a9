//! Cursors never go back except by a gap: neither on resuming, nor by an event, nor by a gap that only goes forward.
//!
//! **Proves**, from a reader's own records alone: each subscription goes on at the reader's cursor or behind it, each event
//! moves the cursor forward, and so does each gap of trimmed events. A gap `restored` or `history` may set it back; whether
//! rightly is the matter of [`super::gaps`]. An event that a reader still holds and takes again is a repeat, and the matter of
//! [`super::once`].
//!
//! **Cannot** see a cursor that is stored and not used again, nor one that was set elsewhere under the name of another reader.

use super::history::{History, Record};
use super::replay::replay;
use super::violation::{Promise, Violation};
use crate::resume::GapReason;

/// Checks each reader's way through its rooms.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    replay(history, |stream, record| {
        let (offset, how) = match record {
            Record::Opened { position, .. } => (position.offset, "went on from there"),
            Record::Seen { entry, .. } => match stream.held_at(entry.offset) {
                Some(held) if held.chain == entry.chain => return,
                // An event moves the cursor to its own offset: at the cursor or below, it does not move forward.
                _ => (entry.offset.previous(), "saw the event after it"),
            },
            Record::Told { gap, .. } if gap.reason == GapReason::Trimmed => match gap.position {
                Some(position) => (position.offset, "was sent there by a gap of trimmed events"),
                None => return,
            },
            _ => return,
        };
        if offset < stream.cursor() {
            let what = format!("its cursor stood at {}, and it {how}", stream.cursor());
            let violation = Violation::new(Promise::CursorsNeverGoBack, what);
            violations.push(violation.room(stream.room).reader(stream.reader).offset(offset));
        }
    });
    violations
}
