//! A server in this process that clients reach over pipes, and that can be cut off, taken away and replaced; and a clock
//! that runs fast, so that back-off costs the tests little.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::System;
use anchor_core::engine::Anchor;
use anchor_core::environment::{Environment, Monotonic};
use anchor_core::event::Event;
use anchor_core::id::{RoomId, UserId};
use anchor_core::memory::MemoryStore;
use anchor_core::session::frame::Events;
use anchor_core::session::{Credentials, Denied, Identify, Identity, OpenIdentify};
use anchor_core::store::StoreExt;
use anchor_transport::client::{
    Client, ClientConfig, Delivery, Dial, Io, Notice, ServerAddress, Subscription,
};
use anchor_transport::server;
use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

/// How long a condition may take before a test fails. Generous: the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server that comes and goes. Clones are the same one; it is also how clients reach it.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    store: Option<MemoryStore>,
    anchor: Option<Anchor>,
    connections: Vec<AbortHandle>,
    dialled: usize,
}

impl World {
    /// A world with a server that has an empty store.
    pub(crate) fn new() -> Self {
        let world = Self::default();
        world.up(MemoryStore::new(System));
        world
    }

    /// A world with a server that says often how things stand.
    pub(crate) fn beating() -> Self {
        let world = Self::default();
        let store = MemoryStore::new(System);
        let anchor = Anchor::builder(store.clone(), System).heartbeat(Duration::from_millis(200)).build();
        *world.0.lock().unwrap() = Inner { store: Some(store), anchor: Some(anchor), ..Inner::default() };
        world
    }

    /// Starts a server on `store`.
    pub(crate) fn up(&self, store: MemoryStore) {
        let mut inner = self.0.lock().unwrap();
        inner.anchor = Some(Anchor::builder(store.clone(), System).build());
        inner.store = Some(store);
    }

    /// Starts a server that somebody else has built, on whatever store.
    pub(crate) fn up_with(&self, anchor: Anchor) {
        self.0.lock().unwrap().anchor = Some(anchor);
    }

    /// Ends every connection without a word.
    pub(crate) fn cut(&self) {
        self.0.lock().unwrap().connections.drain(..).for_each(|connection| connection.abort());
    }

    /// Ends the server; its store stays.
    pub(crate) fn down(&self) {
        self.0.lock().unwrap().anchor = None;
        self.cut();
    }

    /// Starts the server on its store again.
    pub(crate) fn again(&self) {
        self.up(self.store());
    }

    pub(crate) fn store(&self) -> MemoryStore {
        self.0.lock().unwrap().store.clone().unwrap()
    }

    /// How often a client dialled.
    pub(crate) fn dialled(&self) -> usize {
        self.0.lock().unwrap().dialled
    }

    /// A client of `user` with its state in memory.
    pub(crate) fn client(&self, user: &str) -> Client {
        Client::open(self.config(user), Fast).unwrap()
    }

    /// A client of `user` with its state in `directory`.
    pub(crate) fn client_in(&self, user: &str, directory: &Path) -> Client {
        Client::open(self.config(user).directory(directory), Fast).unwrap()
    }

    pub(crate) fn config(&self, user: &str) -> ClientConfig {
        ClientConfig::new("ws://server").user(UserId::new(user).unwrap()).dial(self.clone())
    }

    /// Every event of the lobby.
    pub(crate) async fn log(&self) -> Vec<Event> {
        self.store().read_all(&RoomId::lobby()).await.unwrap()
    }

    /// The texts of the lobby, in order.
    pub(crate) async fn texts(&self) -> Vec<String> {
        self.log().await.iter().map(text).collect()
    }
}

impl Dial for World {
    fn dial(&self, _server: &ServerAddress) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let mut inner = self.0.lock().unwrap();
        inner.dialled += 1;
        let Some(anchor) = inner.anchor.clone() else {
            return std::future::ready(Err(io::ErrorKind::ConnectionRefused.into())).boxed();
        };
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let connection = tokio::spawn(accept(theirs, anchor));
        inner.connections.push(connection.abort_handle());
        std::future::ready(Ok(Box::new(ours) as Box<dyn Io>)).boxed()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

/// Serves `io` as any server does.
pub(crate) async fn accept<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static>(io: IO, anchor: Anchor) {
    let _ = server::accept(io, anchor, Arc::new(RootIsAdmin)).await;
}

/// Believes every name; `root` is an admin.
#[derive(Debug)]
struct RootIsAdmin;

#[async_trait]
impl Identify for RootIsAdmin {
    async fn identify(&self, credentials: Credentials) -> Result<Identity, Denied> {
        let Identity { user, .. } = OpenIdentify.identify(credentials).await?;
        Ok(Identity { admin: user.as_str() == "root", user })
    }
}

/// The system's environment, twenty times as fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fast;

impl Environment for Fast {
    fn now(&self) -> Monotonic {
        Monotonic(System.now().0 * SPEED)
    }

    fn unix_ms(&self) -> u64 {
        System.unix_ms()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        System.fill_random(bytes);
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        System.sleep_until(Monotonic(deadline.0 / SPEED))
    }
}

const SPEED: u32 = 20;

/// The user of that name.
pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// The room of that name.
pub(crate) fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

/// Waits until a publish is durable, then until it is answered.
pub(crate) async fn answered<T, E: fmt::Debug>(
    publishing: impl Future<Output = Result<impl Future<Output = T>, E>>,
) -> T {
    soon(soon(publishing).await.unwrap()).await
}

/// The text of an event.
pub(crate) fn text(event: &Event) -> String {
    event.body.as_ref().unwrap().as_text().unwrap().to_owned()
}

/// Waits for `future`, not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it comes within the deadline")
}

/// The next item of a stream, which comes.
pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> S::Item {
    soon(stream.next()).await.expect("the stream goes on")
}

/// The next notice that `wanted` takes.
pub(crate) async fn notice<T>(
    notices: &mut (impl Stream<Item = Notice> + Unpin),
    wanted: impl Fn(Notice) -> Option<T>,
) -> T {
    loop {
        if let Some(found) = wanted(next(notices).await) {
            return found;
        }
    }
}

/// Events of a subscription until there are `count`; panics at a gap or an end.
pub(crate) async fn take(subscription: &mut Subscription, count: usize) -> Vec<Event> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match next(subscription).await {
            Delivery::Events(Events { events, .. }) => taken.extend(events),
            Delivery::Started { .. } => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    taken
}

/// Copies the files of a state directory, as a backup or a copied profile does.
pub(crate) fn copy_state(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
