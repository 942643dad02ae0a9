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

/// The receiver of the model keeps what it is given at once, so that one who moves early costs it nothing.
#[test]
fn the_model_catches_what_it_is_not_given() {
    for fault in [Sabotage::ConsumerForgetsRoom, Sabotage::ConsumerSkipsGap] {
        assert_caught(fault, || (0..10).for_each(super::model::run));
    }
}
