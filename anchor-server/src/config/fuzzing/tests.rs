//! The body of the fuzz target over a bounded number of inputs: random bytes, and configurations with something changed.

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::hostile::nearly;
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::*;

/// Random bytes, and nearly right ones.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let samples: Vec<_> = configuration_samples().into_iter().map(|(_, bytes)| bytes).collect();
    prop_oneof![
        1 => vec(any::<u8>(), 0..300),
        4 => any::<u64>().prop_map(move |seed| nearly(&samples, &mut SplitMix64::new(seed))),
    ]
}

#[test]
fn the_samples_hold() {
    let file = NamedTempFile::new().unwrap();
    configuration_samples().iter().for_each(|(_, bytes)| configuration(file.path(), bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn configurations_hold(input in inputs()) {
        let file = NamedTempFile::new().unwrap();
        configuration(file.path(), &input);
    }
}
