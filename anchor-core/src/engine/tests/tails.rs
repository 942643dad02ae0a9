//! The one invariant of a tail: contiguous, and ending at the newest this node knows.

use std::time::Duration;

use proptest::prelude::*;

use crate::bus::LocalBus;
use crate::chain::Link;
use crate::engine::mailbox::{Mailbox, Slot, Watcher};
use crate::engine::tail::{Found, Pushed};
use crate::engine::tails::Tails;
use crate::environment::Monotonic;
use crate::event::{Body, EventKind};
use crate::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use crate::limits::{TAIL_AGE_MAX, TAIL_BYTES_MAX};
use crate::position::{Epoch, Mark, Offset, Position};
use crate::run::{Run, RunBuilder};
use crate::store::{EpochStart, RoomState};

const EPOCH: Epoch = Epoch::from_bytes([1; 8]);
const OTHER: Epoch = Epoch::from_bytes([2; 8]);

fn lobby() -> RoomId {
    RoomId::lobby()
}

/// `events` events after `before`; `text` makes histories differ.
fn run(epoch: Epoch, before: Mark, events: usize, text: &str) -> Run {
    let mut builder = RunBuilder::new(lobby(), epoch, before);
    let user = UserId::new("ada").unwrap();
    for n in 0..events {
        let link = Link {
            kind: EventKind::MESSAGE,
            user: &user,
            client: ClientTag::from_bytes([3; 8]),
            seq: Seq::new(n as u64 + 1).unwrap(),
            nonce: Nonce(0),
            ts: 0,
            target: None,
        };
        builder.push(&link, &Body::text(text), &[0; 16]);
    }
    builder.finish().unwrap()
}

fn state(head: Mark) -> RoomState {
    RoomState {
        epochs: vec![EpochStart { epoch: EPOCH, before: Mark::START }],
        head,
        horizon: Offset(1),
        before_horizon: Mark::START,
    }
}

struct Watched {
    tails: Tails,
    watch: crate::engine::tails::Watch,
    mailbox: std::sync::Arc<Mailbox>,
}

fn watched() -> Watched {
    let (tails, mailbox) = (Tails::new(LocalBus.into()), Mailbox::new());
    let watch = tails.watch(&lobby(), Watcher::new(mailbox.clone(), Slot(0), None));
    Watched { tails, watch, mailbox }
}

impl Watched {
    fn push(&self, run: &Run) -> Pushed {
        self.tails.push(run, Monotonic::default())
    }

    /// Has the store tell `state` now.
    fn learn(&self, state: Option<RoomState>) -> bool {
        let asked = self.watch.tail().ask();
        self.watch.tail().learn(asked, state)
    }

    fn find(&self, cursor: Position) -> Found {
        let (_, generation) = self.watch.tail().state().unwrap();
        self.watch.tail().find(generation, &cursor)
    }

    fn is_woken(&self) -> bool {
        self.mailbox
            .poll_take(&mut std::task::Context::from_waker(futures::task::noop_waker_ref()))
            .is_ready()
    }
}

#[test]
fn a_tail_that_heard_of_a_commit_does_not_learn_an_older_head() {
    let watched = watched();
    let first = run(EPOCH, Mark::START, 2, "a");
    let asked = watched.watch.tail().ask();
    assert_eq!(watched.push(&first), Pushed::Passed);
    assert!(!watched.watch.tail().learn(asked, None), "the store was read before the commit");
    assert!(watched.learn(Some(state(first.tip()))));
    assert_eq!(watched.watch.tail().head(), Some(first.tip()));
    assert!(matches!(watched.find(Position::START), Found::Store));
}

#[test]
fn what_a_tail_heard_of_and_the_store_does_not_have_holds_nobody_up() {
    let watched = watched();
    let first = run(EPOCH, Mark::START, 2, "a");
    assert_eq!(watched.push(&first), Pushed::Passed);
    assert!(watched.learn(None), "the store was read after the commit was heard of, and knows better");
}

#[test]
fn a_head_read_before_a_tail_was_dropped_is_not_learnt() {
    let watched = watched();
    let asked = watched.watch.tail().ask();
    watched.push(&run(EPOCH, Mark::START, 2, "a"));
    watched.watch.tail().distrust();
    assert!(!watched.watch.tail().learn(asked, None));
    assert!(watched.learn(None));
}

#[test]
fn runs_that_follow_are_held_and_wake_the_readers() {
    let watched = watched();
    watched.learn(None);
    assert!(watched.is_woken());
    watched.watch.watcher().rearm();
    let first = run(EPOCH, Mark::START, 2, "a");
    let second = run(EPOCH, first.tip(), 3, "a");
    assert_eq!((watched.push(&first), watched.push(&second)), (Pushed::Held, Pushed::Held));
    assert!(watched.is_woken());
    let Found::Run(found) = watched.find(Position::START) else { panic!("not held") };
    assert_eq!(found.last(), Offset(2));
    let Found::Run(found) = watched.find(first.position()) else { panic!("not held") };
    assert_eq!(found.last(), Offset(5));
    assert!(matches!(watched.find(second.position()), Found::Current));
    assert_eq!(watched.push(&second), Pushed::Passed, "told twice");
}

#[test]
fn a_hole_another_chain_and_another_epoch_drop_the_tail() {
    let first = run(EPOCH, Mark::START, 2, "a");
    let second = run(EPOCH, first.tip(), 1, "a");
    let third = run(EPOCH, second.tip(), 1, "a");
    let elsewhere = run(EPOCH, Mark::START, 2, "b");
    for strange in [third, run(EPOCH, elsewhere.tip(), 1, "b"), run(OTHER, first.tip(), 1, "a")] {
        let watched = watched();
        watched.learn(None);
        watched.push(&first);
        let (_, generation) = watched.watch.tail().state().unwrap();
        assert_eq!(watched.push(&strange), Pushed::Dropped);
        assert!(matches!(watched.watch.tail().find(generation, &first.position()), Found::Stale));
        assert!(watched.watch.tail().state().is_none(), "to be read anew");
    }
}

#[test]
fn a_cursor_of_another_history_is_stale() {
    let watched = watched();
    watched.learn(None);
    let first = run(EPOCH, Mark::START, 4, "a");
    watched.push(&first);
    let other = run(EPOCH, Mark::START, 4, "b");
    for offset in 1..=4 {
        let cursor = |run: &Run| Position::at(EPOCH, run.mark_at(Offset(offset)).unwrap().unwrap());
        assert!(matches!(watched.find(cursor(&other)), Found::Stale), "{offset}");
        assert!(!matches!(watched.find(cursor(&first)), Found::Stale), "{offset}");
    }
}

#[test]
fn the_store_beyond_or_below_the_tail_drops_it_and_a_head_read_early_does_not() {
    let first = run(EPOCH, Mark::START, 4, "a");
    let inside = first.mark_at(Offset(2)).unwrap().unwrap();
    let other = run(EPOCH, Mark::START, 4, "b");
    for (before, stored, dropped) in [
        (Some(first.tip()), Some((EPOCH, first.tip())), false),
        (Some(inside), Some((EPOCH, inside)), false),
        (None, None, false),
        (Some(first.tip()), Some((EPOCH, inside)), true),
        (Some(first.tip()), None, true),
        (Some(first.tip()), Some((EPOCH, run(EPOCH, first.tip(), 1, "a").tip())), true),
        (Some(first.tip()), Some((OTHER, first.tip())), true),
        (Some(first.tip()), Some((EPOCH, other.tip())), true),
        (Some(inside), Some((EPOCH, other.mark_at(Offset(2)).unwrap().unwrap())), true),
    ] {
        let watched = watched();
        watched.learn(None);
        watched.push(&first);
        watched.watch.tail().check(before, stored);
        assert_eq!(watched.watch.tail().state().is_none(), dropped, "{before:?} {stored:?}");
    }
}

#[test]
fn old_runs_leave_by_age_and_by_bytes_and_are_read_from_the_store_then() {
    let watched = watched();
    watched.learn(None);
    let first = run(EPOCH, Mark::START, 1, "a");
    watched.push(&first);
    watched.tails.age(Monotonic(TAIL_AGE_MAX + Duration::from_secs(1)));
    assert!(matches!(watched.find(Position::START), Found::Store));
    assert!(matches!(watched.find(first.position()), Found::Current));
    let large = "x".repeat(60_000);
    let mut before = first.tip();
    let runs = TAIL_BYTES_MAX / (2 * large.len()) + 10;
    for _ in 0..runs {
        let next = run(EPOCH, before, 1, &large);
        before = next.tip();
        watched.push(&next);
    }
    assert!(matches!(watched.find(first.position()), Found::Store), "the oldest left");
    assert!(matches!(watched.find(Position::at(EPOCH, before)), Found::Current));
}

#[test]
fn the_last_reader_takes_the_tail_along() {
    let watched = watched();
    let tails = watched.tails.clone();
    assert!(tails.get(&lobby()).is_some());
    drop(watched);
    assert!(tails.get(&lobby()).is_none());
}

proptest! {
    /// Runs in any order, with holes, repeats and strangers: what a reader finds always continues its cursor.
    #[test]
    fn whatever_is_pushed_a_reader_finds_only_what_follows(order in prop::collection::vec((0..12usize, any::<bool>()), 1..80)) {
        let mut before = [Mark::START; 2];
        let chains: Vec<_> = ["a", "b"].iter().enumerate().map(|(which, text)| {
            (0..12).map(|_| {
                let run = run(EPOCH, before[which], 2, text);
                before[which] = run.tip();
                run
            }).collect::<Vec<_>>()
        }).collect();
        let watched = watched();
        for (at, stranger) in order {
            let tail = watched.watch.tail();
            if tail.state().is_none() && watched.learn(Some(state(chains[0][at].tip()))) {
                continue;
            }
            watched.push(&chains[usize::from(stranger)][at]);
            let Some((known, generation)) = tail.state() else { continue };
            let mut cursor = Position::START;
            while let Found::Run(run) = tail.find(generation, &cursor) {
                prop_assert!(run.before().offset <= cursor.offset && run.last() > cursor.offset);
                cursor = run.position();
                prop_assert!(cursor.offset <= known.as_ref().unwrap().head.offset);
            }
        }
    }
}
