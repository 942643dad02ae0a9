//! Runs stay within their bytes, and what is used stays longest.

use anchor_core::id::RoomId;
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal};
use anchor_core::run::{Contents, Run, RunParts};
use bytes::Bytes;

use super::Runs;

fn run(first: u64, bytes: usize) -> Run {
    let mark =
        |offset| Mark { offset: Offset(offset), ordinal: Ordinal(0), chain: Chain::from_bytes([0; 8]) };
    let epoch = Epoch::from_bytes([1; 8]);
    let (before, tip) = (mark(first - 1), mark(first));
    Run::from_parts(RunParts {
        room: RoomId::lobby(),
        epoch,
        before,
        tip,
        events: Bytes::from(vec![0; bytes]),
        contents: Contents::PLAIN,
    })
}

#[test]
fn stays_within_its_bytes_and_keeps_what_is_used() {
    let mut runs = Runs::new(100_000);
    for number in 1..1_000 {
        runs.insert(number, run(number, 1_000));
        assert!(runs.bytes() <= 100_000, "{} bytes", runs.bytes());
        assert!(runs.newest(1, 1).is_some(), "it was used since its last turn");
    }
    assert!(runs.newest(2, 2).is_none());
    runs.insert(2_000, run(2_000, 100_000));
    assert!(runs.newest(2_000, 2_000).is_none(), "it is larger than everything may be");
}

#[test]
fn frames_that_are_made_later_count() {
    let mut runs = Runs::new(100_000);
    runs.insert(1, run(1, 1_000));
    let before = runs.bytes();
    let kept = runs.newest(0, 1).expect("it was inserted");
    kept.frame(0, |_| Bytes::from(vec![0; 5_000]));
    assert!(runs.newest(0, 1).is_some());
    assert!(runs.bytes() > before + 3_000);
}

#[test]
fn what_is_removed_again_and_again_leaves_nothing() {
    let mut runs = Runs::new(100_000);
    for _ in 0..10_000 {
        runs.insert(1, run(1, 1_000));
        runs.remove(&1);
    }
    assert_eq!(runs.bytes(), 0);
    assert!(runs.turns.len() < 1_000);
}
