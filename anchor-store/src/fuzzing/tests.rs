//! The body of the fuzz target over a bounded number of inputs: random bytes, and values with something changed.

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::hostile::nearly;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Random bytes behind a kind, and nearly right ones.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let samples: Vec<_> = stored_value_samples().into_iter().map(|(_, bytes)| bytes).collect();
    prop_oneof![
        1 => vec(any::<u8>(), 0..300),
        4 => any::<u64>().prop_map(move |seed| nearly(&samples, &mut SplitMix64::new(seed))),
    ]
}

#[test]
fn the_samples_hold() {
    stored_value_samples().iter().for_each(|(_, bytes)| stored_values(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stored_values_hold(input in inputs()) {
        stored_values(&input);
    }
}
