//! The body of the fuzz target over a bounded number of inputs: random bytes, and configurations with something changed.

use std::collections::BTreeMap;

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
    check_seeds("configuration", configuration_samples());
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
