//! What the reference store does beyond the contract: nodes, and histories that change.

use std::sync::{Arc, Mutex};

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::store::check::check_log;
use anchor_core::conformance::store::{Author, ack_of, append_one, room, write};
use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::publish::Outcome;
use anchor_core::run::Run;
use anchor_core::store::{CommitObserver, Store};
use futures::executor::block_on;

/// Keeps the offsets that it was told of.
#[derive(Debug, Default)]
struct Listener(Mutex<Vec<(RoomId, Offset)>>);

impl CommitObserver for Listener {
    fn committed(&self, runs: &[Run]) {
        self.0
            .lock()
            .expect("no test panics while it holds the lock")
            .extend(runs.iter().map(|run| (run.room().clone(), run.last())));
    }

    fn deleted(&self, _room: &RoomId) {}

    fn failed(&self) {}
}

#[test]
fn an_observer_hears_the_commits_of_its_own_node() {
    block_on(async {
        let here = MemoryStore::new(TestEnvironment::new(1));
        let there = here.node();
        let (listener_here, listener_there) = (Arc::new(Listener::default()), Arc::new(Listener::default()));
        here.observe(listener_here.clone());
        there.observe(listener_there.clone());
        let room = room("a");
        let mut ada = Author::open(&here, "ada", 1).await;
        for store in [&here, &there, &there, &here.clone()] {
            assert!(matches!(append_one(store, ada.message(&room, "text")).await, Outcome::Acked(_)));
        }
        assert_eq!(check_log(&here, &room).await, check_log(&there, &room).await);
        let offsets = |listener: &Listener| -> Vec<u64> {
            listener.0.lock().unwrap().iter().map(|(_, offset)| offset.0).collect()
        };
        assert_eq!(offsets(&listener_here), [1, 4]);
        assert_eq!(offsets(&listener_there), [2, 3]);
        let late = ada.clone();
        ada.hello(&there).await;
        let fenced = late.publish(9, &room, anchor_core::event::Draft::message("late"));
        assert_eq!(append_one(&here, fenced).await, Outcome::Fenced, "sessions hold for all nodes");
    });
}

#[test]
fn an_older_copy_put_in_place_is_the_older_history() {
    block_on(async {
        let store = MemoryStore::new(TestEnvironment::new(1));
        let room = room("a");
        let mut ada = Author::open(&store, "ada", 1).await;
        write(&store, &mut ada, &room, (0..70).map(|n| n.to_string())).await;
        let copy = store.snapshot();
        let copied = check_log(&store, &room).await;
        let lost = write(&store, &mut ada, &room, (0..10).map(|n| n.to_string())).await;
        store.revert_to(copy);
        assert_eq!(check_log(&store, &room).await, copied);
        let mut bob = Author::open(&store, "bob", 2).await;
        let other = ack_of(append_one(&store, bob.message(&room, "grown since")).await);
        assert_eq!((other.epoch, other.mark.offset), (lost[0].epoch, lost[0].mark.offset));
        assert_ne!(other.mark.chain, lost[0].mark.chain, "the chain tells the histories apart");
        assert_eq!(ada.hello(&store).await.highest.get(), 70);
    });
}

#[test]
fn a_restored_copy_begins_an_epoch() {
    block_on(async {
        let store = MemoryStore::new(TestEnvironment::new(1));
        let room = room("a");
        let mut ada = Author::open(&store, "ada", 1).await;
        let acks = write(&store, &mut ada, &room, (0..3).map(|n| n.to_string())).await;
        let copy = store.snapshot();
        write(&store, &mut ada, &room, (0..3).map(|n| n.to_string())).await;
        store.restore_from(copy);
        let state = store.room(&room).await.unwrap().unwrap();
        assert_eq!(state.head, acks[2].mark);
        assert_eq!(state.epochs.len(), 2);
        assert_ne!(state.epoch(), acks[2].epoch);
    });
}
