//! A disk that fails an operation while the process goes on: at every sync, write and read of a scripted workload, one at
//! a time. Whatever is told after that is `Failed`; the next process finds what was acknowledged.

use anchor_core::conformance::environment::{SplitMix64, TestEnvironment};
use anchor_core::event::Event;
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::room::Thread;
use anchor_core::store::{RoomState, Store, StoreError, StoreExt};
use anchor_sim::disk::{At, Counts, Disk, Fault, Power, Room};
use anchor_store::{OpenError, RedbStore};
use futures::executor::block_on;

use crate::crash::run::{Run, options};
use crate::crash::script::script;
use crate::crash::{End, before_each_step, fork, is_full, survive};
use crate::support::lock;

/// A kind of operation.
#[derive(Clone, Copy)]
enum Kind {
    Write,
    Sync,
}

impl Kind {
    const fn at(self, number: u64) -> At {
        match self {
            Self::Write => At::Write(number),
            Self::Sync => At::Sync(number),
        }
    }

    const fn count(self, counts: Counts) -> u64 {
        match self {
            Self::Write => counts.writes,
            Self::Sync => counts.syncs,
        }
    }
}

/// Opens the store and takes a step, once for each `stride`-th operation of that kind that this takes, which `fault`
/// strikes. Returns how often it struck.
fn strike(kind: Kind, stride: usize, fault: impl Fn(u64) -> Fault) -> u64 {
    let script = script();
    let mut struck = 0;
    before_each_step(|journal, pages, told| {
        // Beginning elsewhere in every step, so that in time each kind of operation is struck.
        for number in (1 + told.step as u64 % stride as u64..).step_by(stride) {
            let (power, journal, pages) = fork(journal, pages);
            power.kill();
            power.arm(kind.at(number), fault(number));
            let mut run = Run::new(&journal, &pages, told.clone());
            let ended = run.open().and_then(|()| run.step(&script[told.step]));
            let fell = kind.count(power.counts()) >= number;
            assert!(fell || ended.is_ok(), "nothing was wrong: {ended:?}");
            if ended.is_err() {
                run.check_failed();
            }
            let told = lock(&run.told()).clone();
            drop(run);
            if !fell {
                break;
            }
            struck += 1;
            survive(&journal, &pages, &told, &script, End::Killed);
            survive(&journal, &pages, &told, &script, End::PowerOff(number));
        }
    });
    struck
}

#[test]
fn a_sync_that_fails_is_final_and_loses_nothing_that_was_acknowledged() {
    let struck =
        strike(Kind::Sync, if is_full() { 1 } else { 3 }, |seed| Fault::Error(SplitMix64::new(seed)));
    assert!(struck > 50, "{struck}");
}

#[test]
fn a_write_that_fails_is_final_and_loses_nothing_that_was_acknowledged() {
    let struck =
        strike(Kind::Write, if is_full() { 1 } else { 11 }, |seed| Fault::Error(SplitMix64::new(seed)));
    assert!(struck > 50, "{struck}");
}

#[test]
fn a_disk_that_fills_up_loses_nothing_that_was_acknowledged() {
    for room in [Room::NoGrowth, Room::NoWrites] {
        let struck = strike(Kind::Write, if is_full() { 1 } else { 13 }, |_| Fault::Full(room));
        assert!(struck > 50, "{struck}");
    }
}

/// Everything that a store has, or the first error.
/// A room with its events and its threads.
type Whole = (RoomId, RoomState, Vec<Event>, Vec<Thread>);

fn read(store: &RedbStore) -> Result<Vec<Whole>, StoreError> {
    let rooms = block_on(store.rooms(None, 100))?;
    rooms
        .into_iter()
        .map(|stored| {
            let events = block_on(store.read_all(&stored.room))?;
            let threads = block_on(store.threads(&stored.room, (Offset(1), Offset(u64::MAX))))?;
            Ok((stored.room, stored.state, events, threads))
        })
        .collect()
}

/// Opens the store and reads everything, where something may not be readable: an error, or what is right.
fn read_all_right(power: &Power, journal: &Disk, pages: &Disk, right: &[Whole]) {
    match options().open_stepped(journal.attach(), pages.attach(), TestEnvironment::new(0)) {
        Err(error) => assert!(matches!(error, OpenError::Io { .. } | OpenError::Damaged { .. }), "{error:?}"),
        Ok(store) => match read(&store) {
            Ok(read) => assert_eq!(read, right),
            Err(error) => assert!(matches!(error, StoreError::Failed { .. }), "{error:?}"),
        },
    }
    power.kill();
}

#[test]
fn a_read_that_fails_gives_an_error_and_nothing_wrong() {
    let mut steps = 0;
    before_each_step(|journal, pages, _| {
        steps += 1;
        if !is_full() && steps % 9 != 0 {
            return;
        }
        let (power, clean_journal, clean_pages) = fork(journal, pages);
        power.kill();
        let open =
            options().open_stepped(clean_journal.attach(), clean_pages.attach(), TestEnvironment::new(0));
        let right = read(&open.unwrap()).unwrap();
        let reads = power.counts().reads;
        for number in 1..=reads {
            let (power, journal, pages) = fork(journal, pages);
            power.kill();
            power.arm(At::Read(number), Fault::Error(SplitMix64::new(number)));
            read_all_right(&power, &journal, &pages, &right);
            // Once it can be read again all is well.
            read_all_right(&power, &journal, &pages, &right);
        }
        for block in 0..64 {
            let (power, journal, pages) = fork(journal, pages);
            power.kill();
            for disk in [&journal, &pages] {
                let at = block * 4096 * (1 + disk.bytes().len() as u64 / (64 * 4096));
                disk.make_unreadable(at..at + 4096);
            }
            read_all_right(&power, &journal, &pages, &right);
        }
    });
}
