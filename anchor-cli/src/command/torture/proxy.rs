//! A proxy on a free port of 127.0.0.1: what goes through it is cut, stalled, delayed, dripped, or turned away.
//!
//! Every connection draws its fate from the seed and its own number. While the proxy is *healed* every connection is
//! clean, and those that had another fate are cut: what is half-open would stay so.

mod fate;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::fate::Fate;
use crate::dice::Dice;

/// A running proxy; dropping it ends all its connections.
#[derive(Debug)]
pub(super) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    _task: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    seed: u64,
    target: watch::Sender<Option<SocketAddr>>,
    healed: watch::Sender<bool>,
    connections: AtomicU64,
    faults: AtomicU64,
    /// Told whenever something came from the server.
    answers: Arc<Notify>,
}

impl Proxy {
    /// Begins to listen; everything is refused until there is a target.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) async fn start(seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            seed,
            target: watch::Sender::new(None),
            healed: watch::Sender::new(false),
            connections: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            answers: Arc::new(Notify::new()),
        });
        let mut task = JoinSet::new();
        task.spawn(listen(listener, state.clone()));
        Ok(Self { address, state, _task: task })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to `target`; nowhere while the server is down.
    pub(super) fn lead_to(&self, target: Option<SocketAddr>) {
        self.state.target.send_replace(target);
    }

    /// From here on nothing goes wrong any more.
    pub(super) fn heal(&self) {
        self.state.healed.send_replace(true);
    }

    /// Waits until the server says something to anybody: what it answers then must be true already.
    pub(super) async fn answer(&self) {
        self.state.answers.notified().await;
    }

    /// Connections that were made, and those among them that something was done to.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.state.connections.load(Ordering::Relaxed), self.state.faults.load(Ordering::Relaxed))
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => drop(connections.spawn(carry(client, state.clone()))),
                // Too many open files: the next one may work.
                Err(_) => sleep(fate::PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, from its beginning to its end.
async fn carry(client: TcpStream, state: Arc<State>) {
    let number = state.connections.fetch_add(1, Ordering::Relaxed);
    let mut healed = state.healed.subscribe();
    let is_healed = *healed.borrow_and_update();
    let mut dice = Dice::new(state.seed, FATES.wrapping_add(number));
    let fate = if is_healed { Fate::Clean } else { Fate::draw(&mut dice) };
    if fate != Fate::Clean {
        state.faults.fetch_add(1, Ordering::Relaxed);
    }
    let Some(target) = *state.target.borrow() else { return };
    if fate == Fate::TurnedAway {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let end = fate::carry(client, server, fate, dice, state.answers.clone());
    match fate {
        Fate::Clean => end.await,
        // Whoever waits at the end of a connection that is stalled shall not wait for ever.
        _ => tokio::select! {
            () = end => {}
            _ = healed.wait_for(|healed| *healed) => {}
        },
    }
}

/// Names the dice of the first connection.
const FATES: u64 = 1 << 32;
