//! Time stands still, alarms ring in time, and the dice fall the same way twice.

use futures::FutureExt;

use super::*;

#[test]
fn time_moves_only_when_told() {
    let env = TestEnvironment::new(1);
    assert_eq!((env.now(), env.unix_ms()), (Monotonic::default(), UNIX_MS_AT_START));
    env.advance(Duration::from_millis(1_500));
    assert_eq!(env.now(), Monotonic(Duration::from_millis(1_500)));
    assert_eq!(env.unix_ms(), UNIX_MS_AT_START + 1_500);
    env.set_unix_ms(7);
    assert_eq!((env.now(), env.unix_ms()), (Monotonic(Duration::from_millis(1_500)), 7));
}

#[test]
fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
    let env = TestEnvironment::new(1);
    let mut late = env.sleep_until(Monotonic(Duration::from_secs(2)));
    let mut early = env.sleep_until(Monotonic(Duration::from_secs(1)));
    assert!(late.as_mut().now_or_never().is_none());
    assert!(early.as_mut().now_or_never().is_none());
    assert!(env.advance_to_next());
    assert!(early.as_mut().now_or_never().is_some());
    assert!(late.as_mut().now_or_never().is_none());
    drop(late);
    assert_eq!(env.next_deadline(), None, "a dropped sleep is no alarm");
    assert!(!env.advance_to_next());
    assert!(env.sleep_until(Monotonic::default()).now_or_never().is_some());
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let draw = |seed| {
        let mut bytes = [0; 13];
        TestEnvironment::new(seed).fill_random(&mut bytes);
        bytes
    };
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
    assert_eq!(SplitMix64::new(0).draw(), 0xe220_a839_7b1d_cdaf, "the published first value for seed 0");
}
