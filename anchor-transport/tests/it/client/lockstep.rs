//! Clients and a server in one thread, under a clock that moves only when nothing else does: no runtime, no chance. The
//! same calls do the same again, down to the bytes on the disks.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::engine::Anchor;
use anchor_core::environment::Environment;
use anchor_core::id::{RoomId, UserId};
use anchor_core::memory::{MemoryStore, Snapshot};
use anchor_core::store::StoreExt;
use anchor_sim::disk::Disk;
use anchor_transport::client::{Client, ClientConfig, Dial, Io, OpenError, ServerAddress, Storage};
use futures::future::{AbortHandle, BoxFuture, abortable};
use futures::stream::FuturesUnordered;
use futures::task::{ArcWake, waker};
use futures::{FutureExt, StreamExt};
use redb::StorageBackend;
use tokio::io::DuplexStream;

use super::world::{accept, text};

/// Everything there is.
pub(crate) struct Lockstep {
    pub(crate) env: TestEnvironment,
    network: Network,
    tasks: FuturesUnordered<BoxFuture<'static, ()>>,
    woken: Arc<Woken>,
}

/// A client and how to end it as `kill -9` does.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) client: Client,
    driver: AbortHandle,
}

/// The way to the server, if there is one.
#[derive(Clone, Default)]
struct Network(Arc<Mutex<Server>>);

#[derive(Default)]
struct Server {
    anchor: Option<Anchor>,
    dialled: Vec<(DuplexStream, Anchor)>,
    connections: Vec<AbortHandle>,
}

impl Lockstep {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            env: TestEnvironment::new(seed),
            network: Network::default(),
            tasks: FuturesUnordered::new(),
            woken: Arc::default(),
        }
    }

    /// A store that goes on from `snapshot`, under this clock.
    pub(crate) fn store(&self, snapshot: Option<Snapshot>) -> MemoryStore {
        match snapshot {
            Some(snapshot) => MemoryStore::open(self.env.clone(), snapshot),
            None => MemoryStore::new(self.env.clone()),
        }
    }

    /// Starts a server on `store`.
    pub(crate) fn up(&self, store: &MemoryStore) {
        self.down();
        let anchor = Anchor::builder(store.clone(), self.env.clone()).build();
        self.network.0.lock().unwrap().anchor = Some(anchor);
    }

    /// Ends the server and every connection, without a word.
    pub(crate) fn down(&self) {
        let mut server = self.network.0.lock().unwrap();
        server.anchor = None;
        server.dialled.clear();
        server.connections.drain(..).for_each(|connection| connection.abort());
    }

    /// Starts a client of `ada` on `disk`.
    pub(crate) fn open(&mut self, disk: &Disk) -> Result<Process, OpenError> {
        self.open_as("ada", disk)
    }

    /// Starts a client of `user` on `disk`.
    pub(crate) fn open_as(&mut self, user: &str, disk: &Disk) -> Result<Process, OpenError> {
        let storage = OnDisk { disk: disk.clone(), env: self.env.clone() };
        let config = ClientConfig::new("ws://server")
            .user(UserId::new(user).unwrap())
            .dial(self.network.clone())
            .storage(storage);
        let (client, driver) = Client::open_driven(config, Arc::new(self.env.clone()))?;
        let (task, driver) = abortable(driver);
        self.tasks.push(task.map(drop).boxed());
        Ok(Process { client, driver })
    }

    /// Ends a client where it stands.
    pub(crate) fn kill(&mut self, process: &Process) {
        process.driver.abort();
        self.settle();
    }

    /// Drives everything until `future` is done; time passes when nothing else can happen.
    pub(crate) fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let waker = waker(self.woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        let end = self.env.now() + PATIENCE;
        loop {
            self.woken.0.store(false, Ordering::Relaxed);
            if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
                return done;
            }
            if !self.turn(&mut context) && !self.woken.0.load(Ordering::Relaxed) {
                assert!(self.env.advance_to_next(), "nothing can happen any more");
                assert!(self.env.now() < end, "it does not come about");
            }
        }
    }

    /// Drives everything as far as it goes without time.
    pub(crate) fn settle(&mut self) {
        let waker = waker(self.woken.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            self.woken.0.store(false, Ordering::Relaxed);
            if !self.turn(&mut context) && !self.woken.0.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Polls what was woken; true if somebody dialled.
    fn turn(&mut self, context: &mut Context<'_>) -> bool {
        while let Poll::Ready(Some(())) = self.tasks.poll_next_unpin(context) {}
        let mut server = self.network.0.lock().unwrap();
        let dialled = std::mem::take(&mut server.dialled);
        let has_dialled = !dialled.is_empty();
        for (io, anchor) in dialled {
            let (task, connection) = abortable(accept(io, anchor));
            server.connections.push(connection);
            self.tasks.push(task.map(drop).boxed());
        }
        has_dialled
    }
}

/// The texts of the lobby, in order.
pub(crate) fn texts(store: &MemoryStore) -> Vec<String> {
    let events = store.read_all(&RoomId::lobby()).now_or_never().expect("memory does not wait").unwrap();
    events.iter().map(text).collect()
}

impl Dial for Network {
    fn dial(&self, _server: &ServerAddress) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let mut server = self.0.lock().unwrap();
        let Some(anchor) = server.anchor.clone() else {
            return std::future::ready(Err(io::ErrorKind::ConnectionRefused.into())).boxed();
        };
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        server.dialled.push((theirs, anchor));
        std::future::ready(Ok(Box::new(ours) as Box<dyn Io>)).boxed()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

/// A disk that takes a millisecond for a commit.
#[derive(Debug)]
struct OnDisk {
    disk: Disk,
    env: TestEnvironment,
}

impl Storage for OnDisk {
    fn path(&self) -> &Path {
        Path::new("disk")
    }

    fn backend(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.disk.attach()))
    }

    fn turn(&self) -> BoxFuture<'static, ()> {
        self.env.sleep_until(self.env.now() + Duration::from_millis(1))
    }
}

/// Whether anything was woken.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.store(true, Ordering::Relaxed);
    }
}

/// How long something may take by the clock of these tests.
const PATIENCE: Duration = Duration::from_secs(600);
