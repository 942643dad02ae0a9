//! The body of the fuzz target over a bounded number of inputs: random bytes, and values with something changed.

#[path = "../../../fuzz/seeds.rs"]
mod seeds;

use proptest::prelude::*;

use self::seeds::{check_seeds, config, inputs};
use super::*;

#[test]
fn the_seeds_of_the_corpus_are_the_samples() {
    check_seeds("stored_values", stored_value_samples());
}

#[test]
fn the_samples_hold() {
    stored_value_samples().iter().for_each(|(_, bytes)| stored_values(bytes));
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn stored_values_hold(input in inputs(stored_value_samples())) {
        stored_values(&input);
    }
}
