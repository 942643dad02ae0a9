//! Order within a room, fairness between rooms, and what a failure changes.

use std::time::Duration;

use anchor_core::position::{Chain, Epoch};

use super::*;

fn room(name: &str) -> RoomId {
    RoomId::new(name).expect("a room")
}

fn part(first: u64, last: u64) -> Part {
    let end = Position {
        epoch: Some(Epoch::from_bytes([1; 8])),
        offset: Offset(last),
        chain: Chain::from_bytes([9; 8]),
    };
    Part::Events { first: Offset(first), end }
}

fn at(seconds: u64) -> Monotonic {
    Monotonic(Duration::from_secs(seconds))
}

#[test]
fn a_room_sends_one_part_after_the_other() {
    let mut lanes = Lanes::default();
    lanes.push(room("a"), part(1, 2), false, at(0));
    lanes.push(room("a"), part(3, 3), false, at(0));
    let (name, turn) = lanes.take(at(0)).expect("a turn");
    assert_eq!((turn.part, turn.next, turn.single), (part(1, 2), Offset(1), false));
    assert_eq!(lanes.take(at(0)), None, "one thing at a time");
    assert_eq!(lanes.finished(name, at(0)), Some(part(1, 2).end()));
    let (name, turn) = lanes.take(at(0)).expect("a turn");
    assert_eq!((turn.part, turn.next), (part(3, 3), Offset(3)));
    assert_eq!(lanes.finished(name, at(0)), Some(part(3, 3).end()));
    assert_eq!((lanes.take(at(9)), lanes.next_due()), (None, None));
}

#[test]
fn what_failed_comes_again_alone_and_holds_up_no_other_room() {
    let mut lanes = Lanes::default();
    lanes.push(room("a"), part(1, 3), false, at(0));
    lanes.push(room("b"), part(1, 1), false, at(0));
    let (name, _) = lanes.take(at(0)).expect("a turn");
    lanes.failed(name, at(5));
    assert_eq!(lanes.take(at(0)).expect("the other room's turn").0, room("b"));
    assert_eq!(lanes.finished(room("b"), at(0)), Some(part(1, 1).end()));
    assert_eq!((lanes.take(at(4)), lanes.next_due()), (None, Some(at(5))));

    let (name, turn) = lanes.take(at(5)).expect("its time");
    assert_eq!((turn.single, turn.failures, turn.next), (true, 1, Offset(1)));
    lanes.advanced(name, Offset(1), at(5));
    let (name, turn) = lanes.take(at(5)).expect("the next of it");
    assert_eq!(
        (turn.single, turn.failures, turn.next),
        (true, 0, Offset(2)),
        "the rest of the part alone, too"
    );
    assert_eq!(lanes.finished(name.clone(), at(5)), Some(part(1, 3).end()));
    lanes.push(name, part(4, 5), false, at(6));
    assert!(!lanes.take(at(6)).expect("a turn").1.single, "a fresh part whole");
}

#[test]
fn rooms_take_turns() {
    let mut lanes = Lanes::default();
    lanes.push(room("a"), part(1, 1), false, at(0));
    lanes.push(room("a"), part(2, 2), false, at(0));
    lanes.push(room("b"), part(1, 1), false, at(1));
    let (name, _) = lanes.take(at(1)).expect("a turn");
    lanes.finished(name, at(2));
    assert_eq!(lanes.take(at(2)).expect("a turn").0, room("b"));
}
