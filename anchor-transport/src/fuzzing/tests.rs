//! The bodies of the fuzz targets over a bounded number of inputs: random bytes, and samples with something changed.

#[cfg(feature = "sabotage")]
mod sabotage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

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

/// The seeds of the corpus are the samples: a change of these writes those, with `ANCHOR_TEST_WRITE_SEEDS=1`.
fn check_seeds(target: &str, samples: Vec<(String, Vec<u8>)>) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let made: BTreeMap<_, _> =
        samples.into_iter().map(|(name, bytes)| (format!("seed-{name}"), bytes)).collect();
    if std::env::var_os("ANCHOR_TEST_WRITE_SEEDS").is_some() {
        fs::create_dir_all(&corpus).unwrap();
        kept_seeds(&corpus).into_keys().for_each(|name| fs::remove_file(corpus.join(name)).unwrap());
        made.iter().for_each(|(name, bytes)| fs::write(corpus.join(name), bytes).unwrap());
    }
    let kept = kept_seeds(&corpus);
    let differ: Vec<_> =
        made.keys().chain(kept.keys()).filter(|name| made.get(*name) != kept.get(*name)).collect();
    assert!(differ.is_empty(), "{target}: write the seeds anew, see fuzz/README.md: {differ:?}");
}

/// What fuzzing added is no seed.
fn kept_seeds(corpus: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(corpus).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let seeds = named.filter(|(name, _)| name.starts_with("seed-"));
    seeds.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

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
