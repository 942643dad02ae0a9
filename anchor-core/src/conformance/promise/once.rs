//! Exactly once: no publish stands twice in the logs, a refused one never, and no reader takes an event twice.
//!
//! A publish without an answer may stand once or not at all: "unknown" is never read as "absent".

use std::collections::{HashMap, HashSet};

use super::history::{History, Record};
use super::replay::replay;
use super::violation::{Promise, Violation};
use crate::code::Code;

/// Checks the logs for repeats and refused publishes, and each reader for events that it took twice.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_logs(history, &mut violations);
    replay(history, |stream, record| {
        let Record::Seen { entry, .. } = record else { return };
        if stream.held_at(entry.offset).is_some_and(|held| held.chain == entry.chain) {
            let violation = Violation::new(Promise::ExactlyOnce, format!("{} was seen twice", entry.publish));
            violations.push(violation.room(stream.room).reader(stream.reader).offset(entry.offset));
        }
    });
    violations
}

fn check_logs(history: &History, violations: &mut Vec<Violation>) {
    let refused: HashSet<_> = history
        .records()
        .iter()
        .filter_map(|record| match record {
            Record::Refused { publish, code } if *code != Code::SeqForgotten => Some(publish),
            _ => None,
        })
        .collect();
    let mut places = HashMap::new();
    for (room, log) in history.logs() {
        for entry in &log.entries {
            let publish = &entry.publish;
            let mut broken = |what: String| {
                let violation = Violation::new(Promise::ExactlyOnce, what);
                violations.push(violation.room(room).offset(entry.offset));
            };
            if let Some((room, offset)) = places.insert((publish.client, publish.seq), (room, entry.offset)) {
                broken(format!("{publish} stands in {room} at {offset} already"));
            }
            if refused.contains(publish) {
                broken(format!("{publish} was refused, and stands in the log"));
            }
        }
    }
}
