//! One order for all readers: they and the final log agree on every offset, and each client's seqs rise.
//!
//! **Proves**: whoever took an offset of an epoch took the same event there, which is that of the log if it stands; what a
//! reader holds in the end stands, or was trimmed, or was lost by name; readers agree on trimmed offsets over all epochs; and
//! the publishes of one client stand in a room in the order of their seqs, trimmed ones included as far as readers took them.
//!
//! **Cannot** judge events that were trimmed before any reader took them, nor an order across rooms (there is none). That a
//! reader was *told* of what it holds in vain is the matter of [`super::gaps`].

use std::collections::HashMap;

use super::history::{Entry, History, Reader, Record};
use super::lost::Lost;
use super::replay::{Stream, replay};
use super::trimmed::Trimmed;
use super::violation::{Promise, Violation};
use crate::id::RoomId;
use crate::position::{Epoch, Offset};

/// Checks readers against the logs and each other, and the logs for the order of each client's seqs.
///
/// A reader is reported once for each event that is another than the one first known there, and once if it holds
/// something that the log does not have.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    let lost = Lost::of(history);
    let trimmed = Trimmed::of(history, &lost);
    check_seqs(history, &trimmed, &mut violations);
    check_agreement(history, &mut violations);
    for (one, other) in &trimmed.conflicts {
        let what =
            format!("{} was seen where {} has {}", one.entry.publish, other.reader, other.entry.publish);
        let violation = Violation::new(Promise::OneOrder, what);
        violations.push(violation.room(one.room).reader(one.reader).offset(one.entry.offset));
    }
    for stream in replay(history, |_, _| {}) {
        if let Some(entry) =
            stream.held.iter().find(|entry| !is_accounted_for(history, &lost, &stream, entry))
        {
            let what = format!("{} was seen, and the log does not have it there", entry.publish);
            let violation = Violation::new(Promise::OneOrder, what);
            violations.push(violation.room(stream.room).reader(stream.reader).offset(entry.offset));
        }
    }
    violations
}

/// The publishes of one client stand in a room in the order of their seqs. Equal seqs are a repeat, not a disorder.
fn check_seqs(history: &History, trimmed: &Trimmed<'_>, violations: &mut Vec<Violation>) {
    for (room, log) in history.logs() {
        let mut highest = HashMap::new();
        for entry in trimmed.of_room(room).chain(&log.entries) {
            let publish = &entry.publish;
            let before = highest.entry(publish.client).or_insert(publish.seq);
            if publish.seq < *before {
                let what = format!("{publish} stands behind its publish {before}");
                violations.push(Violation::new(Promise::OneOrder, what).room(room).offset(entry.offset));
            }
            *before = publish.seq.max(*before);
        }
    }
}

/// Whoever saw an offset of an epoch saw the same event there.
fn check_agreement(history: &History, violations: &mut Vec<Violation>) {
    let mut known: HashMap<(&RoomId, Epoch, Offset), (&Entry, Option<Reader>)> = HashMap::new();
    for (room, log) in history.logs() {
        known.extend(log.entries.iter().map(|entry| ((room, entry.epoch, entry.offset), (entry, None))));
    }
    for record in history.records() {
        let Record::Seen { reader, room, entry } = record else { continue };
        let (first, by) = known.entry((room, entry.epoch, entry.offset)).or_insert((entry, Some(*reader)));
        if !first.agrees_with(entry) {
            let other = by.map_or_else(|| "the log".to_owned(), |by| by.to_string());
            let what =
                format!("{} was seen where {other} has {}, or otherwise", entry.publish, first.publish);
            let violation = Violation::new(Promise::OneOrder, what);
            violations.push(violation.room(room).reader(*reader).offset(entry.offset));
        }
    }
}

/// True if the log has an event at that place of that epoch, or has trimmed it, or it was lost by name.
fn is_accounted_for(history: &History, lost: &Lost<'_>, stream: &Stream<'_>, entry: &Entry) -> bool {
    if lost.names(stream.room, entry.epoch, entry.offset) {
        return true;
    }
    history.log(stream.room).is_some_and(|log| {
        entry.offset <= log.before
            || log.at(entry.offset).is_some_and(|standing| standing.epoch == entry.epoch)
    })
}
