//! Exactly once: no publish stands twice, a refused one never, none otherwise than it was meant, and no reader takes an event
//! twice.
//!
//! A publish without an answer may stand once or not at all: "unknown" is never read as "absent".
//!
//! **Proves**: over all final logs, and what readers and acks tell of trimmed events that were not lost by name, no two events
//! bear the name of one publish (its client and seq), and none that of a refused one; what stands without an ack has the body
//! and the room that it was invoked with (with an ack: [`super::durable`]). No reader takes an event that it holds.
//!
//! **Cannot** see a repeat that was trimmed before any reader took it, nor one that bears another name: a recorder that sits
//! above a client library names publishes by their bodies ([`super::marked`]).

use std::collections::{HashMap, HashSet};

use super::history::{Entry, History, PublishId, Record};
use super::lost::Lost;
use super::replay::replay;
use super::trimmed::Trimmed;
use super::violation::{Promise, Violation};
use crate::chain::Digest;
use crate::code::Code;
use crate::id::{ClientTag, RoomId, Seq};
use crate::position::Offset;

/// Checks the logs for repeats and for what should not stand, and each reader for events that it took twice.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    let lost = Lost::of(history);
    let trimmed = Trimmed::of(history, &lost);
    let mut standing = Standing { lost: &lost, answers: Answers::of(history), places: HashMap::new() };
    for (room, log) in history.logs() {
        for entry in trimmed.of_room(room).chain(&log.entries) {
            violations.extend(standing.add(room, entry));
        }
    }
    // What an ack says of trimmed events; of others the log says it.
    for record in history.records() {
        let Record::Acked { publish, ack, .. } = record else { continue };
        let offset = ack.mark.offset;
        let is_trimmed = history.log(&ack.room).is_some_and(|log| offset <= log.before);
        if is_trimmed && !lost.names(&ack.room, ack.epoch, offset) {
            violations.extend(standing.place(&ack.room, offset, publish));
        }
    }
    replay(history, |stream, record| {
        let Record::Seen { entry, .. } = record else { return };
        if stream.held_at(entry.offset).is_some_and(|held| held.chain == entry.chain) {
            let violation = Violation::new(Promise::ExactlyOnce, format!("{} was seen twice", entry.publish));
            violations.push(violation.room(stream.room).reader(stream.reader).offset(entry.offset));
        }
    });
    violations
}

/// What the clients know of their publishes.
#[derive(Default)]
struct Answers<'h> {
    refused: HashSet<&'h PublishId>,
    acked: HashSet<&'h PublishId>,
    invoked: HashMap<&'h PublishId, (&'h RoomId, &'h Digest)>,
}

impl<'h> Answers<'h> {
    fn of(history: &'h History) -> Self {
        let mut answers = Self::default();
        for record in history.records() {
            match record {
                Record::Refused { publish, code } if *code != Code::SeqForgotten => {
                    answers.refused.insert(publish);
                }
                Record::Acked { publish, .. } => {
                    answers.acked.insert(publish);
                }
                Record::Invoked { publish, room, body } => {
                    answers.invoked.insert(publish, (room, body));
                }
                _ => {}
            }
        }
        answers
    }
}

/// What stands, event by event.
struct Standing<'h> {
    lost: &'h Lost<'h>,
    answers: Answers<'h>,
    places: HashMap<(ClientTag, Seq), (&'h RoomId, Offset)>,
}

impl<'h> Standing<'h> {
    /// Adds an event, and tells what is wrong with its being there.
    fn add(&mut self, room: &'h RoomId, entry: &'h Entry) -> Vec<Violation> {
        let publish = &entry.publish;
        let mut wrong: Vec<_> = self.place(room, entry.offset, publish).into_iter().collect();
        let mut broken = |what: String| wrong.push(violation(room, entry.offset, what));
        // Refused while a restore had taken it away, it may have come back with a newer backup.
        if self.answers.refused.contains(publish) && !self.lost.may_have_come_back(room, entry.offset) {
            broken(format!("{publish} was refused, and stands in the log"));
        }
        match self.answers.invoked.get(publish) {
            Some(_) if self.answers.acked.contains(publish) => {}
            Some((meant, _)) if *meant != room => broken(format!("{publish} was meant for {meant}")),
            Some((_, body)) if entry.body.is_some_and(|standing| standing != **body) => {
                broken(format!("{publish} stands with another body"));
            }
            _ => {}
        }
        wrong
    }

    /// Notes where a publish stands; wrong if it stands elsewhere already.
    fn place(&mut self, room: &'h RoomId, offset: Offset, publish: &'h PublishId) -> Option<Violation> {
        let (other, at) = *self.places.entry((publish.client, publish.seq)).or_insert((room, offset));
        let what = || format!("{publish} stands in {other} at {at} already");
        ((other, at) != (room, offset)).then(|| violation(room, offset, what()))
    }
}

fn violation(room: &RoomId, offset: Offset, what: String) -> Violation {
    Violation::new(Promise::ExactlyOnce, what).room(room).offset(offset)
}
