//! A store whose commits take their time: nothing of one is seen, told or acked before it is durable.

use std::sync::{Arc, Condvar, Mutex};

use anchor::System;
use anchor_core::store::{Store, StoreExt};
use anchor_sim::disk::{Disk, Power};
use anchor_store::RedbStore;
use futures::FutureExt;
use redb::StorageBackend;

use crate::support::{Notes, acked, client, in_session, lock, publish, room, text};

/// A disk whose syncs wait as long as its gate is shut.
#[derive(Debug)]
struct GatedDisk {
    disk: Disk,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    waiting: bool,
}

impl Gate {
    fn shut(&self) {
        lock(&self.state).shut = true;
    }

    fn open(&self) {
        lock(&self.state).shut = false;
        self.changed.notify_all();
    }

    /// Waits until somebody waits.
    fn wait_for_sync(&self) {
        let state = lock(&self.state);
        drop(self.changed.wait_while(state, |state| !state.waiting).unwrap());
    }

    fn pass(&self) {
        let mut state = lock(&self.state);
        state.waiting = state.shut;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.shut).unwrap();
        state.waiting = false;
    }
}

impl StorageBackend for GatedDisk {
    fn len(&self) -> std::io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.gate.pass();
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.disk.write(offset, data)
    }
}

#[tokio::test]
async fn nothing_of_a_commit_is_seen_before_it_is_durable() {
    let power = Power::new();
    let gate = Arc::new(Gate::default());
    let journal = GatedDisk { disk: power.disk(), gate: gate.clone() };
    let store = RedbStore::options().open_backends(journal, power.disk(), System).unwrap();
    let notes = Arc::new(Notes::default());
    store.observe(notes.clone());
    let (lobby, ada) = (room("lobby"), client(1));
    store.append(vec![publish(&ada, 1, &lobby, "one")]).await.unwrap();

    gate.shut();
    let mut second = store.append(vec![publish(&ada, 2, &lobby, "two"), publish(&ada, 1, &room("new"), "x")]);
    gate.wait_for_sync();
    // A repeat, a session and a trim that come while the commit is under way.
    let mut repeat = store.append(vec![publish(&ada, 2, &lobby, "two")]);
    let mut opening = store.open_client(&ada, anchor_core::id::Seq::FIRST);
    assert!((&mut second).now_or_never().is_none());
    assert!((&mut repeat).now_or_never().is_none());
    assert!(opening.as_mut().now_or_never().is_none());
    assert_eq!(store.room(&lobby).await.unwrap().unwrap().head.offset.0, 1);
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 1);
    assert_eq!(store.heads(std::slice::from_ref(&lobby)).await.unwrap()[0].unwrap().1.offset.0, 1);
    assert_eq!(store.rooms(None, 10).await.unwrap().len(), 1);
    assert_eq!(lock(&notes.rooms)[&lobby].len(), 1);

    gate.open();
    let first = second.await.unwrap();
    let again = repeat.await.unwrap();
    assert_eq!(acked(&first[0]).mark, acked(&again[0]).mark);
    assert!(!acked(&first[0]).duplicate && acked(&again[0]).duplicate);
    let state = opening.await.unwrap();
    assert_eq!(state.highest.get(), 2);
    let texts: Vec<_> =
        store.read_all(&lobby).await.unwrap().iter().map(|event| text(event).to_owned()).collect();
    assert_eq!(texts, ["one", "two"]);
    let late = in_session(anchor_core::id::SessionNumber(0), publish(&ada, 3, &lobby, "three"));
    assert_eq!(store.append(vec![late]).await.unwrap()[0], anchor_core::publish::Outcome::Fenced);
}

#[tokio::test]
async fn an_append_takes_its_place_when_it_is_called() {
    let power = Power::new();
    let store = RedbStore::with_backends(power.disk(), power.disk(), System).unwrap();
    let (lobby, ada) = (room("lobby"), client(1));
    let first = store.append(vec![publish(&ada, 1, &lobby, "first")]);
    let second = store.append(vec![publish(&ada, 2, &lobby, "second")]);
    crate::support::run_steps(&store).unwrap();
    // Polled the other way round.
    assert_eq!(acked(&second.await.unwrap()[0]).mark.offset.0, 2);
    assert_eq!(acked(&first.await.unwrap()[0]).mark.offset.0, 1);
    // Nobody waits for this one, and it is appended nevertheless.
    drop(store.append(vec![publish(&ada, 3, &lobby, "third")]));
    crate::support::run_steps(&store).unwrap();
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 3);
}
