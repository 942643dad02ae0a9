//! Reading a log: from anywhere, in both directions, within limits.

use super::check::{check_log, check_run};
use super::{Author, Factory, ack_of, room, start, write};
use crate::event::{Draft, EventKind};
use crate::id::RoomId;
use crate::position::{Mark, Offset, Ordinal};
use crate::room::change::MembershipChange;
use crate::run::Run;
use crate::store::{Direction, Place, Read, Store};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    reading_begins_at_any_offset(factory).await;
    a_limit_is_reached_by_the_last_run_and_not_before(factory).await;
    there_is_nothing_beyond_the_ends(factory).await;
    there_is_nothing_in_a_room_without_events(factory).await;
    a_log_is_entered_at_any_ordinal(factory).await;
}

/// After any offset comes a run that holds the next event, before any offset one that holds the event before.
pub async fn reading_begins_at_any_offset(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (room, head) = long_log(&store).await;
    for offset in (0..=head.0).map(Offset) {
        let after = read(&store, &room, Direction::After(offset), 100, usize::MAX).await;
        match after.first() {
            Some(first) => assert!(first.first() <= offset.next() && offset < first.last(), "after {offset}"),
            None => assert_eq!(offset, head, "there is something after {offset}"),
        }
        let before = read(&store, &room, Direction::Before(offset.next()), 100, usize::MAX).await;
        match before.last() {
            Some(last) => {
                assert!(last.first() <= offset && offset <= last.last(), "before {}", offset.next())
            }
            None => assert_eq!(offset, Offset::ZERO, "there is something before {}", offset.next()),
        }
    }
}

/// Whole runs are given until they hold as many events or bytes as were asked for, at least one run.
pub async fn a_limit_is_reached_by_the_last_run_and_not_before(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (room, head) = long_log(&store).await;
    let half = Offset(head.0 / 2);
    for from in [
        Direction::After(Offset::ZERO),
        Direction::After(half),
        Direction::Before(head.next()),
        Direction::Before(half),
    ] {
        for (events_max, bytes_max) in [
            (0, 0),
            (1, usize::MAX),
            (usize::MAX, 1),
            (64, usize::MAX),
            (100, 9_000),
            (300, 2_000),
            (usize::MAX, usize::MAX),
        ] {
            let mut runs = read(&store, &room, from, events_max, bytes_max).await;
            let (end_reached, added_last) = match from {
                Direction::After(_) => (runs.last().is_some_and(|run| run.last() == head), runs.pop()),
                Direction::Before(_) => (runs[0].first() == Offset(1), Some(runs.remove(0))),
            };
            let size = |runs: &[Run]| {
                let events: usize = runs.iter().map(Run::len).sum();
                (events, runs.iter().map(|run| run.encoded().len()).sum::<usize>())
            };
            // What a run holds on the other side of the offset was not asked for, and need not count.
            let asked_for = |run: &Run| match from {
                Direction::After(offset) => run.from_offset(offset.next()).expect("events can be read"),
                Direction::Before(offset) => run.up_to(offset.previous()).expect("events can be read"),
            };
            let (events, bytes) = size(&runs.iter().filter_map(asked_for).collect::<Vec<_>>());
            assert!(runs.is_empty() || (events < events_max && bytes < bytes_max), "no run beyond a limit");
            runs.push(added_last.expect("at least one run"));
            let (events, bytes) = size(&runs);
            assert!(end_reached || events >= events_max || bytes >= bytes_max, "no run less than a limit");
        }
    }
}

/// Nothing comes after the head or before the first event; before what is not there yet comes what is there.
pub async fn there_is_nothing_beyond_the_ends(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (room, head) = long_log(&store).await;
    for offset in [head, head.next(), Offset(head.0 + 1_000)] {
        assert_eq!(read(&store, &room, Direction::After(offset), 10, 1_000).await.len(), 0, "after {offset}");
    }
    for offset in [Offset(0), Offset(1)] {
        assert_eq!(
            read(&store, &room, Direction::Before(offset), 10, 1_000).await.len(),
            0,
            "before {offset}"
        );
    }
    let newest = read(&store, &room, Direction::Before(Offset(head.0 + 1_000)), 1, 1).await;
    assert_eq!(newest.last().map(Run::last), Some(head));
    for offset in [head.next(), Offset(head.0 + 1_000)] {
        let located = store.locate(&room, Place::Offset(offset)).await.expect("a place is looked up");
        assert_eq!(located, None, "no mark above the head");
    }
    let located = store.locate(&room, Place::Offset(Offset::ZERO)).await.expect("a place is looked up");
    assert_eq!(located, Some(Mark::START));
}

/// Every question about a room without events has an answer, and none makes the room.
pub async fn there_is_nothing_in_a_room_without_events(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("nowhere");
    assert_eq!(read(&store, &room, Direction::After(Offset::ZERO), 10, 1_000).await.len(), 0);
    assert_eq!(read(&store, &room, Direction::Before(Offset(10)), 10, 1_000).await.len(), 0);
    for place in [Place::Offset(Offset::ZERO), Place::Offset(Offset(1)), Place::Ordinal(Ordinal(0))] {
        assert_eq!(store.locate(&room, place).await.expect("a place is looked up"), None);
    }
    assert_eq!(store.room(&room).await.expect("the state is read"), None);
    assert_eq!(store.rooms(None, 10).await.expect("the rooms are read"), []);
}

/// An ordinal leads to the newest point of the log that counts no more messages; one above the head's to the head.
pub async fn a_log_is_entered_at_any_ordinal(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let join = || Draft { kind: EventKind::MEMBERSHIP, target: None, body: MembershipChange::Join.to_body() };
    let leave =
        || Draft { kind: EventKind::MEMBERSHIP, target: None, body: MembershipChange::Leave.to_body() };
    let drafts = [join(), Draft::message("1"), Draft::message("2"), leave(), join(), Draft::message("3")];
    let batch = drafts.into_iter().map(|draft| ada.next(&room, draft)).collect();
    let outcomes = store.append(batch).await.expect("the append goes through");
    outcomes.into_iter().for_each(|outcome| drop(ack_of(outcome)));
    let events = check_log(&store, &room).await;
    for (ordinal, offset) in [(0, 1), (1, 2), (2, 5), (3, 6), (4, 6), (1_000, 6)] {
        let mark = store.locate(&room, Place::Ordinal(Ordinal(ordinal))).await.expect("a place is looked up");
        assert_eq!(mark, Some(events[offset - 1].mark()), "ordinal {ordinal}");
    }
}

/// A log of several pages, written in batches of several sizes, with a large body now and then.
async fn long_log(store: &dyn Store) -> (RoomId, Offset) {
    let room = room("long");
    let mut ada = Author::open(store, "ada", 1).await;
    let text = |n: usize| if n.is_multiple_of(90) { "x".repeat(40_000) } else { n.to_string() };
    for numbers in [0..1, 1..3, 3..70, 70..200, 200..310] {
        write(store, &mut ada, &room, numbers.map(text)).await;
    }
    (room, Offset(310))
}

async fn read(
    store: &dyn Store,
    room: &RoomId,
    from: Direction,
    events_max: usize,
    bytes_max: usize,
) -> Vec<Run> {
    let runs =
        store.read(Read { room: room.clone(), from, events_max, bytes_max }).await.expect("the log is read");
    runs.iter().for_each(check_run);
    assert!(runs.windows(2).all(|pair| pair[0].tip() == pair[1].before()), "runs are contiguous");
    runs
}
