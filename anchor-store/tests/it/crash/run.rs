//! A process that takes the script's steps on two disks, and one that takes over after it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::error::BoxError;
use anchor_core::id::{Seq, SessionNumber};
use anchor_core::store::{Readiness, Store, StoreError};
use anchor_sim::disk::Disk;
use anchor_store::{Options, RedbStore, Step as Worked};
use futures::FutureExt;
use futures::executor::block_on;
use redb::StorageBackend;

use super::script::{Line, Session, Step};
use super::told::Told;
use crate::support::{client, lock};

/// Looks at the disks before something is done to one of them.
pub(crate) type Watch = Arc<dyn Fn(Moment) + Send + Sync>;

/// What is about to be done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Write,
    Sync,
}

/// A disk that somebody watches.
struct Watched {
    disk: Disk,
    watch: Option<Watch>,
}

/// A store on two disks, driven by hand.
pub(crate) struct Run {
    journal: Disk,
    pages: Disk,
    env: TestEnvironment,
    watch: Option<Watch>,
    store: Option<RedbStore>,
    sessions: BTreeMap<u8, SessionNumber>,
    /// Never held while the store is asked for something.
    told: Arc<Mutex<Told>>,
}

impl Run {
    pub(crate) fn new(journal: &Disk, pages: &Disk, told: Told) -> Self {
        Self {
            journal: journal.clone(),
            pages: pages.clone(),
            env: TestEnvironment::new(told.step as u64),
            watch: None,
            store: None,
            sessions: BTreeMap::new(),
            told: Arc::new(Mutex::new(told)),
        }
    }

    /// Lets somebody look at the disks before each write and sync.
    pub(crate) fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    pub(crate) fn told(&self) -> Arc<Mutex<Told>> {
        Arc::clone(&self.told)
    }

    /// Opens the store, as a process does that starts.
    pub(crate) fn open(&mut self) -> Result<(), BoxError> {
        self.store = None;
        self.sessions.clear();
        let [journal, pages] = self.backends();
        self.store = Some(options().open_stepped(journal, pages, self.env.clone())?);
        lock(&self.told).is_made = true;
        Ok(())
    }

    pub(crate) fn store(&self) -> &RedbStore {
        self.store.as_ref().expect("it is open")
    }

    /// Takes a step; what it was told is noted.
    pub(crate) fn step(&mut self, step: &Step) -> Result<(), BoxError> {
        let mut told = lock(&self.told).clone();
        told.begin(step);
        *lock(&self.told) = told;
        match step {
            Step::Append(batches) => self.append(batches)?,
            Step::Trim(trims) => {
                let store = self.store();
                let mut trims: Vec<_> =
                    trims.iter().map(|(room, horizon)| store.trim(room, *horizon)).collect();
                assert!(trims.iter_mut().all(|trim| trim.as_mut().now_or_never().is_none()));
                self.work()?;
                trims.into_iter().try_for_each(block_on)?;
            }
            Step::Page => drop(self.store().step_pager()?),
            Step::Open(who, waits) => drop(self.open_session(*who, Seq::new(*waits)?)?),
            Step::Close => {
                self.store().close();
                self.open()?;
            }
            Step::Kill => {
                self.journal.power().kill();
                self.open()?;
            }
            Step::Restore => {
                self.store().close();
                self.store = None;
                let [journal, pages] = self.backends();
                anchor_store::restore_backends(journal, pages, self.env.clone())?;
                self.open()?;
            }
        }
        lock(&self.told).end(step, self.store());
        Ok(())
    }

    /// A store that failed answers nothing more, whatever it is asked.
    pub(crate) fn check_failed(&self) {
        let Some(store) = &self.store else { return };
        let is_failed = |error: StoreError| assert!(matches!(error, StoreError::Failed { .. }), "{error}");
        is_failed(store.step_writer().unwrap_err());
        is_failed(store.step_pager().unwrap_err());
        is_failed(block_on(store.append(Vec::new())).unwrap_err());
        is_failed(block_on(store.open_client(&client(0), Seq::FIRST)).unwrap_err());
        is_failed(block_on(store.rooms(None, 1)).unwrap_err());
        assert_eq!(store.readiness(), Readiness::Failed);
    }

    /// Reads everything, and asks for everything again.
    pub(crate) fn check(&self) {
        lock(&self.told).check(self.store());
        lock(&self.told).check_repeats(self.store());
    }

    fn append(&mut self, batches: &[Vec<Line>]) -> Result<(), BoxError> {
        let mut handed = Vec::new();
        for batch in batches {
            let mut publishes = Vec::new();
            for line in batch {
                let session = match line.session {
                    Session::None => None,
                    Session::Newest => Some(self.session(line)?),
                    Session::Replaced => {
                        let older = self.session(line)?;
                        self.open_session(line.who, line.publish.waits)?;
                        Some(older)
                    }
                };
                let mut publish = line.publish.clone();
                publish.session = session;
                publishes.push(publish);
            }
            handed.push(publishes);
        }
        let answers: Vec<_> = handed.into_iter().map(|batch| self.store().append(batch)).collect();
        let worked = self.work();
        for (batch, answer) in batches.iter().zip(answers) {
            match answer.now_or_never().expect("the steps have answered it") {
                Ok(outcomes) => {
                    let mut told = lock(&self.told);
                    batch.iter().zip(&outcomes).for_each(|(line, outcome)| told.answer(line, outcome));
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
                    assert!(worked.is_err(), "a sound store failed a batch");
                }
            }
        }
        Ok(worked?)
    }

    fn session(&mut self, line: &Line) -> Result<SessionNumber, BoxError> {
        match self.sessions.get(&line.who) {
            Some(session) => Ok(*session),
            None => self.open_session(line.who, line.publish.waits),
        }
    }

    fn open_session(&mut self, who: u8, waits: Seq) -> Result<SessionNumber, BoxError> {
        let key = client(who);
        let mut opened = self.store().open_client(&key, waits);
        assert!(opened.as_mut().now_or_never().is_none());
        self.work()?;
        let session = block_on(opened)?.session;
        self.sessions.insert(who, session);
        Ok(session)
    }

    /// Takes the writer's steps until nothing waits, and the pager's where the writer waits for it.
    fn work(&self) -> Result<(), StoreError> {
        loop {
            match self.store().step_writer()? {
                Worked::Idle => return Ok(()),
                Worked::Worked => {}
                Worked::Waiting => assert_eq!(self.store().step_pager()?, Worked::Worked),
            }
        }
    }

    fn backends(&self) -> [Watched; 2] {
        [&self.journal, &self.pages].map(|disk| Watched { disk: disk.attach(), watch: self.watch.clone() })
    }
}

impl Watched {
    fn look(&self, moment: Moment) {
        if let Some(watch) = &self.watch {
            watch(moment);
        }
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.look(Moment::Write);
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.look(Moment::Sync);
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.look(Moment::Write);
        self.disk.write(offset, data)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

/// Small steps and small caches, so that little is in memory alone.
pub(crate) fn options() -> Options {
    RedbStore::options().page_step(12, 8 * 1024).cached(2, 2).pages_cache_bytes(1 << 20)
}
