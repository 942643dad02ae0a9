//! The wrappers hold and fail as they promise, and a client that resends after a fault ends with everything once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::faults::{FailingStore, Fault, SlowStore};
use anchor_core::conformance::store::check::check_log;
use anchor_core::conformance::store::{Author, ack_of, append_one, room};
use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::publish::Outcome;
use anchor_core::run::Run;
use anchor_core::store::{CommitObserver, Readiness, Store, StoreError};
use anchor_core::user::{Direct, UserChange, UserRow};
use futures::FutureExt;
use futures::executor::block_on;
use futures::future::join;

fn memory() -> MemoryStore {
    MemoryStore::new(TestEnvironment::new(1))
}

#[test]
fn what_is_held_is_neither_acked_nor_visible() {
    block_on(async {
        let store = SlowStore::new(memory());
        let room = room("a");
        let mut ada = Author::open(&store, "ada", 1).await;
        store.hold();
        let publish = ada.message(&room, "text");
        let mut first = store.append(vec![publish.clone()]);
        let mut repeat = store.append(vec![publish]);
        assert_eq!(store.held(), 2);
        assert!((&mut first).now_or_never().is_none() && (&mut repeat).now_or_never().is_none());
        assert_eq!(store.room(&room).await.unwrap(), None);
        assert!(store.release_one());
        assert!((&mut repeat).now_or_never().is_none(), "the line is in order");
        assert!(!ack_of(first.await.unwrap().remove(0)).duplicate);
        assert!(store.release_one());
        assert!(!store.release_one(), "nothing more is held");
        assert!(ack_of(repeat.await.unwrap().remove(0)).duplicate);
        let dropped = store.append(vec![ada.message(&room, "nobody waits for it")]);
        drop(dropped);
        store.release_all();
        assert_eq!(check_log(&store, &room).await.len(), 2, "dropping the future does not undo the append");
    });
}

#[test]
fn a_session_opens_behind_what_is_held() {
    block_on(async {
        let store = SlowStore::new(memory());
        let room = room("a");
        let mut ada = Author::open(&store, "ada", 1).await;
        let mut older = ada.clone();
        store.hold();
        let handed_over = store.append(vec![older.message(&room, "before")]);
        let abandoned = Box::pin(store.open_client(older.key(), anchor_core::id::Seq::FIRST)).now_or_never();
        assert!(abandoned.is_none(), "a hello that is given up is no obstacle");
        let opening = async {
            let state = ada.hello(&store).await;
            assert_eq!(state.highest.get(), 1);
        };
        let releasing = async {
            let late = store.append(vec![older.message(&room, "behind")]);
            store.release_all();
            (handed_over.await.unwrap().remove(0), late.await.unwrap().remove(0))
        };
        let ((), (before, late)) = join(opening, releasing).await;
        assert_eq!(ack_of(before).seq.get(), 1);
        assert_eq!(late, Outcome::Fenced);
    });
}

#[test]
fn a_user_changes_behind_what_is_held_and_so_does_a_question_after_a_seq_wait() {
    block_on(async {
        let store = SlowStore::new(memory());
        let room = room("a");
        let mut ada = Author::open(&store, "ada", 1).await;
        store.hold();
        let handed_over = store.append(vec![ada.message(&room, "text")]);
        let mut change = Box::pin(store.change_user(ada.user(), UserChange::Direct(Direct::Nobody)));
        assert!((&mut change).now_or_never().is_none());
        let mut question = Box::pin(store.is_decided(ada.key(), anchor_core::id::Seq::FIRST));
        assert!((&mut question).now_or_never().is_none());
        assert_eq!(store.user(ada.user()).await.unwrap(), UserRow::default());
        store.release_all();
        assert!(handed_over.await.is_ok());
        assert_eq!(change.await.unwrap().unwrap().contact.direct, Direct::Nobody);
        assert!(question.await.unwrap(), "what was handed over before is decided");
    });
}

#[test]
fn after_any_fault_resending_ends_with_everything_once() {
    for fault in [Fault::Unavailable, Fault::UnknownUnwritten, Fault::UnknownWritten] {
        block_on(async {
            let store = FailingStore::new(memory());
            let room = room("a");
            let mut ada = Author::open(&store, "ada", 1).await;
            let mut bob = Author::open(&store, "bob", 2).await;
            store.fail_next(fault);
            let batch: Vec<_> = (0..3).map(|n| ada.message(&room, &n.to_string())).collect();
            let error = store.append(batch.clone()).await.unwrap_err();
            match fault {
                Fault::Unavailable => assert!(matches!(error, StoreError::Unavailable { .. })),
                _ => assert!(matches!(error, StoreError::Unknown { .. })),
            }
            let behind = vec![ada.message(&room, "3"), bob.message(&room, "unconcerned")];
            let outcomes = store.append(behind).await.unwrap();
            assert_eq!(outcomes[0], Outcome::Fenced, "nothing overtakes what may not be written");
            assert!(matches!(outcomes[1], Outcome::Acked(_)));
            ada.hello(&store).await;
            for publish in batch {
                let again = ada.publish(publish.seq.get(), &room, publish.draft);
                let ack = ack_of(append_one(&store, again).await);
                assert_eq!(ack.duplicate, fault == Fault::UnknownWritten);
            }
            assert_eq!(check_log(&store, &room).await.len(), 4);
            assert_eq!(store.readiness(), Readiness::Ready);
        });
    }
}

/// Counts how often it was told of the end.
#[derive(Debug, Default)]
struct Mourner(AtomicUsize);

impl CommitObserver for Mourner {
    fn committed(&self, _: &[Run]) {}

    fn deleted(&self, _room: &RoomId) {}

    fn failed(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_failure_is_final_for_everything_but_reading() {
    for (fault, written) in [(Fault::FailedUnwritten, 1), (Fault::FailedWritten, 2)] {
        block_on(async {
            let inside = memory();
            let store = FailingStore::new(inside.clone());
            let mourner = Arc::new(Mourner::default());
            store.observe(mourner.clone());
            let room = room("a");
            let mut ada = Author::open(&store, "ada", 1).await;
            assert!(!ack_of(append_one(&store, ada.message(&room, "first")).await).duplicate);
            store.fail_next(fault);
            for text in ["second", "third"] {
                let error = store.append(vec![ada.message(&room, text)]).await.unwrap_err();
                assert!(matches!(error, StoreError::Failed { .. }));
            }
            let error = store.open_client(ada.key(), anchor_core::id::Seq::FIRST).await.unwrap_err();
            assert!(matches!(error, StoreError::Failed { .. }));
            let error = store.change_user(ada.user(), UserChange::Direct(Direct::Nobody)).await.unwrap_err();
            assert!(matches!(error, StoreError::Failed { .. }));
            assert_eq!(store.readiness(), Readiness::Failed);
            assert_eq!(mourner.0.load(Ordering::Relaxed), 1, "the observer is told once");
            assert_eq!(check_log(&store, &room).await.len(), written);
            assert_eq!(check_log(&inside, &room).await.len(), written);
        });
    }
}

#[test]
fn a_store_that_is_away_answers_nothing_until_it_is_back() {
    block_on(async {
        let store = FailingStore::new(memory());
        let room = room("a");
        let mut ada = Author::open(&store, "ada", 1).await;
        store.go_away();
        assert_eq!(store.readiness(), Readiness::Unavailable);
        let gone = |error| assert!(matches!(error, StoreError::Unavailable { .. }));
        gone(store.append(vec![ada.message(&room, "text")]).await.unwrap_err());
        gone(store.room(&room).await.unwrap_err());
        gone(store.heads(&[]).await.unwrap_err());
        gone(store.open_client(ada.key(), anchor_core::id::Seq::FIRST).await.unwrap_err());
        store.come_back();
        ada.hello(&store).await;
        let again = ada.publish(1, &room, anchor_core::event::Draft::message("text"));
        assert!(!ack_of(append_one(&store, again).await).duplicate);
    });
}

#[test]
fn a_fail_over_ends_every_session_and_what_follows_waits_for_a_new_one() {
    block_on(async {
        let inside = memory();
        let store = FailingStore::new(inside.clone());
        let room = room("a");
        let [mut ada, mut bob] = [Author::open(&store, "ada", 1).await, Author::open(&store, "bob", 2).await];
        let kept = inside.snapshot();
        let lost = ada.message(&room, "lost with the fail-over");
        assert!(!ack_of(append_one(&store, lost).await).duplicate);
        inside.restore_from(kept);
        store.fail_over();
        for author in [&mut ada, &mut bob] {
            let behind = author.message(&room, "behind it");
            let error = store.append(vec![behind.clone()]).await.unwrap_err();
            assert!(matches!(error, StoreError::Unknown { .. }));
            assert_eq!(append_one(&store, behind).await, Outcome::Fenced);
        }
        assert_eq!(inside.room(&room).await.unwrap(), None, "nothing stands without what it followed");
        ada.hello(&store).await;
        let again = ada.publish(1, &room, anchor_core::event::Draft::message("lost with the fail-over"));
        assert!(!ack_of(append_one(&store, again).await).duplicate);
    });
}
