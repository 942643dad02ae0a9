//! Acked is durable: the event of every ack stands in the final log, where and as the ack said.
//!
//! **Proves**, of a history with final reads: at the offset, epoch and chain of each ack stands that very publish, in the room
//! and with the body that it was invoked with. Of what retention trimmed: that no reader took another event there.
//!
//! **Excuses** what lies behind the fork of a restore that the recorder noted ([`super::Record::Restored`]), for epochs that
//! began before it, and what was deleted; a `restored` gap is the server's word, and excuses nothing. Acks of a `durability`
//! that does not promise to survive the worst crash of the history are exempt wherever that crash stands, since the records
//! of different clients need not stand in the order of time.
//!
//! **Cannot** tell a trimmed event from one that was lost before it was trimmed, if no reader took it; nor, in a room that was
//! restored more than once, which restore took an epoch away of which nothing stands any more.

use std::collections::HashMap;

use super::history::{Crash, History, Record};
use super::lost::Lost;
use super::trimmed::Trimmed;
use super::violation::{Promise, Violation};
use crate::publish::Durability;

/// Checks every ack against the final read of its room.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let lost = Lost::of(history);
    let trimmed = Trimmed::of(history, &lost);
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
        if ack.durability < survives || lost.notes(&ack.room, ack.epoch, offset) {
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
        match log.at(offset).or_else(|| trimmed.at(&ack.room, offset)) {
            None if offset <= log.before => {}
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
