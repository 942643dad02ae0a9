//! Right and wrong deliveries, and what the checker says of them.

use super::*;
use crate::command::bench::net::Nanos;

/// One room with two readers, and two authors.
struct Run {
    checker: Checker,
    readers: [Cursor; 2],
}

impl Run {
    fn new() -> Self {
        Self { checker: Checker::new(&[2], 2), readers: [Cursor { room: 0, offset: 0 }; 2] }
    }

    fn told(&mut self, reader: usize, offset: u64, author: u32, number: u64) -> Option<bool> {
        let mark = Mark { author, number, due: Nanos(number) };
        self.checker.delivered(&mut self.readers[reader], offset, Some(mark)).map(|taken| taken.is_done)
    }

    /// Lost, repeated, reordered, strange.
    fn faults(&self) -> [u64; 4] {
        let Faults { lost, repeated, reordered, strange, .. } = self.checker.faults;
        [lost, repeated, reordered, strange]
    }
}

#[test]
fn a_message_is_done_once_acked_and_with_everybody() {
    let mut run = Run::new();
    assert_eq!(run.told(0, 1, 0, 1), Some(false));
    assert_eq!(run.told(1, 1, 0, 1), Some(false));
    assert!(run.checker.acked(0, 1, 0, 1));

    assert!(!run.checker.acked(0, 2, 1, 1), "the ack may come first");
    assert_eq!(run.told(0, 2, 1, 1), Some(false));
    assert_eq!(run.checker.missing(), 1);
    assert_eq!(run.told(1, 2, 1, 1), Some(true));
    assert_eq!((run.faults(), run.checker.missing()), ([0; 4], 0));
    assert!(run.checker.logs[0].entries.is_empty(), "what is done is forgotten");
    assert_eq!(run.told(1, 2, 1, 1), None, "the first events of a frame may be known");
    assert_eq!(run.faults(), [0; 4]);
}

#[test]
fn a_hole_is_lost() {
    let mut run = Run::new();
    run.told(0, 1, 0, 1);
    run.told(0, 4, 0, 2);
    assert_eq!(run.faults(), [2, 0, 0, 0]);
}

#[test]
fn a_message_that_stands_twice_is_repeated() {
    let mut run = Run::new();
    run.told(0, 1, 0, 1);
    run.told(0, 2, 0, 1);
    assert_eq!(run.faults(), [0, 1, 0, 0]);
}

#[test]
fn an_author_who_is_overtaken_by_himself_is_out_of_order() {
    let mut run = Run::new();
    run.told(0, 1, 0, 2);
    assert_eq!(run.faults(), [0, 0, 1, 0]);
    run.told(0, 2, 1, 1);
    assert_eq!(run.faults(), [0, 0, 1, 0], "others are not concerned");
}

#[test]
fn two_readers_are_told_the_same() {
    let mut run = Run::new();
    run.told(0, 1, 0, 1);
    run.told(1, 1, 1, 1);
    assert_eq!(run.faults(), [0, 0, 1, 0]);
}

#[test]
fn an_ack_names_the_place_of_its_message() {
    let mut run = Run::new();
    run.told(0, 1, 0, 1);
    run.checker.acked(0, 1, 1, 1);
    assert_eq!(run.faults(), [0, 0, 1, 0]);
    run.checker.acked(0, 1, 0, 1);
    assert_eq!(run.faults(), [0, 0, 2, 0], "and no place is taken twice");
}

#[test]
fn what_nobody_sent_is_strange() {
    let mut run = Run::new();
    assert!(run.checker.delivered(&mut run.readers[0], 1, None).is_none());
    run.told(0, 2, 7, 1);
    assert_eq!(run.faults(), [0, 0, 0, 2]);
}
