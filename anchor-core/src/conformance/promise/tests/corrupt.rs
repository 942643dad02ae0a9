//! Deliberate corruptions of a valid history, promise by promise.

use super::valid::*;
use super::*;
use crate::event::Body;
use crate::id::RoomId;
use crate::position::{Chain, Offset, Position};
use crate::resume::GapReason;

/// The place of `record`, which stands once in the history.
fn find(history: &History, record: &Record) -> usize {
    history.records.iter().position(|other| other == record).expect("the record stands in the history")
}

fn replace(history: &mut History, old: &Record, new: Record) {
    let index = find(history, old);
    history.records[index] = new;
}

fn remove(history: &mut History, record: &Record) {
    let index = find(history, record);
    history.records.remove(index);
}

fn insert_before(history: &mut History, record: &Record, new: Record) {
    let index = find(history, record);
    history.records.insert(index, new);
}

#[test]
fn an_ack_that_does_not_hold() {
    use Promise::AckedIsDurable;
    check(AckedIsDurable, "nothing stands there", |history| history.push(acked(&entry(NEW, EVENTS + 1))));
    check(AckedIsDurable, "publish 12 of client", |history| {
        let moved = Entry { offset: Offset(13), chain: entry(NEW, 13).chain, ..entry(NEW, 12) };
        replace(history, &acked(&entry(NEW, 12)), acked(&moved));
    });
    check(AckedIsDurable, "was acked with chain", |history| {
        let other = Entry { chain: Chain::ZERO, ..entry(NEW, 12) };
        replace(history, &acked(&entry(NEW, 12)), acked(&other));
    });
    check(AckedIsDurable, "stands with another body", |history| {
        history.push_invoked(publish(12), &room(), &Body::text("something else"));
    });
    check(AckedIsDurable, "the room is not there", |history| {
        let Record::Acked { publish, mut ack, at_ms } = acked(&entry(NEW, 12)) else { return };
        ack.room = RoomId::new("gone").unwrap();
        history.push(Record::Acked { publish, ack, at_ms });
    });
    check(AckedIsDurable, "was meant for lobby", |history| {
        let other = RoomId::new("other").unwrap();
        let entry = entry(NEW, 300);
        history.push_invoked(entry.publish, &room(), &body());
        let Record::Acked { publish, mut ack, at_ms } = acked(&entry) else { return };
        ack.room = other.clone();
        history.push(Record::Acked { publish, ack, at_ms });
        history.set_log(other, Log { epoch: NEW, before: Offset(299), entries: vec![entry] });
    });
}

#[test]
fn more_than_once() {
    use Promise::ExactlyOnce;
    check(ExactlyOnce, "was seen twice", |history| {
        insert_before(history, &seen(LATE, 10), seen(LATE, 9));
    });
    check(ExactlyOnce, "stands in lobby at 20 already", |history| {
        append(history, Entry { publish: publish(EVENTS), ..entry(NEW, EVENTS + 1) });
    });
    check(ExactlyOnce, "was refused, and stands in the log", |history| {
        append(history, Entry { publish: publish(101), ..entry(NEW, EVENTS + 1) });
    });
}

#[test]
fn more_than_one_order() {
    use Promise::OneOrder;
    check(OneOrder, "where the log has", |history| {
        let entry = Entry { chain: Chain::ZERO, ..entry(NEW, 17) };
        replace(history, &seen(LATE, 17), Record::Seen { reader: LATE, room: room(), entry });
    });
    check(OneOrder, "the log does not have it there", |history| {
        history.push(seen(LATE, EVENTS + 1));
        history.push(Record::Closed { reader: LATE, room: room() });
    });
    check(OneOrder, "stands behind its publish 31", |history| {
        append(history, Entry { publish: publish(31), ..entry(NEW, EVENTS + 1) });
        append(history, Entry { publish: publish(30), ..entry(NEW, EVENTS + 2) });
    });
    check(OneOrder, "where reader 1 has", |history| {
        let trimmed = Entry { chain: Chain::ZERO, ..entry(OLD, 2) };
        history.push(opened(Reader(9), at(OLD, 1)));
        history.push(Record::Seen { reader: Reader(9), room: room(), entry: trimmed });
        history.push(Record::Closed { reader: Reader(9), room: room() });
    });
}

#[test]
fn a_gap_in_silence() {
    use Promise::NoSilentGap;
    check(NoSilentGap, "seen next after 15", |history| remove(history, &seen(LATE, 16)));
    let trimmed = |from, to| gap(LATE, GapReason::Trimmed, from, to, at(OLD, TRIMMED));
    check(NoSilentGap, "seen next after 0", |history| remove(history, &trimmed(1, TRIMMED)));
    check(NoSilentGap, "the range is 1 to 4", |history| {
        replace(history, &trimmed(1, TRIMMED), trimmed(2, TRIMMED));
    });
    check(NoSilentGap, "the range is 9 to 10", |history| {
        let restored = |to| gap(FAST, GapReason::Restored, FORK + 1, to, at(OLD, FORK));
        replace(history, &restored(FORK + 2), restored(FORK + 1));
    });
    check(NoSilentGap, "the range is 1 to 15", |history| {
        let newcomer = Reader(9);
        history.push(opened(newcomer, Position::START));
        history.push(gap(newcomer, GapReason::Hidden, 1, 14, at(NEW, 15)));
        (16..=EVENTS).for_each(|n| history.push(seen(newcomer, n)));
    });
    check(NoSilentGap, "went on there", |history| {
        replace(history, &opened(LATE, at(NEW, 12)), opened(LATE, at(NEW, 13)));
        remove(history, &seen(LATE, 13));
    });
    check(NoSilentGap, "the log goes on there after 20", |history| append(history, entry(NEW, EVENTS + 2)));
}

#[test]
fn a_cursor_that_goes_back() {
    use Promise::CursorsNeverGoBack;
    check(CursorsNeverGoBack, "went on from there", |history| {
        replace(history, &opened(LATE, at(NEW, 12)), opened(LATE, at(NEW, 10)));
    });
    check(CursorsNeverGoBack, "saw the event after it", |history| history.push(seen(FRESH, 11)));
    check(CursorsNeverGoBack, "by a gap of trimmed events", |history| {
        history.push(gap(FRESH, GapReason::Trimmed, 1, TRIMMED, at(OLD, TRIMMED)));
    });
}

#[test]
fn a_beat_that_lies() {
    use Promise::BeatNeverLies;
    check(BeatNeverLies, "with 12 seen", |history| {
        let beat = |lag| Record::Beat { reader: LATE, at_ms: 2_000, lag };
        replace(history, &beat(vec![room()]), beat(Vec::new()));
    });
    check(BeatNeverLies, "offset 16", |history| {
        // Event 16 was acked at 1160 ms: a beat of that very millisecond need not know it, one of the next must.
        let beat = |at_ms| Record::Beat { reader: LATE, at_ms, lag: Vec::new() };
        insert_before(history, &seen(LATE, 16), beat(1_160));
        insert_before(history, &seen(LATE, 16), beat(1_161));
    });
}

#[test]
fn memory_that_grows() {
    use Promise::MemoryBounded;
    check(MemoryBounded, "used 1000001 of 1000000 bytes", |history| history.push(sample(2, 5, 1_000_001)));
    check(MemoryBounded, "process 3 grew", |history| {
        (1..=16).for_each(|n| history.push(sample(3, n * 1_000, n * 100)));
    });
}

#[test]
fn a_reader_that_stays_behind() {
    use Promise::Convergence;
    check(Convergence, "stopped at 19", |history| remove(history, &seen(FRESH, EVENTS)));
    check(Convergence, "stopped at 0", |history| history.push(opened(Reader(9), Position::START)));
    check(Convergence, "stopped without a connection at 18", |history| {
        history.push(opened(Reader(9), at(NEW, 18)));
        history.push(Record::Disconnected { reader: Reader(9) });
    });
}

#[test]
fn an_outbox_that_lost_something() {
    use Promise::OutboxKeeps;
    let room = RoomId::new("untrimmed").unwrap();
    check(OutboxKeeps, "neither answered nor delivered", |history| {
        let entry = Entry { publish: publish(400), offset: Offset(1), ..entry(NEW, 30) };
        history.set_log(room.clone(), Log { epoch: NEW, before: Offset::ZERO, entries: vec![entry] });
        for seq in [400, 401] {
            history.push_invoked(publish(seq), &room, &body());
            history.push(Record::Queued { publish: publish(seq) });
        }
    });
}
