//! The answers of a window, case by case, and its invariants under random use.

use proptest::prelude::*;

use super::*;

fn refused(n: u8) -> Decision {
    Decision::Refused(Refusal::new(Code::Denied, n.to_string()))
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

fn print(n: u8) -> Fingerprint {
    Fingerprint([n; 16])
}

fn window_of(seqs: &[u64]) -> Window {
    let mut window = Window::new();
    for n in seqs {
        let low = n.to_le_bytes()[0];
        assert_eq!(window.look_up(seq(*n), print(low)), Verdict::Fresh);
        window.record(Entry { seq: seq(*n), fingerprint: print(low), decision: refused(low) });
    }
    window
}

fn code_of(verdict: Verdict) -> Code {
    match verdict {
        Verdict::Refused(refusal) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_same_publish_gets_the_first_outcome_again() {
    assert_eq!(window_of(&[1, 2, 3]).look_up(seq(2), print(2)), Verdict::Repeat(refused(2)));
}

#[test]
fn another_publish_of_a_used_seq_is_a_conflict() {
    assert_eq!(code_of(window_of(&[1, 2]).look_up(seq(2), print(9))), Code::SeqConflict);
}

#[test]
fn a_seq_in_a_gap_was_skipped_for_ever() {
    assert_eq!(code_of(window_of(&[1, 5]).look_up(seq(3), print(3))), Code::SeqSkipped);
}

#[test]
fn a_seq_below_the_floor_is_forgotten() {
    let mut window = window_of(&[1, 2, 3]);
    window.raise_floor(seq(3));
    assert_eq!(code_of(window.look_up(seq(2), print(2))), Code::SeqForgotten);
    assert_eq!(window.look_up(seq(3), print(3)), Verdict::Repeat(refused(3)));
    window.raise_floor(seq(1));
    assert_eq!(window.floor(), seq(3), "a floor never falls");
}

#[test]
fn a_full_window_evicts_nothing_and_takes_again_once_the_floor_rises() {
    let mut window = window_of(&(1..=WINDOW as u64).collect::<Vec<_>>());
    let next = seq(WINDOW as u64 + 1);
    assert_eq!(window.look_up(next, print(0)), Verdict::Full);
    assert_eq!(window.look_up(seq(1), print(1)), Verdict::Repeat(refused(1)));
    window.raise_floor(seq(2));
    assert_eq!(window.look_up(next, print(0)), Verdict::Fresh);
}

proptest! {
    /// Whatever comes: decided once, repeated the same, never above [`WINDOW`], the floor never falls.
    #[test]
    fn invariants_hold_under_random_use(steps in prop::collection::vec((1..600u64, 0..600u64), 1..600)) {
        let mut window = Window::new();
        let mut appended = std::collections::BTreeSet::new();
        for (n, waits) in steps {
            let floor = window.floor();
            window.raise_floor(seq(waits));
            prop_assert!(window.floor() >= floor);
            let fingerprint = print((n % 251) as u8);
            match window.look_up(seq(n), fingerprint) {
                Verdict::Fresh => {
                    prop_assert!(appended.insert(n), "seq {n} decided twice");
                    window.record(Entry { seq: seq(n), fingerprint, decision: refused((n % 251) as u8) });
                }
                Verdict::Repeat(decision) => prop_assert_eq!(decision, refused((n % 251) as u8)),
                Verdict::Refused(refusal) if refusal.code == Code::SeqSkipped => prop_assert!(!appended.contains(&n)),
                Verdict::Refused(_) | Verdict::Full => {}
            }
            prop_assert!(window.entries().len() <= WINDOW);
            prop_assert!(window.entries().all(|entry| entry.seq >= window.floor()));
            prop_assert_eq!(Window::restore(window.floor(), window.highest(), window.entries().cloned()), window.clone());
        }
    }
}
