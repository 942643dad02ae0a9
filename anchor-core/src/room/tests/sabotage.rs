//! Deliberate faults of what is folded of a room that these tests catch.

use super::amendments;
use crate::sabotage::{Sabotage, assert_caught};

#[test]
fn a_reaction_that_is_kept_is_caught() {
    assert_caught(Sabotage::ReactionKept, amendments::everybody_sets_a_sign_once);
}
