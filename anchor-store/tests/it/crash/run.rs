//! A process that takes the script's steps on two disks, and one that takes over after it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::store::informed;
use anchor_core::cursor::{CursorMove, Cursors};
use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, Seq, SessionNumber};
use anchor_core::position::{Mark, Offset};
use anchor_core::publish::Outcome;
use anchor_core::record::{RecordKey, RecordWrite};
use anchor_core::store::{CommitObserver, Place, Readiness, Store, StoreError, StoreExt};
use anchor_sim::disk::Disk;
use anchor_store::{Options, RedbStore, Step as Worked};
use futures::FutureExt;
use futures::executor::block_on;
use futures::future::{BoxFuture, Shared};
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
    heard: Heard,
}

/// What the store has said so far: noted before each write and sync, for what is out by then must be durable already.
#[derive(Clone)]
struct Heard {
    /// Never held while the store is asked for something.
    told: Arc<Mutex<Told>>,
    /// Batches that are not answered yet.
    waiting: Arc<Mutex<Vec<Waiting>>>,
    /// Moves, with the number of their step, that are not answered yet.
    moving: Arc<Mutex<Option<Moving>>>,
    shown: Arc<Mutex<BTreeMap<RoomId, Mark>>>,
}

type Moving = (Vec<(u8, RoomId, Cursors)>, usize, Shared<BoxFuture<'static, Result<(), StoreError>>>);

struct Waiting {
    batch: Vec<Line>,
    answer: Shared<BoxFuture<'static, Result<Vec<Outcome>, StoreError>>>,
}

/// Hears of commits, as everybody does who reads.
#[derive(Debug)]
struct Reader(Arc<Mutex<BTreeMap<RoomId, Mark>>>);

/// A store on two disks, driven by hand.
pub(crate) struct Run {
    journal: Disk,
    pages: Disk,
    env: TestEnvironment,
    watch: Option<Watch>,
    store: Option<RedbStore>,
    sessions: BTreeMap<u8, SessionNumber>,
    heard: Heard,
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
            heard: Heard {
                shown: Arc::new(Mutex::new(told.shown.clone())),
                told: Arc::new(Mutex::new(told)),
                waiting: Arc::default(),
                moving: Arc::default(),
            },
        }
    }

    /// Lets somebody look at the disks before each write and sync.
    pub(crate) fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    pub(crate) fn told(&self) -> Arc<Mutex<Told>> {
        Arc::clone(&self.heard.told)
    }

    /// Opens the store, as a process does that starts.
    pub(crate) fn open(&mut self) -> Result<(), BoxError> {
        self.store = None;
        self.sessions.clear();
        let [journal, pages] = self.backends();
        let store = options().open_stepped(journal, pages, self.env.clone())?;
        store.observe(Arc::new(Reader(Arc::clone(&self.heard.shown))));
        self.store = Some(store);
        lock(&self.heard.told).is_made = true;
        Ok(())
    }

    pub(crate) fn store(&self) -> &RedbStore {
        self.store.as_ref().expect("it is open")
    }

    /// Takes a step; what it was told is noted.
    pub(crate) fn step(&mut self, step: &Step) -> Result<(), BoxError> {
        let mut told = lock(&self.heard.told).clone();
        told.begin(step);
        *lock(&self.heard.told) = told;
        match step {
            Step::Append(batches) => self.append(batches)?,
            Step::Trim(trims) => {
                let store = self.store();
                let mut trims: Vec<_> =
                    trims.iter().map(|(room, horizon)| store.trim_newest(room, *horizon)).collect();
                assert!(trims.iter_mut().all(|trim| trim.as_mut().now_or_never().is_none()));
                self.work()?;
                trims.into_iter().try_for_each(block_on)?;
            }
            Step::Move(reads) => self.move_cursors(reads)?,
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
        lock(&self.heard.told).end(step, self.store());
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
        self.heard.note();
        lock(&self.heard.told).check(self.store());
        lock(&self.heard.told).check_repeats(self.store());
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
                publishes.push(block_on(informed(self.store(), publish)));
            }
            handed.push(publishes);
        }
        for (batch, publishes) in batches.iter().zip(handed) {
            let answer = self.store().append(publishes).shared();
            lock(&self.heard.waiting).push(Waiting { batch: batch.clone(), answer });
        }
        let worked = self.work();
        self.heard.note();
        let unanswered = std::mem::take(&mut *lock(&self.heard.waiting));
        for Waiting { answer, .. } in unanswered {
            let error = answer.now_or_never().expect("the steps have answered it").unwrap_err();
            assert!(matches!(error, StoreError::Failed { .. }), "{error}");
            assert!(worked.is_err(), "a sound store failed a batch");
        }
        Ok(worked?)
    }

    fn move_cursors(&mut self, reads: &[(u8, RoomId, u64)]) -> Result<(), BoxError> {
        let (mut moves, mut told) = (Vec::new(), Vec::new());
        for (who, room, back) in reads {
            let Some(state) = block_on(self.store().room(room))? else { continue };
            let at = Place::Offset(Offset(state.head.offset.0.saturating_sub(*back)));
            let Some(mark) = block_on(self.store().locate(room, at))? else { continue };
            let to = Cursors { read: mark.into(), delivered: state.head.offset, shown: Offset::ZERO };
            let (epoch, user) = (state.epoch(), client(*who).user);
            told.push((*who, room.clone(), to));
            moves.push(CursorMove { room: room.clone(), epoch, user, to });
        }
        let step = lock(&self.heard.told).step;
        let record = (RecordKey::new("step")?, Some(vec![u8::try_from(step)?]));
        let write = RecordWrite { guard: None, puts: vec![record] };
        let (moved, written) = (self.store().move_cursors(moves), self.store().write_records(write));
        let both = async move { moved.await.and(written.await.map(drop)) };
        *lock(&self.heard.moving) = Some((told, step, both.boxed().shared()));
        while lock(&self.heard.moving).is_some() {
            self.store().step_pager()?;
            self.heard.note();
        }
        Ok(())
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
        [&self.journal, &self.pages].map(|disk| Watched {
            disk: disk.attach(),
            watch: self.watch.clone(),
            heard: self.heard.clone(),
        })
    }
}

impl Heard {
    /// Notes what was answered and shown since.
    fn note(&self) {
        let mut told = lock(&self.told);
        lock(&self.moving).take_if(|(moves, step, answer)| {
            let is_answered = matches!(answer.clone().now_or_never(), Some(Ok(())));
            if is_answered {
                told.moved(moves, *step);
            }
            is_answered
        });
        told.shown.clone_from(&lock(&self.shown));
        lock(&self.waiting).retain_mut(|Waiting { batch, answer }| match answer.clone().now_or_never() {
            Some(Ok(outcomes)) => {
                batch.iter().zip(&outcomes).for_each(|(line, outcome)| told.answer(line, outcome));
                false
            }
            Some(Err(_)) | None => true,
        });
    }
}

impl CommitObserver for Reader {
    fn committed(&self, runs: &[anchor_core::run::Run]) {
        lock(&self.0).extend(runs.iter().map(|run| (run.room().clone(), run.tip())));
    }

    fn deleted(&self, _room: &RoomId) {}

    fn failed(&self) {}
}

impl Watched {
    fn look(&self, moment: Moment) {
        if let Some(watch) = &self.watch {
            self.heard.note();
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
