//! Numbers that nothing ever wrote are damage, and say so when they are read.

use anchor_core::id::{NUMBER_MAX, RoomId};
use anchor_core::limits::WINDOW;
use bytes::Bytes;

use super::*;
use crate::journal::Commit;
use crate::pages::{Page, Row};
use crate::windows;

fn mark(out: &mut Encoder, offset: u64) {
    out.array(3).uint(offset).uint(0).bin(&[0; 8]);
}

/// A page of `events` events, by its marks, and no salts.
fn page(events: u64) -> Vec<u8> {
    let mut out = Encoder::default();
    out.array(5).bin(&[3; 8]);
    mark(&mut out, 0);
    mark(&mut out, events);
    out.bin(&[]).bin(&[]);
    out.into_bytes()
}

/// A commit with a run of `events` events, by its marks, and no salts.
fn commit(events: u64) -> Bytes {
    let mut out = Encoder::default();
    out.array(4).array(1).array(7).str(RoomId::lobby().as_str()).bin(&[3; 8]);
    mark(&mut out, 0);
    mark(&mut out, events);
    out.uint(0).bin(&[]).bin(&[]).array(0).array(0).array(0);
    out.into_bytes().into()
}

/// Found by fuzzing: the 16 bytes beside each of 2^60 events came to 2^64, which is none. With overflow checks that was a
/// panic of the reader; without, such a run without a byte in it was taken for sound.
#[test]
fn more_events_than_numbers_go_are_damage() {
    for events in [1 << 60, NUMBER_MAX + 1, u64::MAX, 1] {
        assert!(Page::decode(&page(events)).is_err(), "{events}");
        assert!(Commit::decode(&commit(events)).is_err(), "{events}");
    }
}

/// Found by fuzzing: marks, times and offsets above 2^53 - 1 were read as they stood, and the first reader in JSON, or the
/// first addition, met them instead.
#[test]
fn numbers_above_what_the_wire_carries_are_damage() {
    for (number, sound) in [(NUMBER_MAX, true), (NUMBER_MAX + 1, false), (u64::MAX, false)] {
        let mut out = Encoder::default();
        mark(&mut out, number);
        assert_eq!(read_mark(&mut Reader::from_slice(out.as_bytes())).is_ok(), sound, "{number}");
    }
}

/// A row with a horizon behind what it says is before that.
fn row(horizon: u64, before_horizon: u64, head: u64) -> Vec<u8> {
    let mut out = Encoder::default();
    out.array(7).uint(1).uint(horizon);
    mark(&mut out, before_horizon);
    mark(&mut out, head);
    out.uint(0).nil().array(1).array(2).bin(&[3; 8]);
    mark(&mut out, 0);
    out.into_bytes()
}

/// Found by fuzzing: a row whose horizon is not what follows the trimmed part, or lies behind the head by more than one,
/// was taken. Readers are told the one and sent on from the other.
#[test]
fn a_horizon_that_does_not_fit_its_room_is_damage() {
    assert!(Row::decode(&row(5, 4, 9)).is_ok());
    assert!(Row::decode(&row(10, 9, 9)).is_ok(), "everything is trimmed");
    assert!(Row::decode(&row(1, 0, 9)).is_ok(), "nothing is trimmed");
    assert!(Row::decode(&row(6, 4, 9)).is_err());
    assert!(Row::decode(&row(0, 0, 9)).is_err());
    assert!(Row::decode(&row(11, 10, 9)).is_err());
}

/// Found by fuzzing: a window of more outcomes than one may hold was taken, so that nothing bounded what it takes in memory.
#[test]
fn a_window_of_more_than_its_size_is_damage() {
    let window = |entries: usize| {
        let mut out = Encoder::default();
        out.array(3).uint(1).uint(10_000).array(entries);
        for seq in 1..=entries as u64 {
            out.array(6).uint(seq).bin(&[1; 16]).nil().str(Code::Denied.name()).str("no").nil();
        }
        out.into_bytes()
    };
    assert!(windows::decode(&window(WINDOW)).is_ok());
    assert!(windows::decode(&window(WINDOW + 1)).is_err());
}
