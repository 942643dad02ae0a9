//! Loss of power at every sync while a log is trimmed: a horizon that was raised holds, and what lies above it is there.

use anchor::System;
use anchor_core::conformance::environment::SplitMix64;
use anchor_core::position::{Mark, Offset};
use anchor_core::publish::Durability;
use anchor_core::store::{Place, Store, StoreError, StoreExt};
use anchor_sim::disk::{At, Fault, Power};
use anchor_store::RedbStore;
use futures::FutureExt;
use futures::executor::block_on;

use crate::support::{acked, append_stepped, client, publish, room, run_steps, waiting_from};

/// What was told to somebody.
#[derive(Default)]
struct Told {
    marks: Vec<Mark>,
    horizon: Offset,
}

/// Appends from where the log was told to be, trimming behind itself; ends at the first error.
fn run(store: &RedbStore, told: &mut Told) -> Result<(), StoreError> {
    let lobby = room("lobby");
    for from in (1..=ROUNDS * BATCH).step_by(5) {
        if from <= told.marks.len() as u64 {
            continue;
        }
        let text = "x".repeat(usize::try_from(from % 7).unwrap() * 2_000);
        let batch =
            (from..from + BATCH).map(|seq| waiting_from(from, publish(&client(1), seq, &lobby, &text)));
        for outcome in append_stepped(store, batch.collect())? {
            let ack = acked(&outcome);
            assert_eq!((ack.mark.offset.0, ack.durability), (told.marks.len() as u64 + 1, Durability::Disk));
            told.marks.push(ack.mark);
        }
        if from % 3 == 0 {
            store.step_pager()?;
        }
        if from % 4 != 0 {
            let horizon = Offset((from + from % 6).saturating_sub(4));
            let mut trim = store.trim_newest(&lobby, horizon);
            assert!(trim.as_mut().now_or_never().is_none());
            run_steps(store)?;
            block_on(trim)?;
            told.horizon = told.horizon.max(horizon);
        }
    }
    Ok(())
}

fn check(store: &RedbStore, told: &Told) {
    let lobby = room("lobby");
    let Some(state) = block_on(store.room(&lobby)).unwrap() else {
        return assert!(told.marks.is_empty(), "an acknowledged room is lost");
    };
    assert!(state.horizon >= told.horizon, "a horizon fell");
    assert!(state.head.offset.0 >= told.marks.len() as u64, "an acknowledged event is lost");
    let events = block_on(store.read_all(&lobby)).unwrap();
    assert_eq!(
        events.len() as u64,
        state.head.offset.0 + 1 - state.horizon.0,
        "all that is not trimmed is there"
    );
    for event in &events {
        if let Some(mark) = told.marks.get(usize::try_from(event.offset.0).unwrap() - 1) {
            assert_eq!(event.mark(), *mark);
        }
    }
    let before = state.before_horizon;
    assert_eq!(before.offset, state.horizon.previous());
    if before.offset > Offset::ZERO {
        let mark = told.marks.get(usize::try_from(before.offset.0).unwrap() - 1);
        assert!(mark.is_none_or(|mark| *mark == before));
    }
    assert_eq!(block_on(store.locate(&lobby, Place::Offset(before.offset))).unwrap(), Some(before));
}

#[test]
fn a_horizon_holds_at_any_sync() {
    let mut sync = 1;
    loop {
        let mut told = Told::default();
        let mut random = SplitMix64::new(sync);
        let power = Power::new();
        let (mut journal, mut pages) = (power.disk(), power.disk());
        let mut went_off = false;
        for fails_at in [Some(sync), Some(1 + sync % 9), None] {
            power.disarm();
            if let Some(sync) = fails_at {
                power.arm(At::Sync(sync), Fault::PowerOff);
            }
            if let Ok(store) = RedbStore::with_backends(journal.attach(), pages.attach(), System) {
                check(&store, &told);
                went_off |= run(&store, &mut told).is_err();
                if fails_at.is_none() {
                    check(&store, &told);
                    store.close();
                }
                power.turn_off();
            } else {
                assert!(fails_at.is_some(), "a sound disk does not open");
                went_off = true;
            }
            power.crash(&mut random);
            if told.marks.is_empty() {
                // Making the files is done by renaming, see `directory.rs`.
                (journal, pages) = (power.disk(), power.disk());
            }
        }
        if !went_off {
            break;
        }
        sync += 1;
    }
    assert!(sync > 20, "the script has more syncs than {sync}");
}

const ROUNDS: u64 = 12;
const BATCH: u64 = 5;
