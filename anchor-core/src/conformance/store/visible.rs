//! What can be seen when: whole prefixes only, and observers in the order of commits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::FutureExt;
use futures::future::{join, join_all};

use super::check::{check_log, check_run};
use super::{Author, Factory, ack_of, append_one, room, start};
use crate::conformance::yielding::yield_now;
use crate::id::RoomId;
use crate::position::{Mark, Offset};
use crate::run::Run;
use crate::store::{CommitObserver, Direction, Read, Store};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    a_reader_sees_whole_prefixes(factory).await;
    an_observer_is_told_in_order_and_before_the_append_returns(factory).await;
    an_observer_hears_of_what_was_appended_only(factory).await;
    a_later_observer_replaces_the_earlier(factory).await;
}

/// While others append, a head that was read never goes back, and everything up to it can be read.
pub async fn a_reader_sees_whole_prefixes(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let done = AtomicBool::new(false);
    let writing = async {
        let mut ada = Author::open(&store, "ada", 1).await;
        for _ in 0..20 {
            let batches = (0..3).map(|_| store.append((0..4).map(|_| ada.message(&room, "text")).collect()));
            for outcomes in join_all(batches.collect::<Vec<_>>()).await {
                let last = outcomes.expect("the append goes through").pop().expect("an outcome for each");
                let state = store.room(&room).await.expect("the state is read").expect("the room is there");
                assert!(state.head.offset >= ack_of(last).mark.offset, "what was acked is below the head");
            }
            ada.settle();
            yield_now().await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let reading = async {
        let mut seen = Offset::ZERO;
        while !done.load(Ordering::Relaxed) {
            let state = store.room(&room).await.expect("the state is read");
            let head = state.map_or(Mark::START, |state| state.head);
            assert!(head.offset >= seen, "a head never goes back");
            seen = head.offset;
            assert_eq!(
                tip_of_prefix(&store, &room, head.offset).await,
                head,
                "all up to the head can be read"
            );
            yield_now().await;
        }
    };
    join(writing, reading).await;
    assert_eq!(check_log(&store, &room).await.len(), 240);
}

/// When an append returns its observer knows of it; it was told of each event once, in order, when it could be read.
pub async fn an_observer_is_told_in_order_and_before_the_append_returns(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let store = Arc::new(store);
    let recorder = Recorder::watching(&store);
    store.observe(recorder.clone());
    let rooms = [room("a"), room("b")];
    let mut appends = Vec::new();
    // The longest adds more to each room than one run holds.
    for (installation, length) in [1, 2, 3, 200, 4, 30, 1, 1, 60].into_iter().enumerate() {
        let installation = u8::try_from(installation).expect("a few batches");
        let mut ada = Author::open(&store, "ada", installation).await;
        let batch: Vec<_> = (0..length).map(|n| ada.message(&rooms[n % 2], "text")).collect();
        let append = store.append(batch);
        let recorder = recorder.clone();
        appends.push(async move {
            for outcome in append.await.expect("the append goes through") {
                let ack = ack_of(outcome);
                assert!(
                    recorder.head(&ack.room).offset >= ack.mark.offset,
                    "the observer knew before the publisher"
                );
            }
        });
    }
    join_all(appends).await;
    for (room, appended) in rooms.iter().zip([153, 149]) {
        assert!(
            recorder.offsets(room).into_iter().eq((1..=appended).map(Offset)),
            "each event once, in order"
        );
        assert_eq!(recorder.head(room), check_log(&store, room).await.last().expect("events").mark());
    }
}

/// Repeats and refusals are nothing new to a room.
pub async fn an_observer_hears_of_what_was_appended_only(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let store = Arc::new(store);
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let first = ada.message(&room, "first");
    let ack = ack_of(append_one(&store, first.clone()).await);
    let recorder = Recorder::watching(&store);
    recorder.expect(&room, ack.mark);
    store.observe(recorder.clone());
    let batch = vec![first.clone(), ada.message(&room, "second"), first];
    assert_eq!(store.append(batch).await.expect("the append goes through").len(), 3);
    assert_eq!(recorder.offsets(&room), [Offset(2)], "nothing from before, nothing twice");
}

/// One observer for an instance.
pub async fn a_later_observer_replaces_the_earlier(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let store = Arc::new(store);
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let (earlier, later) = (Recorder::watching(&store), Recorder::watching(&store));
    store.observe(earlier.clone());
    let first = ack_of(append_one(&store, ada.message(&room, "first")).await);
    later.expect(&room, first.mark);
    store.observe(later.clone());
    drop(ack_of(append_one(&store, ada.message(&room, "second")).await));
    assert_eq!(earlier.offsets(&room), [Offset(1)]);
    assert_eq!(later.offsets(&room), [Offset(2)]);
}

/// Reads up to `head`; returns the point of the log that was reached.
async fn tip_of_prefix(store: &dyn Store, room: &RoomId, head: Offset) -> Mark {
    let mut at = Mark::START;
    while at.offset < head {
        let from = Direction::After(at.offset);
        let read = Read { room: room.clone(), from, events_max: 1_000, bytes_max: usize::MAX };
        let runs = store.read(read).await.expect("the log is read");
        assert!(
            runs.last().is_some_and(|run| run.last() > at.offset),
            "the log ends at {} but its head is {head}",
            at.offset
        );
        runs.iter().for_each(check_run);
        for event in runs.iter().flat_map(Run::events) {
            let event = event.expect("what a store gives is an event");
            if event.offset > at.offset && event.offset <= head {
                assert_eq!(event.offset, at.offset.next(), "no offset is visible before its predecessor");
                at = event.mark();
            }
        }
    }
    at
}

/// An observer that keeps what it is told, and asserts that each run follows the one before and can be read.
#[derive(Debug)]
struct Recorder {
    store: Weak<dyn Store>,
    told: Mutex<Vec<(RoomId, Mark, Mark)>>,
}

impl Recorder {
    fn watching<S: Store>(store: &Arc<S>) -> Arc<Self> {
        let store: Weak<dyn Store> = Arc::<S>::downgrade(store);
        Arc::new(Self { store, told: Mutex::default() })
    }

    /// What comes next for `room` follows `mark`.
    fn expect(&self, room: &RoomId, mark: Mark) {
        self.told().push((room.clone(), mark, mark));
    }

    fn head(&self, room: &RoomId) -> Mark {
        self.told().iter().rev().find(|(told, ..)| told == room).map_or(Mark::START, |(.., tip)| *tip)
    }

    /// The offsets that were told for `room`, in the order of telling.
    fn offsets(&self, room: &RoomId) -> Vec<Offset> {
        let told = self.told();
        let runs = told.iter().filter(|(told, ..)| told == room);
        runs.flat_map(|(_, before, tip)| (before.offset.0 + 1..=tip.offset.0).map(Offset)).collect()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Vec<(RoomId, Mark, Mark)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CommitObserver for Recorder {
    fn committed(&self, runs: &[Run]) {
        for run in runs {
            check_run(run);
            assert_eq!(run.before(), self.head(run.room()), "commits are told in their order");
            self.told().push((run.room().clone(), run.before(), run.tip()));
            let Some(store) = self.store.upgrade() else { continue };
            // A store that must wait to answer cannot be asked from here.
            if let Some(state) = store.room(run.room()).now_or_never() {
                let head = state.expect("the state is read").expect("the room is there").head;
                assert!(head.offset >= run.last(), "what is told can be read");
            }
        }
    }

    fn deleted(&self, _room: &RoomId) {}

    fn failed(&self) {
        panic!("the store has not failed");
    }
}
