//! Deliberate faults of the machine that these tests catch.

use anchor_core::sabotage::{Sabotage, assert_caught};

use super::{announcing, publishing, reading, settling};

#[test]
fn a_cursor_that_goes_back_is_caught() {
    assert_caught(Sabotage::CursorGoesBack, reading::events_at_or_below_the_cursor_are_ignored);
}

#[test]
fn a_frame_of_a_stale_subscription_is_caught() {
    assert_caught(
        Sabotage::StaleFrameAccepted,
        reading::what_still_comes_of_a_subscription_is_not_taken_for_a_part_of_the_next,
    );
}

#[test]
fn an_entry_dropped_on_a_code_that_says_resend_is_caught() {
    assert_caught(Sabotage::ResendCodeDropsEntry, publishing::a_goodbye_that_says_resend_decides_nothing);
}

#[test]
fn waits_sent_before_the_removal_is_durable_is_caught() {
    assert_caught(
        Sabotage::WaitsBeforeRemoval,
        publishing::an_answered_entry_waits_as_long_as_it_stands_on_disk,
    );
}

#[test]
fn a_clone_that_re_keys_at_once_is_caught() {
    assert_caught(
        Sabotage::CloneRekeysAtOnce,
        settling::replaced_takes_a_new_id_and_settles_under_the_old_one_first,
    );
}

#[test]
fn announcements_that_begin_anew_are_caught() {
    assert_caught(
        Sabotage::AnnouncementsBeginAnew,
        announcing::a_later_process_goes_on_where_announcements_were_taken,
    );
}
