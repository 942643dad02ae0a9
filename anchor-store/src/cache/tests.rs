//! A cache stays within its bound and keeps what it must.

use super::Cache;
use crate::hash::Seed;

#[test]
fn stays_bounded_and_keeps_what_must_stay() {
    let mut cache = Cache::new(100, Seed::with_seeds(1, 2, 3, 4));
    for number in 0..10_000_u32 {
        cache.insert(number, number == 7);
        cache.sweep(|pinned| !pinned);
        assert!(cache.len() <= 301, "{} entries", cache.len());
    }
    assert!(cache.get_mut(&7).is_some());
}

#[test]
fn what_is_used_outlives_what_is_not() {
    let mut cache = Cache::new(100, Seed::with_seeds(1, 2, 3, 4));
    cache.insert(0_u32, ());
    for number in 1..=250 {
        assert!(cache.get_mut(&0).is_some());
        cache.insert(number, ());
        if number % 60 == 0 {
            cache.sweep(|()| true);
        }
    }
    assert!(cache.get_mut(&1).is_none());
}
