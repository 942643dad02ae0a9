//! Deliberate faults that the public suites catch in the reference store, and the tests of the engine in the engine.

use anchor_core::conformance::store::{
    append, cursors, records, redaction, reopen, repeat, restore, sessions,
};
use anchor_core::sabotage::{Sabotage, assert_caught};
use futures::executor::block_on;

use crate::engine;
use crate::factories::InMemory;

#[test]
fn an_offset_skipped_is_caught() {
    assert_caught(Sabotage::OffsetSkipped, || {
        block_on(append::offsets_are_dense_under_concurrent_appends(&InMemory));
    });
}

#[test]
fn a_window_lost_on_reopen_is_caught() {
    assert_caught(Sabotage::WindowLostOnReopen, || block_on(reopen::test_all(&InMemory)));
}

#[test]
fn a_repeat_with_a_new_offset_is_caught() {
    assert_caught(Sabotage::RepeatGetsNewOffset, || {
        block_on(repeat::a_repeat_gets_the_first_ack(&InMemory));
    });
}

#[test]
fn an_epoch_kept_after_a_restore_is_caught() {
    assert_caught(Sabotage::EpochKeptAfterRestore, || block_on(restore::test_all(&InMemory)));
}

#[test]
fn a_redacted_body_that_is_kept_is_caught() {
    assert_caught(Sabotage::RedactedBodyKept, || {
        block_on(redaction::a_redacted_body_is_gone_and_the_chain_stays(&InMemory));
    });
}

#[test]
fn a_floor_that_falls_is_caught() {
    assert_caught(Sabotage::FloorFalls, || {
        block_on(sessions::a_session_says_what_is_decided_and_raises_the_floor(&InMemory));
    });
}

#[test]
fn a_cursor_that_falls_back_is_caught() {
    assert_caught(Sabotage::ReadFallsBack, || block_on(cursors::a_cursor_goes_to_the_furthest(&InMemory)));
}

#[test]
fn a_guard_that_is_ignored_is_caught() {
    assert_caught(Sabotage::GuardIgnored, || block_on(records::a_failed_guard_writes_nothing(&InMemory)));
}

#[test]
fn a_tail_registered_after_its_head_was_read_is_caught() {
    assert_caught(
        Sabotage::TailRegisteredLate,
        engine::no_commit_falls_between_a_reader_and_the_head_that_it_begins_at,
    );
}

#[test]
fn a_hole_in_a_tail_is_caught() {
    assert_caught(
        Sabotage::HoleInTail,
        engine::what_the_bus_lost_is_read_from_the_store_once_the_next_message_shows_it,
    );
}

#[test]
fn a_last_wake_up_lost_is_caught() {
    assert_caught(
        Sabotage::LastWakeUpLost,
        engine::a_last_message_that_the_bus_lost_is_made_up_by_the_next_look_at_the_heads,
    );
}
