//! Deliberate faults of a session that these tests catch.

use super::{delivering, passing, permits, publishing, resuming, unread, watching};
use crate::sabotage::{Sabotage, assert_caught};

#[test]
fn a_gap_that_is_not_announced_is_caught() {
    assert_caught(Sabotage::GapNotAnnounced, resuming::after_a_proper_restore_only_what_was_lost_is_dropped);
    assert_caught(Sabotage::GapNotAnnounced, resuming::what_was_trimmed_is_a_gap_with_its_range);
}

#[test]
fn a_gap_of_one_too_many_at_the_horizon_is_caught() {
    assert_caught(Sabotage::HorizonOffByOne, resuming::what_was_trimmed_is_a_gap_with_its_range);
}

#[test]
fn seq_7_before_6_is_caught() {
    assert_caught(Sabotage::SeqOvertakes, publishing::publishes_read_at_once_are_appended_in_their_order);
}

#[test]
fn a_repeat_that_is_appended_again_is_caught() {
    assert_caught(
        Sabotage::RepeatGetsNewOffset,
        publishing::a_repeat_gets_the_first_outcome_and_appends_nothing,
    );
}

#[test]
fn a_beat_that_says_current_when_it_is_not_is_caught() {
    assert_caught(Sabotage::BeatLies, delivering::a_beat_names_every_room_of_which_something_is_missing);
}

#[test]
fn a_removed_member_that_reads_on_is_caught() {
    assert_caught(
        Sabotage::RemovedReadsOn,
        permits::a_removed_member_gets_what_removed_it_and_nothing_behind_that,
    );
}

#[test]
fn a_removal_that_is_not_told_is_caught() {
    assert_caught(
        Sabotage::RemovalUntold,
        permits::a_removed_member_gets_what_removed_it_and_nothing_behind_that,
    );
}

#[test]
fn a_newcomer_that_reads_all_is_caught() {
    assert_caught(
        Sabotage::NewcomerReadsAll,
        permits::a_newcomer_sees_what_follows_its_joining_and_is_told_what_is_hidden,
    );
}

#[test]
fn a_permit_that_is_kept_is_caught() {
    assert_caught(
        Sabotage::PermitKept,
        permits::a_removed_member_gets_what_removed_it_and_nothing_behind_that,
    );
}

#[test]
fn an_admin_that_reads_what_two_say_to_each_other_is_caught() {
    assert_caught(Sabotage::AdminReadsDirect, permits::what_two_say_to_each_other_is_not_an_admins_to_read);
}

#[test]
fn a_profile_that_is_told_to_all_is_caught() {
    assert_caught(
        Sabotage::ProfileToldToAll,
        passing::a_new_profile_is_told_once_to_each_session_in_a_room_that_its_user_has_joined,
    );
}

#[test]
fn a_signal_for_one_that_is_told_to_all_is_caught() {
    assert_caught(
        Sabotage::SignalForOneToldToAll,
        passing::a_signal_goes_to_all_others_to_a_user_or_to_a_client_who_are_there,
    );
}

#[test]
fn a_signal_that_nobody_asks_about_is_caught() {
    assert_caught(Sabotage::SignalUnasked, passing::who_may_not_write_may_not_signal);
}

#[test]
fn a_receipt_that_is_told_before_it_is_durable_is_caught() {
    assert_caught(
        Sabotage::ReceiptBeforeDurable,
        unread::a_store_that_is_away_gets_it_later_and_nobody_is_told_before,
    );
}

#[test]
fn a_hidden_receipt_that_is_told_is_caught() {
    assert_caught(
        Sabotage::HiddenReceiptTold,
        watching::who_keeps_receipts_back_is_not_told_of_until_writing,
    );
}

#[test]
fn own_messages_that_are_unread_are_caught() {
    assert_caught(
        Sabotage::AuthorHasNotRead,
        unread::own_messages_and_those_from_before_joining_are_never_unread,
    );
}

#[test]
fn messages_from_before_joining_that_are_unread_are_caught() {
    assert_caught(
        Sabotage::UnreadBeforeJoin,
        unread::own_messages_and_those_from_before_joining_are_never_unread,
    );
}

#[test]
fn typing_that_is_echoed_is_caught() {
    assert_caught(
        Sabotage::TypingEchoed,
        watching::typing_is_told_to_others_and_over_when_it_is_not_said_anew,
    );
}

#[test]
fn typing_that_stays_is_caught() {
    assert_caught(
        Sabotage::TypingStays,
        watching::typing_is_told_to_others_and_over_when_it_is_not_said_anew,
    );
}

#[test]
fn rooms_that_are_caught_up_with_as_they_were_asked_for_are_caught() {
    assert_caught(
        Sabotage::OldestCaughtUpFirst,
        unread::rooms_in_which_something_was_said_last_are_caught_up_with_first,
    );
}

#[test]
fn a_connection_that_flaps_and_is_told_of_is_caught() {
    assert_caught(Sabotage::PresenceUnsettled, watching::a_connection_that_flaps_is_no_user_who_goes);
}
