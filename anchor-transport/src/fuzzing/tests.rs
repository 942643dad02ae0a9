//! The bodies of the fuzz targets over a bounded number of inputs: random bytes, and samples with something changed.

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::hostile::nearly;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Random bytes, and nearly right ones.
fn inputs(samples: Vec<(String, Vec<u8>)>) -> impl Strategy<Value = Vec<u8>> {
    let samples: Vec<_> = samples.into_iter().map(|(_, bytes)| bytes).collect();
    prop_oneof![
        1 => vec(any::<u8>(), 0..300),
        4 => any::<u64>().prop_map(move |seed| nearly(&samples, &mut SplitMix64::new(seed))),
    ]
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_samples_hold() {
    frame_samples().iter().for_each(|(_, bytes)| frames(bytes));
    session_samples().iter().for_each(|(_, bytes)| session(bytes));
    outbox_record_samples().iter().for_each(|(_, bytes)| outbox_records(bytes));
}

#[test]
fn the_samples_of_files_hold() {
    let home = tempfile::tempdir().unwrap();
    outbox_file_samples().iter().for_each(|(_, bytes)| outbox_file(home.path(), bytes));
}

proptest! {
    #![proptest_config(config(8_000))]

    #[test]
    fn frames_hold(input in inputs(frame_samples())) {
        frames(&input);
    }

    #[test]
    fn outbox_records_hold(input in inputs(outbox_record_samples())) {
        outbox_records(&input);
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn sessions_hold(input in inputs(session_samples())) {
        session(&input);
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn outbox_files_hold(input in inputs(outbox_file_samples())) {
        let home = tempfile::tempdir().unwrap();
        outbox_file(home.path(), &input);
    }
}
