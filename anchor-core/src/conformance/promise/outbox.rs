//! The outbox keeps what it took: a publish that was queued durably stands in the log in the end, or was answered otherwise.
//!
//! Judged only if the history says that the faults stopped, for until then it may wait: the recorder opens every outbox
//! again and gives it time. An ack is the matter of [`super::durable`]; a publish that nobody can tell of any more
//! ([`Record::Unknown`]) was handed back to a person.

use std::collections::{HashMap, HashSet};

use super::history::{History, Record};
use super::lost::Lost;
use super::violation::{Promise, Violation};

/// Checks every queued publish that has no answer against the final logs.
///
/// Nothing is said of one that was meant for a room which was trimmed or set back: it may have stood in what is gone.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    if history.logs().is_empty() || !history.records().contains(&Record::FaultsStopped) {
        return Vec::new();
    }
    let lost = Lost::of(history);
    let mut answered = HashSet::new();
    let mut rooms = HashMap::new();
    for record in history.records() {
        match record {
            Record::Invoked { publish, room, .. } => {
                rooms.insert(publish, room);
            }
            Record::Acked { publish, .. } | Record::Refused { publish, .. } | Record::Unknown { publish } => {
                answered.insert(publish);
            }
            _ => {}
        }
    }
    let standing: HashSet<_> =
        history.logs().values().flat_map(|log| &log.entries).map(|entry| &entry.publish).collect();
    let mut violations = Vec::new();
    for record in history.records() {
        let Record::Queued { publish } = record else { continue };
        if answered.contains(publish) || standing.contains(publish) {
            continue;
        }
        let room = rooms.get(publish).copied();
        let may_be_gone = |room| lost.concerns(room) || history.log(room).is_some_and(|log| log.before.0 > 0);
        if !room.is_some_and(may_be_gone) {
            let what = format!("{publish} was queued, and neither answered nor delivered");
            let violation = Violation::new(Promise::OutboxKeeps, what);
            violations.push(match room {
                Some(room) => violation.room(room),
                None => violation,
            });
        }
    }
    violations
}
