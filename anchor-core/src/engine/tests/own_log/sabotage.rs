//! Deliberate faults of deriving that these tests catch.

use crate::sabotage::{Sabotage, assert_caught};

#[test]
fn an_entry_that_is_written_twice_is_caught() {
    assert_caught(Sabotage::OwnLogEntryTwice, super::whoever_crashes_wherever_each_is_entered_once);
    assert_caught(Sabotage::OwnLogEntryTwice, super::nodes_that_derive_at_the_same_time_enter_each_once);
}
