//! A valid history passes, and each deliberate corruption is caught by the checker that it concerns and by no other.

mod corrupt;
mod legal;
mod slips;
mod valid;
mod wrong;

use super::*;
use crate::code::Code;
use crate::position::{Chain, Epoch, Offset, Ordinal, Position};
use crate::publish::Durability;
use crate::resume::{Gap, GapReason};

/// What the checkers say of a history: one line for each promise that was broken.
fn broken(history: &History) -> Vec<Promise> {
    let mut broken: Vec<_> = check_all(history).into_iter().map(|violation| violation.promise).collect();
    broken.dedup();
    broken
}

/// Corrupts a valid history and asserts that `promise`, and no other, is said to be broken, in words with `what`.
fn check(promise: Promise, what: &str, corrupt: impl FnOnce(&mut History)) {
    let mut history = valid::history();
    corrupt(&mut history);
    let violations = check_all(&history);
    assert_eq!(broken(&history), [promise], "{what}: {violations:#?}");
    assert!(
        violations.iter().any(|violation| violation.to_string().contains(what)),
        "{what}: {violations:#?}"
    );
}

#[test]
fn a_valid_history_passes() {
    assert_eq!(check_all(&valid::history()), []);
    assert_eq!(check_all(&History::new()), []);
}

/// Its recorder knows the offset that was asked for, and no chain.
#[test]
fn a_reader_that_begins_at_a_bare_offset_is_in_no_other_history() {
    let mut history = valid::history();
    for offset in [12, valid::EVENTS] {
        let position = Position { epoch: None, offset: Offset(offset), chain: Chain::ZERO };
        history.push(valid::opened(Reader(100 + offset), position));
        (offset + 1..=valid::EVENTS).for_each(|n| history.push(valid::seen(Reader(100 + offset), n)));
    }
    history.push(Record::FaultsStopped);
    assert_eq!(check_all(&history), []);
}

#[test]
fn a_violation_reads_as_a_sentence() {
    let mut history = valid::history();
    history.push(valid::seen(valid::FAST, 3));
    let lines: Vec<_> = check_all(&history).iter().map(ToString::to_string).collect();
    let client = valid::publish(3).client;
    assert_eq!(
        lines,
        [format!(
            "exactly once: room lobby, offset 3, reader 1, publish 3 of client {client} was seen twice"
        )]
    );
}

#[test]
fn what_is_not_promised_is_no_violation() {
    let check = |what: &str, change: &dyn Fn(&mut History)| {
        let mut history = valid::history();
        change(&mut history);
        assert_eq!(check_all(&history), [], "{what}");
    };
    let next = valid::entry(valid::NEW, valid::EVENTS + 1);
    check("a refusal that says unknown", &|history| {
        history.push(Record::Refused { publish: valid::publish(9), code: Code::SeqForgotten });
    });
    check("an ack that survives no crash", &|history| {
        let Record::Acked { publish, mut ack, at_ms } = valid::acked(&next) else { return };
        ack.durability = Durability::Memory;
        history.push(Record::Acked { publish, ack, at_ms });
    });
    check("an ack on the disk of a node that was lost", &|history| {
        history.push(Record::Crashed(Crash::Node));
        history.push(valid::acked(&next));
    });
    check("a redaction", &|history| {
        let log = history.logs.get_mut(&valid::room()).unwrap();
        log.entries[7].body = None;
    });
    check("another history, read anew", &|history| {
        let horizon = valid::at(valid::OLD, valid::TRIMMED);
        history.push(valid::gap(valid::FAST, GapReason::History, 1, valid::EVENTS, horizon));
        (valid::TRIMMED + 1..=valid::EVENTS).for_each(|n| history.push(valid::seen(valid::FAST, n)));
    });
    check("a room that was deleted", &|history| {
        let gap = Gap {
            from: Offset(1),
            to: Offset(valid::EVENTS),
            reason: GapReason::Deleted,
            position: None,
            ordinal: Ordinal(0),
        };
        history.push(Record::Told { reader: valid::FAST, room: valid::room(), gap });
        history.logs.clear();
    });
}

#[test]
fn a_room_that_was_deleted_by_the_word_of_its_recorder_is_no_loss() {
    let mut history = valid::history();
    for epoch in [valid::OLD, valid::NEW] {
        history.push(Record::Deleted { room: valid::room(), epoch });
    }
    let next = Entry { epoch: Epoch::from_bytes([3; 8]), ..valid::entry(valid::NEW, 1) };
    let next = Entry { publish: valid::publish(1_001), ..next };
    history.set_log(valid::room(), Log { epoch: next.epoch, before: Offset::ZERO, entries: vec![next] });
    assert_eq!(broken(&history), [Promise::Convergence], "who was not told reads on in vain");
    for reader in [valid::FAST, valid::LATE, valid::FRESH] {
        history.push(Record::Closed { reader, room: valid::room() });
    }
    assert_eq!(check_all(&history), []);
}

#[test]
fn what_is_hidden_from_a_newcomer_is_no_loss() {
    let mut history = valid::history();
    let newcomer = Reader(9);
    history.push(valid::opened(newcomer, Position::START));
    history.push(valid::gap(newcomer, GapReason::Hidden, 1, 15, valid::at(valid::NEW, 15)));
    (16..=valid::EVENTS).for_each(|n| history.push(valid::seen(newcomer, n)));
    assert_eq!(check_all(&history), []);
}

/// A checker that were quadratic would not come to an end here.
#[test]
fn a_long_history_is_checked_without_a_square_of_it() {
    let mut history = valid::history();
    for n in valid::EVENTS + 1..=50_000 {
        let entry = Entry { publish: valid::publish(1_000 + n), ..valid::entry(valid::NEW, n) };
        valid::append(&mut history, entry);
    }
    assert_eq!(check_all(&history), []);
}
