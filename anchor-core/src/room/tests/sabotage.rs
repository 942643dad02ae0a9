//! Deliberate faults of what is folded of a room that these tests catch.

use super::{amendments, direct, settings};
use crate::sabotage::{Sabotage, assert_caught};

#[test]
fn a_reaction_that_is_kept_is_caught() {
    assert_caught(Sabotage::ReactionKept, amendments::everybody_sets_a_sign_once);
}

#[test]
fn a_direct_room_that_is_opened_twice_is_caught() {
    assert_caught(Sabotage::DirectOpenedTwice, direct::the_second_to_create_it_finds_it_there);
}

#[test]
fn a_nobody_that_is_everybody_is_caught() {
    assert_caught(Sabotage::NobodyIsEverybody, direct::who_shares_no_room_needs_leave_to_talk);
}

#[test]
fn a_block_that_is_not_heeded_is_caught() {
    assert_caught(Sabotage::BlockUnheeded, direct::a_blocked_user_neither_opens_nor_writes);
}

#[test]
fn a_report_that_members_read_is_caught() {
    assert_caught(Sabotage::ReportsReadByMembers, settings::a_report_lies_before_the_moderators);
}
