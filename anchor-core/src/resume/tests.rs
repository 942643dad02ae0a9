//! Every corner of a resume.

use super::*;
use crate::position::Epoch;
use crate::store::EpochStart;

const A: Epoch = Epoch::from_bytes([0xa; 8]);
const B: Epoch = Epoch::from_bytes([0xb; 8]);
const X: Epoch = Epoch::from_bytes([0xff; 8]);

fn mark(offset: u64) -> Mark {
    match offset {
        0 => Mark::START,
        _ => Mark { offset: Offset(offset), ordinal: Ordinal(offset), chain: chain(offset) },
    }
}

fn chain(offset: u64) -> Chain {
    Chain::from_bytes(offset.to_be_bytes())
}

fn room(epochs: &[(Epoch, u64)], head: u64, horizon: u64) -> RoomState {
    RoomState {
        epochs: epochs
            .iter()
            .map(|(epoch, fork)| EpochStart { epoch: *epoch, before: mark(*fork) })
            .collect(),
        head: mark(head),
        horizon: Offset(horizon),
        before_horizon: mark(horizon - 1),
    }
}

fn at(epoch: Epoch, offset: u64) -> Position {
    Position { epoch: Some(epoch), offset: Offset(offset), chain: chain(offset) }
}

/// Decides as a store would, with the log's chain at every offset it still has.
fn resume(position: Position, room: Option<&RoomState>) -> Resume {
    let chain = chain_needed(&position, room).map(|offset| chain(offset.0));
    decide(&position, room, chain)
}

fn gap(position: Position, room: Option<&RoomState>) -> (u64, u64, GapReason, Position) {
    match resume(position, room) {
        Resume::Gap(gap) => (gap.from.0, gap.to.0, gap.reason, gap.position.unwrap()),
        Resume::From(position) => panic!("no gap, but {position:?}"),
    }
}

#[test]
fn the_start_is_valid_in_every_history() {
    assert_eq!(resume(Position::START, None), Resume::From(Position::START));
    assert_eq!(resume(Position::START, Some(&room(&[(A, 0)], 9, 1))), Resume::From(Position::START));
}

#[test]
fn a_position_in_the_log_goes_on_from_itself() {
    for offset in 1..=9 {
        assert_eq!(resume(at(A, offset), Some(&room(&[(A, 0)], 9, 1))), Resume::From(at(A, offset)));
    }
}

#[test]
fn another_chain_is_another_history_at_every_offset() {
    for offset in 1..=9 {
        let wrong = Position { chain: chain(99), ..at(A, offset) };
        assert_eq!(
            gap(wrong, Some(&room(&[(A, 0)], 9, 1))),
            (1, offset, GapReason::History, Position::START)
        );
    }
}

#[test]
fn an_unknown_epoch_and_an_offset_above_the_head_are_another_history() {
    let log = room(&[(A, 0)], 9, 4);
    assert_eq!(gap(at(X, 9), Some(&log)), (1, 9, GapReason::History, at(A, 3)));
    assert_eq!(gap(at(A, 10), Some(&log)), (1, 10, GapReason::History, at(A, 3)));
    assert_eq!(gap(Position { epoch: None, ..at(A, 5) }, Some(&log)), (1, 5, GapReason::History, at(A, 3)));
    assert_eq!(gap(at(A, 5), None), (1, 5, GapReason::History, Position::START));
}

#[test]
fn below_the_horizon_is_a_gap_up_to_it() {
    let log = room(&[(A, 0)], 9, 6);
    assert_eq!(gap(Position::START, Some(&log)), (1, 5, GapReason::Trimmed, at(A, 5)));
    assert_eq!(gap(at(A, 2), Some(&log)), (3, 5, GapReason::Trimmed, at(A, 5)));
    assert_eq!(resume(at(A, 5), Some(&log)), Resume::From(at(A, 5)));
    assert_eq!(resume(at(A, 6), Some(&log)), Resume::From(at(A, 6)));
}

#[test]
fn a_log_trimmed_to_its_head_still_verifies() {
    let log = room(&[(A, 0)], 9, 10);
    assert_eq!(resume(at(A, 9), Some(&log)), Resume::From(at(A, 9)));
    assert_eq!(gap(at(A, 8), Some(&log)), (9, 9, GapReason::Trimmed, at(A, 9)));
}

#[test]
fn after_a_restore_only_what_lies_beyond_the_fork_is_dropped() {
    let log = room(&[(A, 0), (B, 5)], 9, 1);
    assert_eq!(gap(at(A, 7), Some(&log)), (6, 7, GapReason::Restored, at(A, 5)));
    assert_eq!(resume(at(A, 5), Some(&log)), Resume::From(at(A, 5)));
    assert_eq!(resume(at(A, 3), Some(&log)), Resume::From(at(A, 3)));
    assert_eq!(resume(at(B, 7), Some(&log)), Resume::From(at(B, 7)));
    assert_eq!(resume(at(B, 3), Some(&log)), Resume::From(at(A, 3)), "an old offset under the new epoch");
}

#[test]
fn a_restore_before_anything_was_appended_again() {
    let log = room(&[(A, 0), (B, 5)], 5, 1);
    assert_eq!(gap(at(A, 7), Some(&log)), (6, 7, GapReason::Restored, at(A, 5)));
    assert_eq!(gap(at(B, 6), Some(&log)), (1, 6, GapReason::History, Position::START));
}

#[test]
fn a_fork_below_the_horizon_is_two_gaps() {
    let log = room(&[(A, 0), (B, 5)], 20, 11);
    let (from, to, reason, next) = gap(at(A, 7), Some(&log));
    assert_eq!((from, to, reason), (6, 7, GapReason::Restored));
    assert_eq!(gap(next, Some(&log)), (6, 10, GapReason::Trimmed, at(B, 10)));
}

#[test]
fn deciding_again_always_ends() {
    let log = room(&[(A, 0), (B, 5), (X, 8)], 12, 7);
    for epoch in [A, B, X] {
        for offset in 0..20 {
            let mut position = if offset == 0 { Position::START } else { at(epoch, offset) };
            let mut gaps = 0;
            while let Resume::Gap(gap) = resume(position, Some(&log)) {
                position = gap.position.unwrap();
                gaps += 1;
                assert!(gaps <= 4, "{epoch:?} {offset}");
            }
        }
    }
}
