//! Deliberate faults of a consumer that these tests catch.

use crate::sabotage::{Sabotage, assert_caught};

#[test]
fn a_consumer_that_moves_before_it_is_done_is_caught() {
    assert_caught(
        Sabotage::ConsumerMovesBeforeDone,
        super::what_was_not_done_comes_again_after_a_crash_and_what_was_does_not,
    );
}

#[test]
fn a_room_that_a_consumer_forgets_is_caught() {
    assert_caught(Sabotage::ConsumerForgetsRoom, super::what_comes_is_given_at_once_in_rooms_old_and_new);
}

#[test]
fn a_gap_that_a_consumer_skips_is_caught() {
    assert_caught(Sabotage::ConsumerSkipsGap, super::what_was_trimmed_restored_away_or_deleted_is_told);
}

#[test]
fn the_model_catches_each_of_them() {
    let faults =
        [Sabotage::ConsumerMovesBeforeDone, Sabotage::ConsumerForgetsRoom, Sabotage::ConsumerSkipsGap];
    for fault in faults {
        assert_caught(fault, || (0..10).for_each(super::model::run));
    }
}
