//! A connection as bytes: two directions, each with a buffer, a delay, and maybe a byte at which it breaks.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anchor_core::conformance::environment::SplitMix64;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{HostId, Network, Weather};
use crate::kernel::{Sleep, lock};

/// What both ends of a connection share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) ends: [HostId; 2],
    /// How long bytes take.
    delay: Duration,
    /// What side 0 and side 1 send.
    halves: [Half; 2],
    /// Broken, and both ends find out.
    is_cut: bool,
    /// Broken, and nobody finds out.
    pub(super) is_silent: bool,
    dice: SplitMix64,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Half {
    /// When they arrive, and what.
    chunks: VecDeque<(Duration, VecDeque<u8>)>,
    held: usize,
    capacity: usize,
    /// Bytes until the connection breaks.
    left: Option<u64>,
    newest_arrival: Duration,
    is_past_handshake: bool,
    /// The writer sends no more.
    is_finished: bool,
    /// The reader is gone.
    is_unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Half {
    pub(super) const fn new(capacity: usize, left: Option<u64>) -> Self {
        Self {
            chunks: VecDeque::new(),
            held: 0,
            capacity,
            left,
            newest_arrival: Duration::ZERO,
            is_past_handshake: false,
            is_finished: false,
            is_unread: false,
            reader: None,
            writer: None,
        }
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

impl Connection {
    pub(super) const fn new(
        number: u64,
        ends: [HostId; 2],
        delay: Duration,
        halves: [Half; 2],
        seed: u64,
    ) -> Self {
        let dice = SplitMix64::new(seed);
        Self { number, ends, delay, halves, is_cut: false, is_silent: false, dice }
    }

    /// Breaks it: what was sent and has not arrived is lost, and both ends find out.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
        self.is_silent = false;
        self.wake();
    }

    /// Lets it not break by itself, and be no slower than others; a half-open one is found out.
    pub(super) fn mend(&mut self) {
        self.delay = self.delay.min(Weather::FAIR.delay.1);
        for half in &mut self.halves {
            half.left = None;
            half.capacity = half.capacity.max(FAIR_CAPACITY);
        }
        if self.is_silent {
            self.cut();
        }
    }

    pub(super) fn wake(&mut self) {
        self.halves.iter_mut().for_each(Half::wake);
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}, {:?} away", self.number, self.delay)?;
        for half in &self.halves {
            if let Some(left) = half.left {
                write!(f, ", breaks after {left} bytes")?;
            }
        }
        Ok(())
    }
}

/// One end of a connection. Dropping it closes it.
pub struct Pipe {
    network: Network,
    connection: Arc<Mutex<Connection>>,
    /// Which of the two ends.
    side: usize,
    /// When the next bytes arrive.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pipe {
    pub(super) const fn new(network: Network, connection: Arc<Mutex<Connection>>, side: usize) -> Self {
        Self { network, connection, side, alarm: None }
    }

    /// The connection's number, for traces.
    #[must_use]
    pub fn number(&self) -> u64 {
        lock(&self.connection).number
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut connection = lock(&this.connection);
        let now = this.network.kernel.now();
        let is_cut = connection.is_cut;
        let passes = this.network.passes(&connection);
        let half = &mut connection.halves[1 - this.side];
        half.reader = Some(cx.waker().clone());
        let Some((arrival, chunk)) = half.chunks.front_mut().filter(|_| passes) else {
            return match (is_cut, half.is_finished && passes) {
                (true, _) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                (_, true) => Poll::Ready(Ok(())),
                _ => Poll::Pending,
            };
        };
        if *arrival > now {
            if is_cut {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let alarm = this.alarm.insert(Box::pin(this.network.kernel.sleep_until(*arrival)));
            drop(connection);
            // It has not come, so this only sets it.
            let _ = alarm.as_mut().poll(cx);
            return Poll::Pending;
        }
        let taken = chunk.len().min(buffer.remaining());
        chunk.drain(..taken).for_each(|byte| buffer.put_slice(&[byte]));
        if chunk.is_empty() {
            half.chunks.pop_front();
        }
        half.held -= taken;
        if let Some(writer) = half.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let now = this.network.kernel.now();
        let mut guard = lock(&this.connection);
        let connection = &mut *guard;
        let passes = this.network.passes(connection);
        let half = &mut connection.halves[this.side];
        if connection.is_cut || half.is_unread && passes {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = half.capacity - half.held;
        if room == 0 {
            half.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut taken = bytes.len().min(room);
        if connection.dice.below(SHORT_WRITE_ONE_IN) == 0 {
            taken = taken.min(1 + crate::kernel::index(connection.dice.below(bytes.len() as u64)));
        }
        let mut breaks = false;
        if let Some(left) = &mut half.left {
            taken = taken.min(crate::kernel::index(*left));
            *left -= taken as u64;
            breaks = *left == 0;
        }
        let jitter = Duration::from_nanos(connection.dice.below(nanos(connection.delay)));
        half.newest_arrival = half.newest_arrival.max(now + connection.delay + jitter);
        half.chunks.push_back((half.newest_arrival, bytes[..taken].iter().copied().collect()));
        half.held += taken;
        let trace = &this.network.trace;
        trace.mix(&connection.number.to_be_bytes());
        trace.mix(&taken.to_be_bytes());
        // What clients send is masked by a generator that is not ours, and the answer to a handshake depends on it.
        if this.side == SERVER && half.is_past_handshake {
            trace.mix(&bytes[..taken]);
        }
        half.is_past_handshake |= bytes[..taken].ends_with(b"\r\n\r\n");
        if let Some(reader) = half.reader.take() {
            reader.wake();
        }
        if breaks {
            this.network
                .trace
                .note(connection.ends[this.side], format_args!("connection {} breaks", connection.number));
            // The last bytes may arrive.
            half.chunks.iter_mut().for_each(|(arrival, _)| *arrival = now);
            connection.cut();
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut connection = lock(&self.connection);
        let half = &mut connection.halves[self.side];
        half.is_finished = true;
        half.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut connection = lock(&self.connection);
        let [sent, received] = [self.side, 1 - self.side];
        connection.halves[sent].is_finished = true;
        connection.halves[received].is_unread = true;
        // What was sent and not read is answered with a reset, which may overtake what was sent the other way.
        if connection.halves[received].held > 0 && self.network.passes(&connection) {
            connection.is_cut = true;
        }
        connection.wake();
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("connection", &self.number()).field("side", &self.side).finish()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// What a mended connection holds in each direction, in bytes. Source: the least of [`Weather::FAIR`].
const FAIR_CAPACITY: usize = 64 * 1024;

/// The side that was connected to.
const SERVER: usize = 1;

/// One in so many writes takes only a part of what it is given. Source: chosen.
const SHORT_WRITE_ONE_IN: u64 = 8;
