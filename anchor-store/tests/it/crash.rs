//! Loss of power at every sync, and a store that fails: what was acknowledged is there, and nothing is there twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use anchor::System;
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::id::RoomId;
use anchor_core::position::Mark;
use anchor_core::publish::{Ack, Outcome, Publish};
use anchor_core::run::Run;
use anchor_core::store::{CommitObserver, Place, Readiness, Store, StoreError, StoreExt};
use anchor_sim::disk::{At, Disk, Fault, Power};
use anchor_store::RedbStore;
use futures::FutureExt;
use futures::executor::block_on;
use tempfile::tempdir;

use crate::support::{
    Notes, acked, append_stepped, client, lock, publish, room, run_steps, text, waiting_from,
};

/// Publishes of three clients into three rooms, in batches.
fn script() -> Vec<Vec<Publish>> {
    let rooms = [room("a"), room("b"), room("c")];
    let mut seqs = [0_u64; 3];
    (0..24_usize)
        .map(|batch| {
            (0..1 + batch % 4)
                .map(|at| {
                    let who = (batch + at) % 3;
                    seqs[who] += 1;
                    let text = format!("{who}/{}/{}", seqs[who], "x".repeat(300 * at));
                    let number = u8::try_from(who).unwrap();
                    let publish = publish(&client(number), seqs[who], &rooms[(batch * 3 + at) % 3], &text);
                    waiting_from(seqs[who].saturating_sub(8).max(1), publish)
                })
                .collect()
        })
        .collect()
}

/// Runs the script from its beginning, as clients do that resend everything; what was acked before must be acked alike.
/// Ends at the first error. What was acked counts, also by a step that failed.
fn run(store: &RedbStore, acks: &mut [Vec<Option<Ack>>], from: usize) -> Result<(), StoreError> {
    for (number, batch) in script().into_iter().enumerate().skip(from) {
        // Resent in order, all of them: as the outbox of a client whose acks were lost. Now and then twice at once.
        let times = if number % 4 == 1 { 2 } else { 1 };
        let answers: Vec<_> = (0..times).map(|_| store.append(batch.clone())).collect();
        let stepped = run_steps(store);
        for answer in answers {
            let outcomes = answer.now_or_never().expect("the steps have answered it");
            for (at, outcome) in outcomes.iter().flatten().enumerate() {
                let ack = acked(outcome);
                match &acks[number][at] {
                    Some(first) => {
                        assert_eq!(
                            (first.mark, first.epoch, first.ts),
                            (ack.mark, ack.epoch, ack.ts),
                            "batch {number}"
                        );
                        assert!(ack.duplicate, "batch {number} was appended again");
                    }
                    None => acks[number][at] = Some(ack.clone()),
                }
            }
        }
        stepped?;
        if number % 3 == 2 {
            store.step_pager()?;
        }
    }
    Ok(())
}

/// What was acked is in the log once, what was shown to readers is in it, and nothing else is.
fn check(store: &RedbStore, acks: &[Vec<Option<Ack>>], shown: &BTreeMap<RoomId, Mark>, complete: bool) {
    for (room, mark) in shown {
        let found = block_on(store.locate(room, Place::Offset(mark.offset))).unwrap();
        assert_eq!(found, Some(*mark), "readers of {room} saw what is not in its log");
    }
    let script = script();
    let mut places = 0;
    for (publish, ack) in script.iter().flatten().zip(acks.iter().flatten()) {
        let events = block_on(store.read_all(&publish.room)).unwrap();
        let same: Vec<_> =
            events.iter().filter(|event| text(event) == publish.draft.body.as_text().unwrap()).collect();
        assert!(same.len() <= 1, "an event is in the log twice");
        if let Some(ack) = ack {
            assert_eq!(same.len(), 1, "an acknowledged event is lost");
            assert_eq!(same[0].mark(), ack.mark);
        }
        places += same.len();
    }
    let rooms = block_on(store.rooms(None, 10)).unwrap();
    let heads: u64 = rooms.iter().map(|(_, state)| state.head.offset.0).sum();
    assert_eq!(heads, places as u64, "the log has nothing else");
    assert!(!complete || places == script.iter().flatten().count());
}

/// A store whose power goes at its `sync`-th sync, then again while that is repaired, then stays.
fn survive(sync: u64, seed: u64) -> bool {
    let mut acks: Vec<Vec<Option<Ack>>> = script().iter().map(|batch| vec![None; batch.len()]).collect();
    let mut random = SplitMix64::new(seed ^ sync);
    let (power, journal, pages) = fresh();
    let (mut went_off, mut shown) = (false, BTreeMap::new());
    for fails_at in [Some(sync), Some(1 + random.below(12)), None] {
        power.disarm();
        if let Some(sync) = fails_at {
            power.arm(At::Sync(sync), Fault::PowerOff);
        }
        match RedbStore::with_backends(journal.attach(), pages.attach(), System) {
            Ok(store) => {
                check(&store, &acks, &shown, false);
                let notes = Arc::new(Notes::default());
                store.observe(notes.clone());
                // The windows keep eight outcomes: what is older was settled.
                let oldest = acks.iter().position(|batch| batch.contains(&None)).unwrap_or(acks.len());
                let ended = run(&store, &mut acks, oldest.saturating_sub(2));
                let newest = |(room, runs): (&RoomId, &Vec<Run>)| Some((room.clone(), runs.last()?.tip()));
                shown.extend(lock(&notes.rooms).iter().filter_map(newest));
                if ended.is_ok() {
                    check(&store, &acks, &shown, true);
                } else {
                    assert!(matches!(ended, Err(StoreError::Failed { .. })));
                    assert!(matches!(store.step_writer(), Err(StoreError::Failed { .. })));
                }
                went_off |= ended.is_err();
            }
            Err(error) => assert!(fails_at.is_some(), "a sound disk does not open: {error}"),
        }
        power.crash(&mut random);
    }
    went_off
}

/// Two disks with an empty store: making one is done by renaming, see `directory.rs`.
fn fresh() -> (Power, Disk, Disk) {
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    RedbStore::with_backends(journal.clone(), pages.clone(), System).unwrap().close();
    (power, journal, pages)
}

#[test]
pub(crate) fn nothing_acknowledged_is_lost_at_any_sync() {
    for seed in 0..4 {
        let mut sync = 1;
        while survive(sync, seed) || sync < 10 {
            sync += 1;
        }
        assert!(sync > 25, "the script has more syncs than {sync}");
    }
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
