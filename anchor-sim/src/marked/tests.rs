//! Cursors that went back, or further than anybody said, are found.

use anchor_core::cursor::ReadMark;
use anchor_core::position::{Chain, Epoch, Mark, Ordinal};
use anchor_core::store::EpochStart;

use super::*;

fn mark(offset: u64) -> Mark {
    Mark { offset: Offset(offset), ordinal: Ordinal(offset), chain: Chain::from_bytes([0; 8]) }
}

/// What is wrong with somebody who said 5, was answered 4 and wrote `written`, and has read up to `read` of ten events.
fn wrong(written: u64, read: u64) -> Option<String> {
    let (marked, user, room) = (Marked::default(), UserId::new("ada").unwrap(), RoomId::lobby());
    marked.asks(&user, &room, Offset(5));
    marked.answered(&user, &room, Offset(4), marked.restores());
    let state = RoomState {
        epochs: vec![EpochStart { epoch: Epoch::from_bytes([1; 8]), before: Mark::START }],
        head: mark(10),
        horizon: Offset(2),
        before_horizon: mark(1),
    };
    let read = ReadMark::from(mark(read));
    let cursors = Cursors { delivered: read.offset, read, shown: read.offset };
    marked.verdict(&user, &room, Offset(written), &state, cursors)
}

#[test]
fn what_was_said_answered_and_written_holds() {
    for read in [4, 5] {
        assert_eq!(wrong(0, read), None);
    }
    assert_eq!(wrong(8, 8), None);
}

#[test]
fn what_goes_back_or_too_far_is_found() {
    assert!(wrong(0, 3).unwrap().contains("was told to have read"));
    assert!(wrong(8, 5).unwrap().contains("wrote 8"));
    assert!(wrong(0, 6).unwrap().contains("never said so"));
}

#[test]
fn what_a_restore_took_is_not_missed() {
    let (marked, user, room) = (Marked::default(), UserId::new("ada").unwrap(), RoomId::lobby());
    let before = marked.restores();
    marked.restored();
    // It was read before the log went back, and is told afterwards.
    marked.answered(&user, &room, Offset(4), before);
    assert!(marked.all().is_empty());
}
