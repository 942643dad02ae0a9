//! Many connections in one thread: what the load generator speaks the protocol with, at a fraction of what a client costs.
//!
//! ```text
//! sockets ── turn: read into one buffer ── websocket: frames where they lie ── said: events without a copy ── Handler
//!    ▲                                                                                                           │
//!    └────────────────────────────── Links: masked frames, written at once ──────────────────────────────────────┘
//! ```
//! A connection owns no buffer but for what its socket did not take, and the beginning of a frame whose end has not come.
//! Nothing here keeps an outbox or comes back by itself: a connection that ends early ends the run, or is its subject.

mod link;
mod said;
mod timer;
mod websocket;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};

pub(super) use self::link::Links;
use self::link::Stage;
pub(super) use self::said::{AckSeen, EventSeen, EventsSeen, PageSeen, Said};
use self::timer::Timer;
use crate::exit::{Exit, Failure};

/// Time since the beginning of the run, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nanos(pub(super) u64);

impl Nanos {
    /// So long after.
    pub(super) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier`; zero if it is not.
    pub(super) const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Where a server is found.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// As the HTTP header `Host` has it.
    pub(super) authority: String,
    pub(super) path: String,
}

/// Takes what connections hear.
pub(super) trait Handler {
    /// The server said something to connection `who`, and it was read at `at`.
    ///
    /// # Errors
    /// What ends the run.
    fn said(&mut self, links: &mut Links, who: usize, said: Said<'_>, at: Nanos) -> Result<(), Failure>;

    /// Connection `who` is open, and says `hello` at `at`.
    fn upgraded(&mut self, who: usize, at: Nanos) {
        let _ = (who, at);
    }

    /// Connection `who` ended, though nobody closed it here.
    ///
    /// # Errors
    /// What ends the run.
    fn lost(&mut self, links: &mut Links, who: usize, why: &str) -> Result<(), Failure> {
        let _ = links;
        Err(Failure::new(Exit::Failure, format!("connection {who} ended: {why}")))
    }
}

/// A connection that may have more to read.
#[derive(Clone, Copy, Debug)]
struct Unread {
    who: usize,
    /// Its end was told: it is read up to that.
    is_ending: bool,
}

/// The connections, and the loop that drives them.
#[derive(Debug)]
pub(super) struct Net {
    poll: Poll,
    ready: Events,
    timer: Timer,
    /// When the timer makes itself heard.
    armed: Nanos,
    /// What is being read, of whichever connection.
    buffer: Vec<u8>,
    /// Connections that may have more to read, which nobody tells of again.
    unread: VecDeque<Unread>,
    pub(super) links: Links,
    base: Instant,
    stop: Arc<AtomicBool>,
}

impl Net {
    /// Without a connection yet. Everything ends with an error once `stop` is set.
    ///
    /// # Errors
    /// Where the system has nothing left to wait with.
    pub(super) fn new(target: Target, stop: Arc<AtomicBool>) -> Result<Self, Failure> {
        let made = || {
            let poll = Poll::new()?;
            let timer = Timer::new(poll.registry(), TIMER)?;
            let links = Links::new(target, poll.registry().try_clone()?);
            io::Result::Ok((poll, timer, links))
        };
        let (poll, timer, links) = made()
            .map_err(|error| Failure::new(Exit::Failure, format!("cannot wait for sockets: {error}")))?;
        Ok(Self {
            poll,
            ready: Events::with_capacity(READY_MAX),
            timer,
            armed: Nanos(0),
            buffer: vec![0; BUFFER_BYTES],
            unread: VecDeque::new(),
            links,
            base: Instant::now(),
            stop,
        })
    }

    /// As this one, for another thread: without a connection yet, and with the same clock.
    ///
    /// # Errors
    /// See [`Net::new`].
    pub(super) fn another(&self) -> Result<Self, Failure> {
        let another = Self::new(self.links.target().clone(), self.stop.clone())?;
        Ok(Self { base: self.base, ..another })
    }

    /// The time.
    pub(super) fn now(&self) -> Nanos {
        now(self.base)
    }

    /// Writes what waits, then takes what comes, once, waiting for it until `until`.
    ///
    /// # Errors
    /// What the handler ends the run with; [`Failure::Interrupted`] once it is to stop.
    pub(super) fn turn(&mut self, handler: &mut impl Handler, until: Nanos) -> Result<(), Failure> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        self.links.beat(self.now());
        self.write(handler)?;
        self.wait(until)
            .map_err(|error| Failure::new(Exit::Failure, format!("cannot wait for sockets: {error}")))?;
        let ready = std::mem::replace(&mut self.ready, Events::with_capacity(0));
        let taken = ready.iter().try_for_each(|event| self.take(handler, event));
        self.ready = ready;
        taken?;
        // What came just now goes first: who reads a lot does not hold up who waits for a little.
        for _ in 0..self.unread.len().min(UNREAD_PER_TURN) {
            if let Some(Unread { who, is_ending }) = self.unread.pop_front() {
                self.links.taken_up(who);
                self.read(handler, who, is_ending)?;
                self.write(handler)?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, until: Nanos) -> io::Result<()> {
        let left = match self.unread.is_empty() {
            true => until.since(self.now()).min(TURN_MAX),
            false => Duration::ZERO,
        };
        let timeout = match left < PRECISE_BELOW && !left.is_zero() {
            false => left,
            true if self.armed == until => TURN_MAX,
            true => {
                self.armed = until;
                self.timer.wait(left)?
            }
        };
        match self.poll.poll(&mut self.ready, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.ready.clear();
                Ok(())
            }
            polled => polled,
        }
    }

    /// One socket is ready for something.
    fn take(&mut self, handler: &mut impl Handler, event: &Event) -> Result<(), Failure> {
        let who = event.token().0;
        if event.token() == TIMER {
            self.armed = Nanos(0);
            return Ok(());
        }
        if event.is_writable()
            && let Err(why) = self.links.writable(who)
        {
            self.links.close(who);
            return handler.lost(&mut self.links, who, &why);
        }
        if event.is_readable() || event.is_read_closed() {
            self.read(handler, who, event.is_read_closed())?;
        }
        self.write(handler)
    }

    /// Reads once. A read that did not fill the buffer has emptied the socket: `epoll(7)`, question 9.
    fn read(&mut self, handler: &mut impl Handler, who: usize, is_ending: bool) -> Result<(), Failure> {
        let (kept, read) = match self.links.read(who, &mut self.buffer) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(()),
            Err(why) => {
                self.links.close(who);
                return handler.lost(&mut self.links, who, &why);
            }
        };
        let buffer = &self.buffer[..kept + read];
        let at = now(self.base);
        let mut start = 0;
        while let Some(stage) = self.links.stage(who) {
            let heard = match stage {
                Stage::Upgrading => self.links.upgraded(who, &buffer[start..]),
                _ => websocket::first(&buffer[start..]),
            };
            let heard = heard.and_then(|first| match first {
                None => Ok(None),
                Some((frame, end)) => match frame.opcode {
                    websocket::BINARY => Said::read(frame.payload).map(|said| Some((Some(said), end))),
                    websocket::CLOSE => Err("the server closed it".to_owned()),
                    opcode => {
                        self.links.answer(who, opcode, frame.payload);
                        Ok(Some((None, end)))
                    }
                },
            });
            match heard {
                Ok(None) => break,
                Ok(Some((said, end))) => {
                    start += end;
                    if stage == Stage::Upgrading {
                        handler.upgraded(who, at);
                    }
                    if let Some(said) = said {
                        self.links.note(who, &said);
                        handler.said(&mut self.links, who, said, at)?;
                    }
                }
                Err(why) => {
                    self.links.close(who);
                    return handler.lost(&mut self.links, who, &why);
                }
            }
        }
        self.links.keep(who, &buffer[start..]);
        if (read == READ_BYTES || is_ending) && self.links.put_off(who) {
            self.unread.push_back(Unread { who, is_ending });
        }
        Ok(())
    }

    /// Gives sockets what waits for them.
    fn write(&mut self, handler: &mut impl Handler) -> Result<(), Failure> {
        while let Some(who) = self.links.next_dirty() {
            if let Err(why) = self.links.write(who) {
                self.links.close(who);
                handler.lost(&mut self.links, who, &why)?;
            }
        }
        Ok(())
    }
}

fn now(base: Instant) -> Nanos {
    Nanos(u64::try_from(base.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Names the timer among the sockets.
const TIMER: Token = Token(usize::MAX - 1);

/// Sockets that are told of at once. Source: chosen; all subscribers of a fan-out.
const READY_MAX: usize = 1024;

/// What is read at once, at most. Source: chosen; it stays in the cache of a processor.
const READ_BYTES: usize = 128 * 1024;

/// A read and what came before of the same frame: the longest of the protocol, and its header.
const BUFFER_BYTES: usize = READ_BYTES + websocket::FRAME_BYTES_MAX + 10;

/// Connections with more to read that are read before what came meanwhile is looked at. Source: chosen; some milliseconds.
const UNREAD_PER_TURN: usize = 32;

/// The longest wait, after which beats and Ctrl-C are looked after. Source: chosen.
const TURN_MAX: Duration = Duration::from_millis(50);

/// Waits shorter than this need the timer. Source: `epoll` counts in milliseconds, and rounds up.
const PRECISE_BELOW: Duration = Duration::from_millis(5);
