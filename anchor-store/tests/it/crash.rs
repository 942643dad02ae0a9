//! Loss of power at every moment of a scripted workload: what was acknowledged is there, nothing is there twice, and the
//! store goes on.
//!
//! One run takes the script from end to end. Before each sync and each so many writes to either disk both are forked, and
//! on the forks the power goes, in several ways; the next process must find what clients were told until then. Then it
//! takes the interrupted step again, as clients do that resend.
//!
//! `ANCHOR_TEST_FULL=1` looks before every write, with more ways to lose what is not synced, and lets every operation fail:
//! that takes minutes.

pub(crate) mod run;
pub(crate) mod script;
pub(crate) mod told;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anchor_core::conformance::environment::{SplitMix64, TestEnvironment};
use anchor_sim::disk::{At, Disk, Fault, Power};

use self::run::{Moment, Run};
use self::script::{Step, newcomer, script};
use self::told::Told;
use crate::support::lock;

/// How a process ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// It is killed: what it wrote stays.
    Killed,
    /// With the power: what is not synced meets the fate of this seed.
    PowerOff(u64),
}

/// Forks both disks, ends the process on the forks, and lets the next one take over.
pub(crate) fn survive(journal: &Disk, pages: &Disk, told: &Told, script: &[Step], end: End) {
    let (power, journal, pages) = fork(journal, pages);
    let seed = match end {
        End::Killed => {
            power.kill();
            0
        }
        End::PowerOff(seed) => {
            power.crash(&mut SplitMix64::new(seed));
            seed
        }
    };
    let mut run = Run::new(&journal, &pages, told.clone());
    match run.open() {
        Ok(()) => {}
        // Half made: directories make a store under other names, see `directory.rs`.
        Err(_) if !told.is_made => return,
        Err(error) => panic!("{end:?} in step {}: does not open: {error}", told.step),
    }
    run.check();
    run.step(&script[told.step]).unwrap();
    run.step(&newcomer()).unwrap();
    // What was answered just now is durable, also where the process before had not synced what it wrote.
    power.crash(&mut SplitMix64::new(seed + 1));
    run.open().unwrap();
    run.check();
    run.store().close();
    drop(run);
    let report =
        anchor_store::check_backends(journal.attach(), pages.attach(), TestEnvironment::new(0)).unwrap();
    assert_eq!(report.problems, Vec::<String>::new(), "{end:?} in step {}", told.step);
}

/// Lets the power go a second time, at every sync of the process that takes over, from its start to its orderly end.
fn survive_twice(journal: &Disk, pages: &Disk, told: &Told, script: &[Step], seed: u64) {
    for sync in 1.. {
        let (power, journal, pages) = fork(journal, pages);
        power.crash(&mut SplitMix64::new(seed));
        power.arm(At::Sync(sync), Fault::PowerOff);
        let mut run = Run::new(&journal, &pages, told.clone());
        // Dropping it closes the store.
        let _ = run.open();
        let told = lock(&run.told()).clone();
        drop(run);
        if power.is_on() {
            break;
        }
        survive(&journal, &pages, &told, script, End::PowerOff(seed + sync));
    }
}

pub(crate) fn fork(journal: &Disk, pages: &Disk) -> (Power, Disk, Disk) {
    let power = Power::new();
    let (journal, pages) = (journal.fork(&power), pages.fork(&power));
    (power, journal, pages)
}

/// Takes every step, and does `look` before each write and sync.
fn watch(look: impl Fn(Moment, &Disk, &Disk, &Told) + Send + Sync + 'static) {
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    let mut run = Run::new(&journal, &pages, Told::default());
    let told = run.told();
    run.watch(Arc::new(move |moment| {
        let told = lock(&told).clone();
        look(moment, &journal, &pages, &told);
    }));
    take(&mut run, |_| {});
}

/// Takes every step, and does `look` before each, with what is on the disks if the process is killed there.
pub(crate) fn before_each_step(mut look: impl FnMut(&Disk, &Disk, &Told)) {
    let power = Power::new();
    let (journal, pages) = (power.disk(), power.disk());
    let mut run = Run::new(&journal, &pages, Told::default());
    take(&mut run, |told| look(&journal, &pages, told));
}

fn take(run: &mut Run, mut before: impl FnMut(&Told)) {
    run.open().unwrap();
    for (number, step) in script().iter().enumerate() {
        lock(&run.told()).step = number;
        let told = lock(&run.told()).clone();
        before(&told);
        run.step(step).unwrap_or_else(|error| panic!("step {number} {step:?}: {error}"));
    }
    run.check();
}

/// True where everything is to be tried.
pub(crate) fn is_full() -> bool {
    std::env::var_os("ANCHOR_TEST_FULL").is_some()
}

#[test]
pub(crate) fn nothing_acknowledged_is_lost_at_any_sync() {
    let script = script();
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&syncs);
    watch(move |moment, journal, pages, told| {
        if moment == Moment::Sync {
            let number = counted.fetch_add(1, Ordering::Relaxed) as u64;
            survive(journal, pages, told, &script, End::Killed);
            for way in 0..if is_full() { 12 } else { 2 } {
                survive(journal, pages, told, &script, End::PowerOff(number * 100 + way));
            }
        }
    });
    assert!(syncs.load(Ordering::Relaxed) > 100, "{syncs:?}");
}

#[test]
fn nothing_acknowledged_is_lost_at_any_sync_of_the_recovery() {
    let script = script();
    let syncs = Arc::new(AtomicUsize::new(0));
    watch(move |moment, journal, pages, told| {
        if moment == Moment::Sync {
            let number = syncs.fetch_add(1, Ordering::Relaxed);
            if is_full() || number.is_multiple_of(5) {
                survive_twice(journal, pages, told, &script, number as u64);
            }
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_at_any_write() {
    let script = script();
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    watch(move |moment, journal, pages, told| {
        if moment == Moment::Write {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            if is_full() || number.is_multiple_of(3) {
                survive(journal, pages, told, &script, End::PowerOff(number as u64));
            }
        }
    });
    assert!(writes.load(Ordering::Relaxed) > 500, "{writes:?}");
}
