//! The saved cursors of a state, through processes that are killed.

use anchor_core::conformance::promise::{Entry, Log, Mark, Promise, check_all};
use anchor_core::id::Seq;
use anchor_core::position::{Chain, Epoch, Offset};

use super::*;

fn room() -> RoomId {
    RoomId::lobby()
}

fn entry(n: u64) -> Entry {
    let publish = Mark { author: 1, number: Seq::new(n).unwrap() }.publish();
    let chain = Chain::from_bytes(n.to_be_bytes());
    Entry { epoch: Epoch::from_bytes([1; 8]), offset: Offset(n), chain, publish, body: None }
}

fn at(n: u64) -> Position {
    if n == 0 { Position::START } else { entry(n).position() }
}

/// What happens to a state, and the promises that its cursors break.
struct Script {
    cursors: Cursors,
    history: History,
}

impl Script {
    fn new() -> Self {
        Self { cursors: Cursors::new(Reader(1)), history: History::new() }
    }

    fn found(mut self, n: u64) -> Self {
        self.cursors.found(&room(), at(n), &mut self.history);
        self
    }

    fn seen(mut self, offsets: std::ops::RangeInclusive<u64>) -> Self {
        for n in offsets {
            self.cursors.take(&Record::Seen { reader: Reader(9), room: room(), entry: entry(n) });
        }
        self
    }

    fn saving(mut self, n: u64) -> Self {
        self.cursors.saving(&room(), at(n));
        self
    }

    fn saved(mut self, n: u64) -> Self {
        self.cursors.saved(&room(), at(n), &mut self.history);
        self
    }

    fn broken(mut self, head: u64) -> Vec<Promise> {
        self.history.push(Record::FaultsStopped);
        let entries = (1..=head).map(entry).collect();
        let log = Log { epoch: Epoch::from_bytes([1; 8]), before: Offset::ZERO, entries };
        self.history.set_log(room(), log);
        let mut broken: Vec<_> =
            check_all(&self.history).into_iter().map(|violation| violation.promise).collect();
        broken.dedup();
        broken
    }
}

/// 5 is saved, 8 was about to be: the next process may find either.
fn killed_while_saving() -> Script {
    Script::new().found(0).seen(1..=5).saving(5).saved(5).seen(6..=8).saving(8).seen(9..=9)
}

#[test]
fn a_cursor_may_be_the_last_saved_or_the_one_under_way() {
    for found in [5, 8] {
        let script = killed_while_saving().found(found).seen(found + 1..=10).saving(10).saved(10);
        assert_eq!(script.broken(10), []);
    }
}

#[test]
fn a_cursor_that_was_lost_is_found() {
    for found in [0, 3] {
        let script = killed_while_saving().found(found).seen(found + 1..=10).saving(10).saved(10);
        assert!(script.broken(10).contains(&Promise::CursorsNeverGoBack), "found {found}");
    }
}

#[test]
fn a_cursor_ahead_of_what_was_taken_is_found() {
    let script = killed_while_saving().found(9).seen(10..=10).saving(10).saved(10);
    assert!(script.broken(10).contains(&Promise::NoSilentGap));
}

#[test]
fn a_state_that_stays_behind_is_found() {
    assert_eq!(killed_while_saving().broken(9), [Promise::Convergence]);
}
