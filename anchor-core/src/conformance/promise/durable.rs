//! Acked is durable: the event of every ack stands in the final log, where and as the ack said.
//!
//! Excused are what retention trimmed, what a `restored` gap (or the recorder's own note of a restore) names, and what
//! an ack's `durability` does not promise to survive. Those are exempt wherever in the history the crash stands, since
//! the records of different clients need not stand in the order of time.

use std::collections::HashMap;

use super::history::{Crash, History, Record};
use super::lost::Lost;
use super::violation::{Promise, Violation};
use crate::publish::Durability;

/// Checks every ack against the final read of its room.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let lost = Lost::of(history);
    let mut survives = Durability::Memory;
    let mut invoked = HashMap::new();
    for record in history.records() {
        match record {
            Record::Crashed(Crash::Process) => survives = survives.max(Durability::Disk),
            Record::Crashed(Crash::Node) => survives = Durability::Replicated,
            Record::Invoked { publish, room, body } => {
                invoked.insert(publish, (room, body));
            }
            _ => {}
        }
    }
    let mut violations = Vec::new();
    for record in history.records() {
        let Record::Acked { publish, ack, .. } = record else { continue };
        let offset = ack.mark.offset;
        if ack.durability < survives || lost.names(&ack.room, ack.epoch, offset) {
            continue;
        }
        let mut broken = |what: String| {
            let violation = Violation::new(Promise::AckedIsDurable, what);
            violations.push(violation.room(&ack.room).offset(offset));
        };
        let Some(log) = history.log(&ack.room) else {
            broken(format!("{publish} was acked, and the room is not there"));
            continue;
        };
        if offset <= log.before {
            continue;
        }
        match log.at(offset) {
            None => broken(format!("{publish} was acked, and nothing stands there")),
            Some(entry) if entry.publish != *publish => {
                broken(format!("{publish} was acked, and {} stands there", entry.publish));
            }
            Some(entry) if entry.epoch != ack.epoch || entry.chain != ack.mark.chain => {
                broken(format!(
                    "{publish} was acked with chain {} of epoch {}, and stands with {} of {}",
                    ack.mark.chain, ack.epoch, entry.chain, entry.epoch
                ));
            }
            Some(entry) => {
                let Some((room, body)) = invoked.get(publish) else { continue };
                if **room != ack.room {
                    broken(format!("{publish} was acked there, and was meant for {room}"));
                } else if entry.body.is_some_and(|standing| standing != **body) {
                    broken(format!("{publish} was acked, and stands with another body"));
                }
            }
        }
    }
    violations
}
