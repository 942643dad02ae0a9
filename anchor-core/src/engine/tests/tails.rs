//! The one invariant of a tail: contiguous, and ending at the newest this node knows.

use std::time::Duration;

use proptest::prelude::*;

use crate::bus::LocalBus;
use crate::chain::Link;
use crate::engine::feed::{Feed, Step};
use crate::engine::joins::framed_bytes;
use crate::engine::mailbox::{Mailbox, Slot, Watcher};
use crate::engine::permit::Bound;
use crate::engine::tail::{Found, Pushed};
use crate::engine::tails::Tails;
use crate::environment::Monotonic;
use crate::event::{Body, EventKind};
use crate::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use crate::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX, TAIL_AGE_MAX, TAIL_BYTES_MAX, TAILS_UNWATCHED_MAX};
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

    fn found(&self, cursor: Position) -> Run {
        let Found::Run { run, .. } = self.find(cursor) else { panic!("not held") };
        run
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
    assert_eq!(watched.found(Position::START).last(), Offset(5));
    assert_eq!(watched.found(first.position()).last(), Offset(5));
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

/// `runs` runs of one event each, pushed one after another.
fn pushed_one_by_one(watched: &Watched, runs: usize, text: &str) -> Vec<Run> {
    let mut before = watched.watch.tail().head().unwrap_or(Mark::START);
    let push = |_| {
        let run = run(EPOCH, before, 1, text);
        before = run.tip();
        assert_eq!(watched.push(&run), Pushed::Held);
        run
    };
    (0..runs).map(push).collect()
}

/// True if both are the same run, not only equal ones.
fn are_one(one: &Run, other: &Run) -> bool {
    std::ptr::eq(one.parts(), other.parts())
}

#[test]
fn readers_at_one_place_share_one_run_of_all_that_they_lack() {
    let watched = watched();
    watched.learn(None);
    let runs = pushed_one_by_one(&watched, 5, "a");
    let from_start = watched.found(Position::START);
    assert_eq!((from_start.before(), from_start.tip()), (Mark::START, runs[4].tip()));
    assert_eq!(from_start.events().count(), 5);
    assert!(are_one(&from_start, &watched.found(Position::START)));
    let behind_two = watched.found(runs[1].position());
    assert_eq!((behind_two.before(), behind_two.last()), (runs[1].tip(), Offset(5)));
    assert!(are_one(&runs[4], &watched.found(runs[3].position())), "one run is itself");
    pushed_one_by_one(&watched, 1, "a");
    assert_eq!(watched.found(Position::START).last(), Offset(6), "what came is in the next look");
}

#[test]
fn what_readers_share_is_no_longer_than_one_run_may_be() {
    let watched = watched();
    watched.learn(None);
    let runs = pushed_one_by_one(&watched, RUN_EVENTS_MAX + 3, "a");
    let first = watched.found(Position::START);
    assert_eq!(first.len(), RUN_EVENTS_MAX);
    assert_eq!(watched.found(first.position()).last(), runs[RUN_EVENTS_MAX + 2].last());
    pushed_one_by_one(&watched, 1, "a");
    assert!(are_one(&first, &watched.found(Position::START)), "a full one stays as it is");
    let large = pushed_one_by_one(&watched, 3, &"x".repeat(RUN_BYTES_MAX / 3));
    assert_eq!(watched.found(large[0].position()).last(), large[2].last());
    assert_eq!(watched.found(runs[RUN_EVENTS_MAX].position()).last(), large[1].last(), "too many bytes");
}

#[test]
fn a_shared_run_leaves_with_the_first_that_it_is_made_of() {
    let watched = watched();
    watched.learn(None);
    let runs = pushed_one_by_one(&watched, 4, "a");
    watched.found(Position::START);
    let behind_one = watched.found(runs[0].position());
    assert!(watched.tails.joined_bytes() > behind_one.encoded().len());
    watched.watch.tail().evict(runs[0].last());
    assert!(matches!(watched.find(Position::START), Found::Store));
    assert!(are_one(&behind_one, &watched.found(runs[0].position())));
    watched.watch.tail().evict(runs[1].last());
    assert_eq!(watched.tails.joined_bytes(), 0);
    watched.found(runs[1].position());
    watched.watch.tail().distrust();
    assert_eq!(watched.tails.joined_bytes(), 0);
}

#[test]
fn shared_runs_are_few_and_counted() {
    let watched = watched();
    watched.learn(None);
    let runs = pushed_one_by_one(&watched, 12, "a");
    for run in &runs {
        watched.find(run.position());
    }
    let bytes = watched.tails.joined_bytes();
    assert!((1..5 * framed_bytes(&watched.found(runs[6].position()))).contains(&bytes), "{bytes}");
    let tails = watched.tails.clone();
    drop(watched);
    tails.age(Monotonic(2 * TAIL_AGE_MAX));
    assert_eq!(tails.joined_bytes(), 0);
}

#[test]
fn a_reader_that_comes_back_finds_what_was_committed_meanwhile() {
    let watched = watched();
    watched.learn(None);
    let first = run(EPOCH, Mark::START, 2, "a");
    watched.push(&first);
    let Watched { tails, watch, mailbox } = watched;
    drop(watch);
    let second = run(EPOCH, first.tip(), 1, "a");
    assert_eq!(tails.push(&second, Monotonic::default()), Pushed::Held, "nobody reads it, for a moment");
    let watch = tails.watch(&lobby(), Watcher::new(mailbox.clone(), Slot(1), None));
    let watched = Watched { tails, watch, mailbox };
    assert_eq!(watched.found(first.position()).last(), Offset(3));
    let (_, generation) = watched.watch.tail().state().unwrap();
    assert_eq!(watched.watch.tail().mark_at(generation, Offset(2)), Some(first.tip()));
}

#[test]
fn a_tail_that_nobody_comes_back_to_leaves_by_its_age() {
    let seconds = |seconds| Monotonic(Duration::from_secs(seconds));
    let watched = watched();
    watched.learn(None);
    let Watched { tails, watch, mailbox } = watched;
    drop(watch);
    tails.age(seconds(1));
    assert_eq!(tails.push(&run(EPOCH, Mark::START, 2, "a"), seconds(50)), Pushed::Held);
    tails.age(seconds(61));
    let watch = tails.watch(&lobby(), Watcher::new(mailbox, Slot(1), None));
    tails.age(seconds(62));
    assert!(tails.get(&lobby()).is_some(), "it is read again");
    drop(watch);
    tails.age(seconds(63));
    tails.age(seconds(123));
    assert!(tails.get(&lobby()).is_some());
    tails.age(seconds(124));
    assert!(tails.get(&lobby()).is_none(), "what is said in it keeps it no longer");
}

#[test]
fn tails_that_nobody_reads_are_bounded_in_number() {
    let (tails, mailbox) = (Tails::new(LocalBus.into()), Mailbox::new());
    let watch = |room: &RoomId| tails.watch(room, Watcher::new(mailbox.clone(), Slot(0), None));
    let last = RoomId::new("last").unwrap();
    for n in 0..TAILS_UNWATCHED_MAX {
        drop(watch(&RoomId::new(n.to_string()).unwrap()));
    }
    drop(watch(&last));
    assert!(tails.get(&last).is_none());
    let back = watch(&RoomId::new("0").unwrap());
    drop(watch(&last));
    assert!(tails.get(&last).is_some(), "there is room for one more");
    drop(back);
    assert_eq!(tails.all().len(), TAILS_UNWATCHED_MAX);
}

#[test]
fn what_comes_between_a_look_and_the_next_step_is_not_slept_through() {
    let mut watched = watched();
    watched.learn(None);
    let first = run(EPOCH, Mark::START, 2, "a");
    watched.push(&first);
    let (_, generation) = watched.watch.tail().state().unwrap();
    let watch = watched.tails.watch(&lobby(), Watcher::new(watched.mailbox.clone(), Slot(1), None));
    let mut feed = Feed::new(
        std::mem::replace(&mut watched.watch, watch),
        generation,
        Position::START,
        Bound::None,
        Offset::ZERO,
    );
    assert!(matches!(feed.step(), Step::Deliver(run) if run.last() == first.last()));
    let second = run(EPOCH, first.tip(), 1, "a");
    watched.push(&second);
    assert!(matches!(feed.step(), Step::Deliver(run) if run.last() == second.last()));
    assert!(matches!(feed.step(), Step::Wait));
    watched.is_woken();
    assert!(!watched.is_woken());
    watched.push(&run(EPOCH, second.tip(), 1, "a"));
    assert!(watched.is_woken());
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
            while let Found::Run { run, is_newest } = tail.find(generation, &cursor) {
                prop_assert!(run.before().offset <= cursor.offset && run.last() > cursor.offset);
                cursor = run.position();
                prop_assert!(cursor.offset <= known.as_ref().unwrap().head.offset);
                prop_assert_eq!(is_newest, cursor.offset == known.as_ref().unwrap().head.offset);
                prop_assert_eq!(run.events().count(), run.len(), "it holds what its marks say");
            }
        }
    }
}
