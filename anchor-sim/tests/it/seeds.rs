//! A few seeds, in the ordinary tests. `.ci/run` and people run more.

use anchor_sim::{Options, run};

/// Seeds of every kind: one server and several, calm and stormy. More are run in the release profile.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=16;

#[test]
fn the_promise_holds() {
    let options = Options { steps: 120, ..Options::default() };
    let (mut acks, mut mishaps) = (0, 0);
    for seed in SEEDS {
        let report = run(seed, &options);
        assert!(report.is_good(), "{report}\n{}\n{}", report.violations.join("\n"), report.lines.join("\n"));
        acks += report.counts.acks;
        mishaps += report.mishaps;
    }
    assert!(acks > 500 && mishaps > 100, "nothing was tried: {acks} acks, {mishaps} mishaps");
}

#[test]
fn the_same_seed_does_the_same_again_to_the_byte() {
    let options = Options { steps: 120, trace_lines: usize::MAX };
    for seed in [3, 5, 9] {
        let [one, other] = [(); 2].map(|()| run(seed, &options));
        assert!(one.lines.len() > 100, "there is something to compare");
        assert_eq!(one.lines, other.lines);
        assert_eq!((one.digest, one.polls, one.took), (other.digest, other.polls, other.took));
    }
}

#[test]
fn another_seed_does_something_else() {
    let options = Options { steps: 60, ..Options::default() };
    assert_ne!(run(1, &options).digest, run(2, &options).digest);
}
