//! A network between hosts: connections that take time, and that break, stall and go silent as TCP's do.

mod pipe;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use anchor_core::conformance::environment::SplitMix64;

pub use self::pipe::Pipe;
use self::pipe::{Connection, Half};
use crate::clock::between;
use crate::kernel::{Kernel, index, lock};
use crate::trace::Trace;

/// A machine on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u64);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.0)
    }
}

/// How the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// How long bytes take, at least and at most.
    pub delay: (Duration, Duration),
    /// One in so many connections breaks by itself, at a byte of its first [`Weather::cut_within`]; zero: none does.
    pub cut_one_in: u64,
    /// See [`Weather::cut_one_in`].
    pub cut_within: u64,
    /// Bytes that a connection holds in each direction before its writer waits, at least and at most.
    pub buffer: (u64, u64),
}

impl Weather {
    /// Nothing goes wrong.
    pub const FAIR: Self = Self {
        delay: (Duration::from_micros(50), Duration::from_millis(5)),
        cut_one_in: 0,
        cut_within: 0,
        buffer: (64 * 1024, 128 * 1024),
    };
}

/// All hosts and what lies between them. Clones are the same network.
#[derive(Clone)]
pub struct Network {
    kernel: Kernel,
    trace: Trace,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    dice: SplitMix64,
    weather: Weather,
    listeners: BTreeMap<HostId, Queue>,
    /// Pairs of hosts, the lower first, between which nothing passes.
    parted: BTreeSet<(HostId, HostId)>,
    /// Hosts without power: nothing answers there.
    dark: BTreeSet<HostId>,
    connections: Vec<Weak<Mutex<Connection>>>,
    made: u64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Pipe>,
    waker: Option<Waker>,
}

/// Takes connections to a host; nobody does once it is dropped.
#[derive(Debug)]
pub struct Listener {
    network: Network,
    host: HostId,
}

impl Network {
    /// A network in fair weather.
    #[must_use]
    pub fn new(kernel: Kernel, trace: Trace, dice: SplitMix64) -> Self {
        let inner = Inner {
            dice,
            weather: Weather::FAIR,
            listeners: BTreeMap::new(),
            parted: BTreeSet::new(),
            dark: BTreeSet::new(),
            connections: Vec::new(),
            made: 0,
        };
        Self { kernel, trace, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Listens on `host`, in place of whoever did.
    #[must_use]
    pub fn listen(&self, host: HostId) -> Listener {
        lock(&self.inner).listeners.insert(host, Queue::default());
        Listener { network: self.clone(), host }
    }

    /// Connects. Takes for ever where nothing answers.
    ///
    /// # Errors
    /// Refused where nobody listens.
    pub async fn connect(&self, from: HostId, to: HostId) -> io::Result<Pipe> {
        let delay = {
            let mut inner = lock(&self.inner);
            let (least, most) = inner.weather.delay;
            between(&mut inner.dice, least, most)
        };
        self.kernel.sleep(delay).await;
        while !self.is_reachable(from, to) {
            self.kernel.sleep(RETRANSMIT).await;
        }
        let mut inner = lock(&self.inner);
        let inner = &mut *inner;
        let Some(queue) = inner.listeners.get_mut(&to) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        inner.made += 1;
        let halves = [(); 2].map(|()| Half::draw(&mut inner.dice, &inner.weather));
        let connection = Connection::new(inner.made, [from, to], delay, halves, inner.dice.draw());
        self.trace.note(from, format_args!("connects to {to}: {connection}"));
        let connection = Arc::new(Mutex::new(connection));
        inner.connections.retain(|connection| connection.strong_count() > 0);
        inner.connections.push(Arc::downgrade(&connection));
        let [near, far] = [0, 1].map(|side| Pipe::new(self.clone(), connection.clone(), side));
        queue.waiting.push_back(far);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        Ok(near)
    }

    /// Changes the weather for connections that come.
    pub fn set_weather(&self, weather: Weather) {
        lock(&self.inner).weather = weather;
    }

    /// Lets nothing pass between two hosts, in silence.
    pub fn part(&self, one: HostId, other: HostId) {
        lock(&self.inner).parted.insert(pair(one, other));
    }

    /// Lets everything pass again between two hosts.
    pub fn join(&self, one: HostId, other: HostId) {
        lock(&self.inner).parted.remove(&pair(one, other));
        self.connections().iter().for_each(|connection| lock(connection).wake());
    }

    /// Lets everything pass again, brings power back, and lets no connection break by itself any more.
    pub fn heal(&self) {
        {
            let mut inner = lock(&self.inner);
            inner.parted.clear();
            inner.dark.clear();
            inner.weather = Weather::FAIR;
        }
        for connection in self.connections() {
            let mut connection = lock(&connection);
            connection.mend();
            connection.wake();
        }
    }

    /// Breaks one in `one_in` of the connections of `host`: both ends are told.
    pub fn cut(&self, host: HostId, one_in: u64) {
        for connection in self.connections() {
            let mut connection = lock(&connection);
            if connection.ends.contains(&host) && lock(&self.inner).dice.below(one_in) == 0 {
                self.trace.note(host, format_args!("connection {} is cut", connection.number));
                connection.cut();
            }
        }
    }

    /// Takes the power of `host` away: its connections are half open, and nobody is told.
    pub fn darken(&self, host: HostId) {
        lock(&self.inner).dark.insert(host);
        for connection in self.connections() {
            let mut connection = lock(&connection);
            if connection.ends.contains(&host) {
                connection.is_silent = true;
            }
        }
    }

    /// Brings the power of `host` back: what still sends on its old connections is told that there is none.
    pub fn lighten(&self, host: HostId) {
        lock(&self.inner).dark.remove(&host);
        for connection in self.connections() {
            let mut connection = lock(&connection);
            if connection.is_silent && connection.ends.contains(&host) {
                connection.cut();
            }
        }
    }

    /// True if what is sent on `connection` arrives.
    fn passes(&self, connection: &Connection) -> bool {
        let [one, other] = connection.ends;
        !connection.is_silent && self.is_reachable(one, other)
    }

    fn is_reachable(&self, one: HostId, other: HostId) -> bool {
        let inner = lock(&self.inner);
        let is_dark = [one, other].iter().any(|host| inner.dark.contains(host));
        !is_dark && !inner.parted.contains(&pair(one, other))
    }

    fn connections(&self) -> Vec<Arc<Mutex<Connection>>> {
        lock(&self.inner).connections.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Half {
    fn draw(dice: &mut SplitMix64, weather: &Weather) -> Self {
        let (least, most) = weather.buffer;
        let capacity = least + dice.below(most - least + 1);
        let breaks = weather.cut_one_in > 0 && dice.below(weather.cut_one_in) == 0;
        // Early bytes more often: there stand handshake, hello and welcome.
        let within = weather.cut_within >> (4 * dice.below(4));
        Self::new(index(capacity), breaks.then(|| 1 + dice.below(within.max(1))))
    }
}

impl Listener {
    /// The next connection.
    pub async fn accept(&self) -> Pipe {
        poll_fn(|cx| {
            let mut inner = lock(&self.network.inner);
            let Some(queue) = inner.listeners.get_mut(&self.host) else { return Poll::Pending };
            match queue.waiting.pop_front() {
                Some(pipe) => Poll::Ready(pipe),
                None => {
                    queue.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let queue = lock(&self.network.inner).listeners.remove(&self.host);
        drop(queue);
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = lock(&self.inner);
        f.debug_struct("Network").field("connections", &inner.made).finish_non_exhaustive()
    }
}

fn pair(one: HostId, other: HostId) -> (HostId, HostId) {
    (one.min(other), one.max(other))
}

/// How often somebody who tries to connect tries again. Source: chosen, TCP's first retransmission.
const RETRANSMIT: Duration = Duration::from_secs(1);
