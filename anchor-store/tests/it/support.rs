//! What these tests share: publishes, a disk that fails on command, and observers that take notes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anchor_core::event::{Draft, Event};
use anchor_core::id::{ClientId, ClientKey, Nonce, RoomId, Seq, SessionNumber, UserId};
use anchor_core::publish::{Ack, MissingRoom, Outcome, Publish, Verdict};
use anchor_core::run::Run;
use anchor_core::store::{CommitObserver, Store, StoreError, StoreExt};
use anchor_store::{RedbStore, Step};
use futures::FutureExt;
use redb::StorageBackend;

pub(crate) fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

pub(crate) fn client(number: u8) -> ClientKey {
    ClientKey { user: UserId::new(format!("user-{number}")).unwrap(), id: ClientId::from_bytes([number; 16]) }
}

/// A message that comes first into its room, outside of any session.
pub(crate) fn publish(client: &ClientKey, seq: u64, room: &RoomId, text: &str) -> Publish {
    Publish {
        client: client.clone(),
        session: None,
        seq: Seq::new(seq).unwrap(),
        nonce: Nonce(0),
        waits: Seq::FIRST,
        room: room.clone(),
        draft: Draft::message(text),
        verdict: Verdict::Append { room: MissingRoom::Create },
    }
}

pub(crate) fn in_session(session: SessionNumber, publish: Publish) -> Publish {
    Publish { session: Some(session), ..publish }
}

pub(crate) fn waiting_from(waits: u64, publish: Publish) -> Publish {
    Publish { waits: Seq::new(waits).unwrap(), ..publish }
}

pub(crate) fn acked(outcome: &Outcome) -> &Ack {
    match outcome {
        Outcome::Acked(ack) => ack,
        other => panic!("expected an ack, got {other:?}"),
    }
}

pub(crate) fn text(event: &Event) -> &str {
    event.body.as_ref().and_then(|body| body.as_text()).unwrap()
}

pub(crate) async fn texts(store: &RedbStore, room: &RoomId) -> Vec<String> {
    let events = store.read_all(room).await.unwrap();
    events.iter().enumerate().for_each(|(at, event)| {
        assert_eq!(event.offset.0, events[0].offset.0 + at as u64, "offsets are dense");
    });
    events.iter().map(|event| text(event).to_owned()).collect()
}

/// Takes every step of a store without threads.
pub(crate) fn run_steps(store: &RedbStore) -> Result<(), StoreError> {
    while store.step_writer()? == Step::Worked {}
    Ok(())
}

/// Appends to a store without threads: the outcomes, or the error.
pub(crate) fn append_stepped(store: &RedbStore, batch: Vec<Publish>) -> Result<Vec<Outcome>, StoreError> {
    let answer = store.append(batch);
    run_steps(store)?;
    answer.now_or_never().expect("the steps have answered it")
}

/// A disk in memory that loses power on command. Clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    world: Arc<World>,
    state: Arc<Mutex<DiskState>>,
}

/// What the disks of a store have in common: the power.
#[derive(Debug, Default)]
pub(crate) struct World {
    state: Mutex<WorldState>,
}

#[derive(Debug, Default)]
struct WorldState {
    syncs: u64,
    fails_at_sync: Option<u64>,
    seed: u64,
    off: bool,
}

#[derive(Debug, Default)]
struct DiskState {
    /// What programs see.
    seen: Vec<u8>,
    /// What survives.
    kept: Vec<u8>,
    /// What was written since the last sync.
    unsynced: Vec<Write>,
}

#[derive(Clone, Debug)]
enum Write {
    Data { offset: usize, data: Vec<u8> },
    Length(usize),
}

impl World {
    /// A world whose power goes away at its `sync`-th sync, before that sync takes effect; what was not synced then is
    /// lost, kept or torn as `seed` says.
    pub(crate) fn failing_at(sync: Option<u64>, seed: u64) -> Arc<Self> {
        let state = WorldState { fails_at_sync: sync, seed, ..WorldState::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub(crate) fn disk(self: &Arc<Self>, image: Vec<u8>) -> Disk {
        let state = DiskState { seen: image.clone(), kept: image, unsynced: Vec::new() };
        Disk { world: Arc::clone(self), state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn syncs(&self) -> u64 {
        lock(&self.state).syncs
    }

    /// Turns the power off now.
    pub(crate) fn turn_off(&self) {
        lock(&self.state).off = true;
    }

    fn check(&self) -> io::Result<()> {
        if lock(&self.state).off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }
}

impl Disk {
    /// What is on the disk after the power went.
    pub(crate) fn image(&self) -> Vec<u8> {
        let mut random = lock(&self.world.state).seed;
        let state = lock(&self.state);
        let mut image = state.kept.clone();
        for write in &state.unsynced {
            match (write, next(&mut random) % 4) {
                (_, 0 | 1) => {}
                (write, 2) => write.apply(&mut image),
                (Write::Length(length), _) => image.resize(*length, 0),
                (Write::Data { offset, data }, _) => {
                    // Torn: each sector is there or not.
                    for (number, sector) in data.chunks(SECTOR).enumerate() {
                        if next(&mut random).is_multiple_of(2) {
                            let write =
                                Write::Data { offset: offset + number * SECTOR, data: sector.to_vec() };
                            write.apply(&mut image);
                        }
                    }
                }
            }
        }
        image
    }
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Data { offset, data } => {
                let end = offset + data.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(data);
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.world.check()?;
        Ok(lock(&self.state).seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.world.check()?;
        let state = lock(&self.state);
        let offset = usize::try_from(offset).unwrap();
        let bytes = state.seen.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.world.check()?;
        self.write_down(Write::Length(usize::try_from(len).unwrap()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = lock(&self.world.state);
        world.syncs += 1;
        if world.fails_at_sync == Some(world.syncs) {
            world.off = true;
        }
        if world.off {
            return Err(io::Error::other("the power is off"));
        }
        let mut state = lock(&self.state);
        let DiskState { seen, kept, unsynced } = &mut *state;
        unsynced.clear();
        kept.clone_from(seen);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.world.check()?;
        self.write_down(Write::Data { offset: usize::try_from(offset).unwrap(), data: data.to_vec() });
        Ok(())
    }
}

impl Disk {
    fn write_down(&self, write: Write) {
        let mut state = lock(&self.state);
        write.apply(&mut state.seen);
        state.unsynced.push(write);
    }
}

/// Notes what it is told of.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) rooms: Mutex<BTreeMap<RoomId, Vec<Run>>>,
    pub(crate) failures: Mutex<u32>,
}

impl CommitObserver for Notes {
    fn committed(&self, runs: &[Run]) {
        let mut rooms = lock(&self.rooms);
        for run in runs {
            let noted = rooms.entry(run.room().clone()).or_default();
            if let Some(last) = noted.last() {
                assert_eq!(last.tip(), run.before(), "commits are told in their order");
            }
            noted.push(run.clone());
        }
    }

    fn failed(&self) {
        *lock(&self.failures) += 1;
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next number of a splitmix64.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const SECTOR: usize = 512;
