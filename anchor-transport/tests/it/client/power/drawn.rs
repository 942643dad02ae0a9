//! Lives that are drawn: whatever a client does, whatever its server comes to, and whenever the power goes. In half of them
//! the server is restored to older days, in the other half the state is copied and the copies live on too; what a person
//! is asked about both at once is up to that person.

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::memory::{MemoryStore, Snapshot};
use anchor_sim::disk::{Disk, Power};

use super::{Known, Strike, Struck, lines};
use crate::client::lockstep::{Lockstep, Process, texts};

#[test]
fn whatever_happens_nothing_is_lost_in_silence_or_appended_twice() {
    for seed in 0..SEEDS {
        World::new(seed).live();
    }
}

struct World {
    seed: u64,
    random: SplitMix64,
    all: Lockstep,
    store: MemoryStore,
    is_up: bool,
    backups: Vec<Snapshot>,
    copies: Vec<Copy>,
}

/// A state and who uses it: the first, or somebody who copied it.
struct Copy {
    disk: Disk,
    known: Known,
    process: Option<Process>,
    strike: Option<Strike>,
    /// The server was restored at some time.
    is_restored: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let all = Lockstep::new(seed);
        let store = all.store(None);
        let first = Copy::new(Power::new().disk(), Known::default());
        Self {
            seed,
            random: SplitMix64::new(!seed),
            all,
            store,
            is_up: false,
            backups: Vec::new(),
            copies: vec![first],
        }
    }

    fn live(mut self) {
        for _ in 0..40 {
            self.befall();
            let at = self.below(self.copies.len());
            let copy = &mut self.copies[at];
            let Some(process) = copy.opened(&mut self.all, &self.store, &mut self.random) else { continue };
            match copy.act(&mut self.all, &process, self.is_up, &mut self.random) {
                Ok(true) => copy.process = Some(process),
                Ok(false) => self.all.kill(&process),
                Err(Struck) => {
                    assert!(copy.strike.is_some(), "seed {}", self.seed);
                    self.all.kill(&process);
                    copy.end(&mut self.random);
                }
            }
        }
        self.finish();
    }

    /// Something happens to the server, or to a state.
    fn befall(&mut self) {
        match self.random.below(24) {
            0 => self.go(false),
            1 | 2 => self.go(true),
            3 => self.backups.push(self.store.snapshot()),
            4 if self.seed.is_multiple_of(2) && !self.backups.is_empty() => {
                self.go(false);
                let at = self.below(self.backups.len());
                // One line of days: no later one than this was.
                self.backups.truncate(at + 1);
                self.store.restore_from(self.backups[at].clone());
                self.copies.iter_mut().for_each(|copy| copy.is_restored = true);
            }
            5 if !self.seed.is_multiple_of(2) && self.copies.len() < COPIES_MAX => {
                let at = self.below(self.copies.len());
                let copy = &mut self.copies[at];
                if let Some(process) = copy.process.take() {
                    self.all.kill(&process);
                }
                copy.end(&mut self.random);
                let copy = Copy::new(copy.disk.copy(&Power::new()), copy.known.clone());
                self.copies.push(copy);
            }
            _ => {}
        }
    }

    fn go(&mut self, up: bool) {
        self.is_up = up;
        match up {
            true => self.all.up(&self.store),
            false => self.all.down(),
        }
    }

    /// Faults stop: every line comes to its end.
    fn finish(mut self) {
        self.go(true);
        let mut everybody = Known::default();
        for copy in &mut self.copies {
            copy.strike_ends(&mut self.all, &mut self.random);
            let process = self.all.open(&copy.disk).unwrap();
            let (client, known) = (&process.client, &mut copy.known);
            self.all.run(async {
                known.publish(client).await.unwrap().await.unwrap();
                known.save_cursor(client).await.unwrap();
                client.flushed().await.unwrap();
            });
            everybody.asked.extend(&known.asked);
            everybody.queued.extend(&known.queued);
            everybody.discarding.extend(&known.discarding);
            everybody.discarded.extend(&known.discarded);
            everybody.resent.extend(&known.resent);
            copy.process = Some(process);
        }
        let log = lines(&texts(&self.store));
        for copy in &self.copies {
            let client = &copy.process.as_ref().unwrap().client;
            self.all.run(everybody.check_end(client, &log));
        }
        if self.copies.len() == 1 {
            let once: Vec<_> = log.iter().filter(|line| !everybody.resent.contains(line)).collect();
            assert!(once.is_sorted(), "seed {}: not in the order of the calls: {log:?}", self.seed);
        }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.below(end as u64)).unwrap()
    }
}

impl Copy {
    fn new(disk: Disk, known: Known) -> Self {
        Self { disk, known, process: None, strike: None, is_restored: false }
    }

    /// The process that runs, or a new one; none if the new one was struck at once.
    fn opened(
        &mut self,
        all: &mut Lockstep,
        store: &MemoryStore,
        random: &mut SplitMix64,
    ) -> Option<Process> {
        if let Some(process) = self.process.take() {
            return Some(process);
        }
        let opened = all.open(&self.disk);
        if opened.is_err() {
            assert!(self.strike.is_some(), "{opened:?}");
            self.end(random);
        }
        let process = opened.ok()?;
        if self.strike.is_none() {
            if self.is_restored {
                // What is neither in the log nor pending was acknowledged by the server that was.
                self.known.all_acked();
            }
            all.run(self.known.check_opened(&process.client, &lines(&texts(store))));
        }
        Some(process)
    }

    /// The user does something, or the power is about to go; false if the process has ended.
    fn act(
        &mut self,
        all: &mut Lockstep,
        process: &Process,
        is_up: bool,
        random: &mut SplitMix64,
    ) -> Result<bool, Struck> {
        let client = &process.client;
        match random.below(12) {
            0..=2 => drop(all.run(self.known.publish(client))?),
            3 => drop(all.run(self.known.publish_at_once(client, 1 + random.below(4)))?),
            4 | 5 if is_up => all.run(client.flushed()).map_err(|_| Struck)?,
            6 => all.run(self.known.save_cursor(client))?,
            7 => {
                let undecided = all.run(client.undecided()).map_err(|_| Struck)?;
                match undecided.first() {
                    Some(first) if random.below(2) == 0 => all.run(self.known.discard(client, first))?,
                    Some(first) => drop(all.run(self.known.resend(client, first))?),
                    None => {}
                }
            }
            8 => {
                all.run(client.close());
                return Ok(false);
            }
            9 | 10 if self.strike.is_none() => {
                let number = 1 + random.below(40);
                let strike = match random.below(4) {
                    0 => Strike::PowerAtSync(1 + number / 4),
                    1 => Strike::FailedSync(1 + number / 4),
                    2 => Strike::FailedWrite(number),
                    _ => Strike::PowerAtWrite(number),
                };
                strike.arm(self.disk.power(), random.draw());
                self.strike = Some(strike);
            }
            _ => all.settle(),
        }
        Ok(true)
    }

    /// The process is gone; so is what struck it.
    fn end(&mut self, random: &mut SplitMix64) {
        if let Some(strike) = self.strike.take() {
            strike.end(self.disk.power(), random.draw());
        }
    }

    fn strike_ends(&mut self, all: &mut Lockstep, random: &mut SplitMix64) {
        if let Some(process) = self.process.take() {
            all.kill(&process);
        }
        self.end(random);
    }
}

/// States that live at once. Chosen: each meets each.
const COPIES_MAX: usize = 3;

/// Lives. Chosen: about five seconds; thousands more were lived when this was written.
const SEEDS: u64 = 100;
