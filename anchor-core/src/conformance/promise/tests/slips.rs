//! Violations that an excuse could cover: a restored backup, trimming, another history, an answer that never came.
//!
//! Two rooms stand beside the lobby of [`valid`]: one in which nothing was ever restored, and one that was trimmed.

use super::valid::*;
use super::*;
use crate::event::Body;
use crate::id::{ClientTag, RoomId};
use crate::position::{Chain, Epoch, Position};

/// Reads only what a test lets it read.
const OTHER: Reader = Reader(9);
const ANOTHER: Reader = Reader(10);

/// A room of three events that nobody ever restored; the first was written in [`OLD`].
fn quiet(history: &mut History) -> RoomId {
    let room = RoomId::new("quiet").unwrap();
    let entries = [(OLD, 1), (NEW, 2), (NEW, 3)].map(|(epoch, n)| own(epoch, n, n)).to_vec();
    history.set_log(room.clone(), Log { epoch: NEW, before: Offset::ZERO, entries });
    room
}

/// A room whose first two events were trimmed.
fn small(history: &mut History) -> RoomId {
    let room = RoomId::new("small").unwrap();
    history.set_log(room.clone(), Log { epoch: NEW, before: Offset(2), entries: vec![own(NEW, 3, 3)] });
    room
}

/// Event `n` of one of these rooms, as publish `seq` of a client of their own.
fn own(epoch: Epoch, n: u64, seq: u64) -> Entry {
    let publish = PublishId { client: ClientTag::from_bytes([8; 8]), ..publish(seq) };
    Entry { publish, ..entry(epoch, n) }
}

fn takes(history: &mut History, reader: Reader, room: &RoomId, from: Position, entries: &[Entry]) {
    history.push(Record::Opened { reader, room: room.clone(), position: from });
    for entry in entries {
        history.push(Record::Seen { reader, room: room.clone(), entry: *entry });
    }
}

fn leaves(history: &mut History, reader: Reader, room: &RoomId) {
    history.push(Record::Closed { reader, room: room.clone() });
}

fn acked_in(room: &RoomId, entry: &Entry) -> Record {
    match acked(entry) {
        Record::Acked { publish, ack, at_ms } => {
            Record::Acked { publish, ack: crate::publish::Ack { room: room.clone(), ..ack }, at_ms }
        }
        other => other,
    }
}

fn told(reader: Reader, room: &RoomId, reason: GapReason, from: u64, to: u64, position: Position) -> Record {
    match gap(reader, reason, from, to, position) {
        Record::Told { gap, .. } => Record::Told { reader, room: room.clone(), gap },
        other => other,
    }
}

#[test]
fn an_ack_that_no_restore_took_away() {
    use Promise::AckedIsDurable;
    check(AckedIsDurable, "publish 77 of client", |history| {
        // A restore from before the epoch began cannot have cut it.
        history.push(Record::Restored { room: room(), fork: Offset(2) });
        history.push(acked(&Entry { publish: publish(77), ..entry(OLD, 7) }));
    });
    check(AckedIsDurable, "room quiet, offset 4", |history| {
        // The lobby was restored; this room was not.
        let quiet = quiet(history);
        history.push(acked_in(&quiet, &own(OLD, 4, 9)));
    });
    check(AckedIsDurable, "room quiet, offset 4", |history| {
        // Another room of that id was deleted, and the lobby was; this one was not.
        let quiet = quiet(history);
        history.push(Record::Deleted { room: quiet.clone(), epoch: Epoch::from_bytes([3; 8]) });
        history.push(acked_in(&quiet, &own(OLD, 4, 9)));
    });
    check(AckedIsDurable, "room quiet, offset 2", |history| {
        // That a server owns up to a loss does not undo it.
        let quiet = quiet(history);
        takes(history, OTHER, &quiet, at(OLD, 2), &[]);
        history.push(told(OTHER, &quiet, GapReason::Restored, 2, 2, at(OLD, 1)));
        for n in 2..=3 {
            history.push(Record::Seen { reader: OTHER, room: quiet.clone(), entry: own(NEW, n, n) });
        }
        history.push(acked_in(&quiet, &own(OLD, 2, 9)));
    });
    check(AckedIsDurable, "publish 3 of client", |history| {
        // Trimmed since, but a reader knows what stood there.
        history.push(acked(&Entry { publish: publish(77), ..entry(OLD, 3) }));
    });
}

#[test]
fn a_publish_whose_other_half_is_out_of_sight() {
    use Promise::ExactlyOnce;
    check(ExactlyOnce, "was refused, and", |history| {
        history.push(Record::Refused { publish: publish(3), code: Code::Denied });
    });
    check(ExactlyOnce, "small at 1 already", |history| {
        let small = small(history);
        let entries = [own(NEW, 1, 3), own(NEW, 2, 2), own(NEW, 3, 3)];
        takes(history, OTHER, &small, Position::START, &entries[..1]);
        leaves(history, OTHER, &small);
    });
    check(ExactlyOnce, "small at 3 already", |history| {
        let small = small(history);
        history.push(acked_in(&small, &own(NEW, 2, 3)));
    });
    check(ExactlyOnce, "stands with another body", |history| {
        history.push_invoked(publish(EVENTS), &room(), &Body::text("something else"));
    });
    check(ExactlyOnce, "was meant for quiet", |history| {
        let quiet = quiet(history);
        history.push_invoked(publish(EVENTS), &quiet, &body());
    });
}

#[test]
fn an_order_that_was_trimmed() {
    use Promise::OneOrder;
    check(OneOrder, "where reader 9 has", |history| {
        let small = small(history);
        for (reader, epoch) in [(OTHER, OLD), (ANOTHER, NEW)] {
            takes(history, reader, &small, Position::START, &[own(epoch, 1, 1)]);
            leaves(history, reader, &small);
        }
    });
    check(OneOrder, "stands behind its publish 2", |history| {
        let small = small(history);
        takes(history, OTHER, &small, Position::START, &[own(NEW, 1, 2), own(NEW, 2, 1)]);
        leaves(history, OTHER, &small);
    });
    check(OneOrder, "the log does not have it there", |history| {
        let quiet = quiet(history);
        takes(history, OTHER, &quiet, at(NEW, 3), &[own(NEW, 4, 4)]);
        leaves(history, OTHER, &quiet);
    });
}

#[test]
fn a_fork_that_was_passed_in_silence() {
    use Promise::NoSilentGap;
    let lost = |n| Entry { publish: publish(200 + n), ..entry(OLD, n) };
    let rest: Vec<_> = (FORK + 2..=EVENTS).map(|n| entry(NEW, n)).collect();
    check(NoSilentGap, "went on", |history| {
        takes(history, OTHER, &room(), at(OLD, FORK), &[&[lost(FORK + 1)], &rest[..]].concat());
    });
    check(NoSilentGap, "went on", |history| takes(history, OTHER, &room(), at(OLD, FORK + 1), &rest));
    check(NoSilentGap, "went on", |history| {
        // Over a reconnect, too.
        takes(history, OTHER, &room(), at(OLD, FORK), &[lost(FORK + 1)]);
        history.push(Record::Disconnected { reader: OTHER });
        takes(history, OTHER, &room(), at(OLD, FORK + 1), &rest);
    });
}

#[test]
fn a_gap_that_names_too_much() {
    use Promise::NoSilentGap;
    let rest = |from| (from..=EVENTS).map(|n| entry(NEW, n)).collect::<Vec<_>>();
    check(NoSilentGap, "the log still has everything after 4", |history| {
        takes(history, OTHER, &room(), Position::START, &[]);
        history.push(gap(OTHER, GapReason::Trimmed, 1, 12, at(NEW, 12)));
        takes(history, OTHER, &room(), at(NEW, 12), &rest(13));
    });
    check(NoSilentGap, "stands in the log", |history| {
        takes(history, OTHER, &room(), at(NEW, 12), &[]);
        history.push(gap(OTHER, GapReason::Restored, FORK + 1, 12, at(OLD, FORK)));
        takes(history, OTHER, &room(), at(OLD, FORK), &rest(FORK + 1));
    });
    check(NoSilentGap, "stands in the log", |history| {
        let quiet = quiet(history);
        takes(history, OTHER, &quiet, at(NEW, 3), &[]);
        history.push(told(OTHER, &quiet, GapReason::History, 1, 3, Position::START));
        takes(history, OTHER, &quiet, Position::START, &[own(OLD, 1, 1), own(NEW, 2, 2), own(NEW, 3, 3)]);
    });
}

#[test]
fn a_reader_that_stays_in_another_history() {
    use Promise::Convergence;
    check(Convergence, "it stands at 20 of another", |history| {
        takes(history, OTHER, &room(), at(OLD, EVENTS), &[]);
    });
    check(Convergence, "it stands at 25", |history| {
        takes(history, OTHER, &room(), at(OLD, EVENTS + 5), &[]);
    });
}

#[test]
fn a_beat_over_another_history() {
    let lost = |n| Entry { publish: publish(200 + n), ..entry(OLD, n) };
    check(Promise::BeatNeverLies, "with another event there", |history| {
        takes(history, OTHER, &room(), at(OLD, FORK), &[lost(FORK + 1), lost(FORK + 2)]);
        // Event 9 of the new history was acked before that, event 11 was not.
        history.push(Record::Beat { reader: OTHER, at_ms: 1_101, lag: Vec::new() });
        history.push(gap(OTHER, GapReason::Restored, FORK + 1, FORK + 2, at(OLD, FORK)));
        takes(
            history,
            OTHER,
            &room(),
            at(OLD, FORK),
            &(FORK + 1..=EVENTS).map(|n| entry(NEW, n)).collect::<Vec<_>>(),
        );
    });
}

#[test]
fn a_room_that_is_named_as_lagging_excuses_no_other() {
    check(Promise::BeatNeverLies, "room lobby, offset 19", |history| {
        let quiet = quiet(history);
        takes(history, OTHER, &room(), at(NEW, 12), &[]);
        takes(history, OTHER, &quiet, at(NEW, 3), &[]);
        history.push(Record::Beat { reader: OTHER, at_ms: 5_000, lag: vec![quiet] });
        takes(
            history,
            OTHER,
            &room(),
            at(NEW, 12),
            &(13..=EVENTS).map(|n| entry(NEW, n)).collect::<Vec<_>>(),
        );
    });
}

#[test]
fn a_late_reader_that_skips() {
    check(Promise::NoSilentGap, "seen next after 0", |history| {
        takes(history, OTHER, &room(), Position::START, &(5..=EVENTS).map(by_number).collect::<Vec<_>>());
    });
}

fn by_number(n: u64) -> Entry {
    entry(if n > FORK { NEW } else { OLD }, n)
}

/// A chain that nobody computed.
#[test]
fn a_position_that_the_log_never_had() {
    check(Promise::NoSilentGap, "went on", |history| {
        let made_up = Position { chain: Chain::from_bytes([3; 8]), ..at(NEW, 12) };
        takes(history, OTHER, &room(), made_up, &(13..=EVENTS).map(by_number).collect::<Vec<_>>());
    });
}
