//! The body of the fuzz target over a bounded number of inputs: random bytes, and configurations with something changed.

#[path = "../../../../fuzz/seeds.rs"]
mod seeds;

use proptest::prelude::*;
use tempfile::NamedTempFile;

use self::seeds::{check_seeds, config, inputs};
use super::*;

#[test]
fn the_seeds_of_the_corpus_are_the_samples() {
    check_seeds("configuration", configuration_samples());
}

#[test]
fn the_samples_hold() {
    let file = NamedTempFile::new().unwrap();
    configuration_samples().iter().for_each(|(_, bytes)| configuration(file.path(), bytes));
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn configurations_hold(input in inputs(configuration_samples())) {
        let file = NamedTempFile::new().unwrap();
        configuration(file.path(), &input);
    }
}
