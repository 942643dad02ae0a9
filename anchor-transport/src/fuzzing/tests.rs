//! The bodies of the fuzz targets over a bounded number of inputs: random bytes, and samples with something changed.

#[path = "../../../fuzz/seeds.rs"]
mod seeds;

#[cfg(feature = "sabotage")]
mod sabotage;

use proptest::prelude::*;

use self::seeds::{check_seeds, config, inputs};
use super::*;

#[test]
fn the_seeds_of_the_corpus_are_the_samples() {
    check_seeds("frames", frame_samples());
    check_seeds("session", session_samples());
    check_seeds("outbox_records", outbox_record_samples());
    check_seeds("outbox_file", outbox_file_samples());
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
