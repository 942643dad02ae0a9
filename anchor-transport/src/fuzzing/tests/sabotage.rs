//! Deliberate faults of the engine, the session and the store in memory that hostile sessions catch.

use anchor_core::sabotage::{Sabotage, assert_caught};

use super::super::{session, session_samples};

/// The samples alone: each of the faults shows itself in one of them, without any luck.
fn sessions() {
    session_samples().iter().for_each(|(_, script)| session(script));
}

#[test]
fn an_offset_that_is_skipped_is_caught() {
    assert_caught(Sabotage::OffsetSkipped, sessions);
}

#[test]
fn a_repeat_that_gets_a_new_offset_is_caught() {
    assert_caught(Sabotage::RepeatGetsNewOffset, sessions);
}

#[test]
fn a_gap_that_goes_one_event_too_far_is_caught() {
    assert_caught(Sabotage::HorizonOffByOne, sessions);
}

#[test]
fn a_gap_that_is_not_announced_is_caught() {
    assert_caught(Sabotage::GapNotAnnounced, sessions);
}

#[test]
fn a_hole_in_a_tail_is_caught() {
    assert_caught(Sabotage::HoleInTail, sessions);
}

#[test]
fn a_seq_that_overtakes_another_is_caught() {
    assert_caught(Sabotage::SeqOvertakes, sessions);
}

#[test]
fn a_beat_that_lies_is_caught() {
    assert_caught(Sabotage::BeatLies, sessions);
}

#[test]
fn a_last_wake_up_that_is_lost_is_caught() {
    assert_caught(Sabotage::LastWakeUpLost, sessions);
}
