//! Deliberate faults of the store that its crash tests catch. Those that the public suites catch are in `anchor-sim`.

use anchor_core::sabotage::{Sabotage, assert_caught};

use crate::crash::nothing_acknowledged_is_lost_at_any_sync;

#[test]
fn an_ack_before_the_commit_is_caught() {
    assert_caught(Sabotage::AckBeforeCommit, nothing_acknowledged_is_lost_at_any_sync);
}

#[test]
fn a_window_lost_on_reopen_is_caught() {
    assert_caught(Sabotage::WindowLostOnReopen, nothing_acknowledged_is_lost_at_any_sync);
}

#[test]
fn a_journal_trimmed_before_its_pages_are_durable_is_caught() {
    assert_caught(Sabotage::JournalTrimmedEarly, nothing_acknowledged_is_lost_at_any_sync);
}

#[test]
fn a_duplicate_acked_before_the_first_is_durable_is_caught() {
    assert_caught(Sabotage::DuplicateAckedEarly, nothing_acknowledged_is_lost_at_any_sync);
}

#[test]
fn an_overlay_that_readers_see_is_caught() {
    assert_caught(Sabotage::OverlayVisible, nothing_acknowledged_is_lost_at_any_sync);
}

#[test]
fn users_lost_on_reopen_are_caught() {
    assert_caught(Sabotage::UsersLostOnReopen, crate::crash_rows::rows_hold_at_any_sync);
}

#[test]
fn authors_lost_on_reopen_are_caught() {
    assert_caught(Sabotage::AuthorsLostOnReopen, crate::crash_rows::rows_hold_at_any_sync);
}

#[test]
fn cursors_that_outlive_their_log_are_caught() {
    assert_caught(
        Sabotage::CursorsOutliveLog,
        crate::cursors::in_a_restored_copy_nobody_has_come_further_than_the_log,
    );
}
