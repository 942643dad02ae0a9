//! When what is due.

use super::*;

#[test]
fn messages_are_due_by_the_clock_whenever_one_asks() {
    let mut ticks = Ticks::new(vec![4, 7], Nanos(1_000), 1e6);
    assert_eq!(ticks.due(Nanos(999)), None);
    assert_eq!(ticks.due(Nanos(1_000)), Some((4, Nanos(1_000))));
    assert_eq!(ticks.due(Nanos(1_000)), None);
    assert_eq!(ticks.next(), Nanos(2_000));
    // Who comes late finds all that was due meanwhile, since when it was.
    let late: Vec<_> = std::iter::from_fn(|| ticks.due(Nanos(4_500))).collect();
    assert_eq!(late, [(7, Nanos(2_000)), (4, Nanos(3_000)), (7, Nanos(4_000))]);
}

#[test]
fn nobody_has_nothing_to_say() {
    assert_eq!(Ticks::new(Vec::new(), Nanos(0), 1.0).due(Nanos(u64::MAX)), None);
}
