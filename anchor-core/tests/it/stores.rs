//! The store suite, and the model, on the reference store: bare, opened anew, restored, wrapped, and slow.

use anchor_core::conformance::{model, store as suite};
use futures::executor::block_on;
use proptest::prelude::*;

use crate::factories::{Held, InMemory, Node, Wrapped};

#[test]
fn memory() {
    block_on(suite::test_all(&InMemory));
}

#[test]
fn memory_opened_anew() {
    block_on(suite::test_reopen(&InMemory));
}

#[test]
fn memory_restored() {
    block_on(suite::test_restore(&InMemory));
}

#[test]
fn another_node() {
    block_on(suite::test_all(&Node));
}

#[test]
fn wrapped() {
    block_on(suite::test_all(&Wrapped));
}

#[test]
fn slow() {
    let held = Held::default();
    block_on(held.releasing(suite::test_all(&held)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn memory_does_what_the_model_does(seed: u64, steps in 1..100usize) {
        block_on(model::check(&InMemory, seed, steps));
    }

    #[test]
    fn memory_opened_anew_does_what_the_model_does(seed: u64, steps in 1..100usize) {
        block_on(model::check_reopening(&InMemory, seed, steps));
    }

    #[test]
    fn a_slow_store_does_what_the_model_does(seed: u64, steps in 1..60usize) {
        let held = Held::default();
        block_on(held.releasing(model::check(&held, seed, steps)));
    }
}
