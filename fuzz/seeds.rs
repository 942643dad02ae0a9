//! What the property tests of the fuzz bodies share, whichever crate a body lives in: their inputs, and the seeds in
//! `corpus/`. A file of each of their tests (`#[path]`), because it reads files, which `anchor-core` does not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::conformance::hostile::nearly;
use proptest::collection::vec;
use proptest::prelude::*;

/// What a seed is called, and its bytes.
type Samples = Vec<(String, Vec<u8>)>;

/// Random bytes, and nearly right ones.
pub(super) fn inputs(samples: Samples) -> impl Strategy<Value = Vec<u8>> {
    let samples: Vec<_> = samples.into_iter().map(|(_, bytes)| bytes).collect();
    prop_oneof![
        1 => vec(any::<u8>(), 0..300),
        4 => any::<u64>().prop_map(move |seed| nearly(&samples, &mut SplitMix64::new(seed))),
    ]
}

/// So many inputs; what fails is made a test by hand, and not kept beside it.
pub(super) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// The seeds of the corpus are the samples: a change of these writes those, with `ANCHOR_TEST_WRITE_SEEDS=1`.
pub(super) fn check_seeds(target: &str, samples: Samples) {
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
