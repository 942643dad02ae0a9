//! The edits differ, repeat with their dice, and cope with samples that are short.

use std::collections::BTreeSet;

use super::*;

#[test]
fn the_same_dice_give_the_same_bytes_and_others_give_others() {
    let samples = vec![b"[\"subscribe\",2,\"lobby\",[\"start\"]]".to_vec(), b"[\"beat\"]".to_vec()];
    let drawn = |seed| nearly(&samples, &mut SplitMix64::new(seed));
    assert!((0..200).all(|seed| drawn(seed) == drawn(seed)));
    let different: BTreeSet<_> = (0..200).map(drawn).collect();
    assert!(different.len() > 150, "{} of 200", different.len());
}

#[test]
fn short_samples_and_none_are_no_trouble() {
    for samples in [vec![], vec![vec![]], vec![vec![7], vec![]]] {
        for seed in 0..500 {
            drop(nearly(&samples, &mut SplitMix64::new(seed)));
        }
    }
}
