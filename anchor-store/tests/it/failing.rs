//! A store that fails, whatever made it fail: nothing more is answered, and the next process finds what was acknowledged.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use anchor::System;
use anchor_core::id::RoomId;
use anchor_core::publish::Outcome;
use anchor_core::run::Run;
use anchor_core::store::{CommitObserver, Readiness, Store, StoreError};
use anchor_sim::disk::{Disk, Power};
use anchor_store::RedbStore;
use futures::executor::block_on;
use tempfile::tempdir;

use crate::support::{Notes, acked, append_stepped, client, lock, publish, room};

/// Two disks with an empty store.
fn fresh() -> (Power, Disk, Disk) {
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    RedbStore::with_backends(journal.clone(), pages.clone(), System).unwrap().close();
    (power, journal, pages)
}

#[test]
fn a_store_that_failed_answers_nothing_and_tells_its_observer_once() {
    let (power, journal, pages) = fresh();
    let store = RedbStore::with_backends(journal, pages, System).unwrap();
    let notes = Arc::new(Notes::default());
    store.observe(notes.clone());
    let lobby = room("lobby");
    let first = append_stepped(&store, vec![publish(&client(1), 1, &lobby, "a")]).unwrap();
    assert!(matches!(first[0], Outcome::Acked(_)));
    power.turn_off();
    let waiting = store.append(vec![publish(&client(1), 2, &lobby, "b")]);
    assert!(store.step_writer().is_err());
    assert!(matches!(block_on(waiting), Err(StoreError::Failed { .. })));
    assert!(matches!(block_on(store.append(Vec::new())), Err(StoreError::Failed { .. })));
    assert!(matches!(block_on(store.room(&lobby)), Err(StoreError::Failed { .. })));
    assert_eq!(store.readiness(), Readiness::Failed);
    assert_eq!(*lock(&notes.failures), 1);
    assert_eq!(lock(&notes.rooms)[&lobby].len(), 1, "nothing is told that did not commit");
    store.close();
}

/// An observer with a defect: the writer panics as soon as it tells of a commit. It says when the store has failed.
#[derive(Debug)]
struct Defect(Sender<()>);

impl CommitObserver for Defect {
    fn committed(&self, _: &[Run]) {
        panic!("a defect, on purpose");
    }

    fn deleted(&self, _room: &RoomId) {}

    fn failed(&self) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn a_panic_in_the_writer_is_a_store_that_failed() {
    let directory = tempdir().unwrap();
    let lobby = room("lobby");
    let store = RedbStore::open(directory.path(), System).unwrap();
    let (failed, told) = channel();
    store.observe(Arc::new(Defect(failed)));
    let first = block_on(store.append(vec![publish(&client(1), 1, &lobby, "a")]));
    assert!(matches!(first, Err(StoreError::Failed { .. })), "{first:?}");
    // The answer leaves while the panic unwinds; the store knows of it a moment later.
    told.recv().unwrap();
    assert_eq!(store.readiness(), Readiness::Failed);
    assert!(matches!(block_on(store.room(&lobby)), Err(StoreError::Failed { .. })));
    store.close();
    drop(store);

    // The commit had succeeded, so the repeat finds it.
    let again = RedbStore::open(directory.path(), System).unwrap();
    let repeat = block_on(again.append(vec![publish(&client(1), 1, &lobby, "a")])).unwrap();
    assert!(acked(&repeat[0]).duplicate);
}
