//! The connections themselves: their stages, what is written on them, and their beats.
//!
//! ```text
//! Dialling ── connected ── Upgrading ── 101, hello sent ── Greeting ── welcome ── Live ── close ── (none)
//!                                                                                  └─ stall: never read again
//! ```

use std::io::{self, Read, Write};
use std::time::Duration;

use anchor_core::session::frame::{ClientFrame, ServerFrame};
use anchor_transport::codec::Encoding;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::websocket::{self, Frame};
use super::{Nanos, READ_BYTES, Said, Target};

/// All connections, by their number.
#[derive(Debug)]
pub(crate) struct Links {
    target: Target,
    registry: Registry,
    list: Vec<Option<Link>>,
    /// Those with something to write.
    dirty: Vec<usize>,
    /// Makes masks differ.
    masks: u32,
    /// Silence after which a server wants a beat.
    heartbeat: Duration,
    beats: Beats,
    live: usize,
}

#[derive(Debug)]
struct Link {
    stream: TcpStream,
    stage: Stage,
    /// Said as soon as it can be.
    hello: Vec<u8>,
    /// The beginning of a frame, or of an answer, that has not come whole.
    rest: Vec<u8>,
    /// What the socket has not taken.
    out: Vec<u8>,
    is_dirty: bool,
    /// It is to be read again.
    is_put_off: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Dialling,
    Upgrading,
    Greeting,
    Live,
    Stalled,
}

/// One round of beats goes over all connections in half a heartbeat.
#[derive(Debug, Default)]
struct Beats {
    since: Nanos,
    sent: usize,
}

impl Links {
    pub(super) const fn new(target: Target, registry: Registry) -> Self {
        Self {
            target,
            registry,
            list: Vec::new(),
            dirty: Vec::new(),
            masks: 0,
            heartbeat: anchor_core::limits::HEARTBEAT,
            beats: Beats { since: Nanos(0), sent: 0 },
            live: 0,
        }
    }

    /// For tests of what is heard: nothing can be opened.
    #[cfg(test)]
    pub(crate) fn unconnected(target: Target) -> Self {
        let poll = mio::Poll::new().expect("a system that can wait for sockets");
        Self::new(target, poll.registry().try_clone().expect("a poll is there"))
    }

    /// Where all of them lead.
    pub(super) const fn target(&self) -> &Target {
        &self.target
    }

    /// Connects as number `who`, which has no connection, and says `hello`.
    ///
    /// # Errors
    /// Where the system has no more sockets or ports.
    pub(crate) fn dial(&mut self, who: usize, hello: &ClientFrame) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.target.address)?;
        // An edge each: a socket that takes everything is never told of as writable again.
        self.registry.register(&mut stream, Token(who), Interest::READABLE | Interest::WRITABLE)?;
        let mut out = Vec::new();
        let mask = self.mask();
        websocket::push(&mut out, websocket::BINARY, &Encoding::MessagePack.encode_client(hello), mask);
        let stage = Stage::Dialling;
        let link = Link {
            stream,
            stage,
            hello: out,
            rest: Vec::new(),
            out: Vec::new(),
            is_dirty: false,
            is_put_off: false,
        };
        if self.list.len() <= who {
            self.list.resize_with(who + 1, || None);
        }
        self.list[who] = Some(link);
        Ok(())
    }

    /// Ends a connection.
    pub(crate) fn close(&mut self, who: usize) {
        let closed = self.list.get_mut(who).and_then(Option::take);
        self.live -=
            usize::from(closed.is_some_and(|link| matches!(link.stage, Stage::Live | Stage::Stalled)));
    }

    /// Never reads from a connection again, which stays open.
    pub(crate) fn stall(&mut self, who: usize) {
        if let Some(Some(link)) = self.list.get_mut(who) {
            link.stage = Stage::Stalled;
            // Nothing is lost where it cannot be: it is not read then either.
            let _ = self.registry.reregister(&mut link.stream, Token(who), Interest::WRITABLE);
        }
    }

    /// Connections that were welcomed and have not ended.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, who: usize, frame: &ClientFrame) {
        self.send_encoded(who, &Encoding::MessagePack.encode_client(frame));
    }

    /// Sends a frame that is encoded.
    pub(crate) fn send_encoded(&mut self, who: usize, frame: &[u8]) {
        self.push(who, websocket::BINARY, frame);
    }

    /// Says that connections are there, which had a fair part of a heartbeat for saying something else.
    pub(super) fn beat(&mut self, now: Nanos) {
        let round = self.heartbeat / 2;
        let part = now.since(self.beats.since).as_secs_f64() / round.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of the connections"
        )]
        let due = (part.min(1.0) * self.list.len() as f64) as usize;
        for who in self.beats.sent..due {
            if self.list[who].as_ref().is_some_and(|link| matches!(link.stage, Stage::Live | Stage::Stalled))
            {
                self.send(who, &ClientFrame::Beat);
            }
        }
        self.beats.sent = self.beats.sent.max(due);
        if part >= 1.0 {
            self.beats = Beats { since: now, sent: 0 };
        }
    }

    /// Answers a ping; other frames without data need none.
    pub(super) fn answer(&mut self, who: usize, opcode: u8, payload: &[u8]) {
        if opcode == websocket::PING {
            self.push(who, websocket::PONG, payload);
        }
    }

    /// Notes what a frame says about the connection itself.
    pub(super) fn note(&mut self, who: usize, said: &Said<'_>) {
        if let Said::Other(frame) = said
            && let ServerFrame::Welcome(welcome) = &**frame
            && let Some(Some(link)) = self.list.get_mut(who)
        {
            link.stage = Stage::Live;
            self.live += 1;
            self.heartbeat = Duration::from_millis(welcome.heartbeat_ms.max(1));
        }
    }

    /// The stage of a connection whose bytes are to be taken.
    pub(super) fn stage(&self, who: usize) -> Option<Stage> {
        self.list.get(who)?.as_ref().map(|link| link.stage).filter(|stage| *stage != Stage::Stalled)
    }

    /// Reads into `buffer`, behind what was kept: how much that is, and how much came. `None`: nothing is there.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub(super) fn read(&mut self, who: usize, buffer: &mut [u8]) -> Result<Option<(usize, usize)>, String> {
        let Some(Some(link)) = self.list.get_mut(who) else { return Ok(None) };
        if matches!(link.stage, Stage::Dialling | Stage::Stalled) {
            return Ok(None);
        }
        let kept = link.rest.len();
        loop {
            match link.stream.read(&mut buffer[kept..kept + READ_BYTES]) {
                Ok(0) => return Err("the server closed it".to_owned()),
                Ok(read) => {
                    buffer[..kept].copy_from_slice(&link.rest);
                    link.rest.clear();
                    return Ok(Some((kept, read)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// A connection is to be read again; false if that is known, or it has ended.
    pub(super) fn put_off(&mut self, who: usize) -> bool {
        let link = self.list.get_mut(who).and_then(Option::as_mut);
        link.is_some_and(|link| !std::mem::replace(&mut link.is_put_off, true))
    }

    /// A connection that was put off is read.
    pub(super) fn taken_up(&mut self, who: usize) {
        if let Some(Some(link)) = self.list.get_mut(who) {
            link.is_put_off = false;
        }
    }

    /// Keeps the beginning of a frame until the rest comes.
    pub(super) fn keep(&mut self, who: usize, rest: &[u8]) {
        if let Some(Some(link)) = self.list.get_mut(who) {
            match rest.is_empty() {
                // Most connections never need it.
                true => link.rest = Vec::new(),
                false => link.rest.extend_from_slice(rest),
            }
        }
    }

    /// Takes the answer of HTTP, as if it were a frame that says nothing, and says `hello`.
    ///
    /// # Errors
    /// A sentence where the server does not take the connection.
    pub(super) fn upgraded(
        &mut self,
        who: usize,
        bytes: &[u8],
    ) -> Result<Option<(Frame<'static>, usize)>, String> {
        let Some(length) = websocket::answer(bytes)? else { return Ok(None) };
        if let Some(Some(link)) = self.list.get_mut(who) {
            link.stage = Stage::Greeting;
            let hello = std::mem::take(&mut link.hello);
            link.out.extend_from_slice(&hello);
            self.soil(who);
        }
        Ok(Some((Frame { opcode: websocket::PONG, payload: &[] }, length)))
    }

    /// A socket takes something again, or is connected.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub(super) fn writable(&mut self, who: usize) -> Result<(), String> {
        let Some(Some(link)) = self.list.get_mut(who) else { return Ok(()) };
        if link.stage == Stage::Dialling {
            if let Some(error) = link.stream.take_error().ok().flatten() {
                return Err(format!("cannot connect: {error}"));
            }
            if link.stream.peer_addr().is_err() {
                return Ok(());
            }
            let _ = link.stream.set_nodelay(true);
            link.stage = Stage::Upgrading;
            let Target { authority, path, .. } = &self.target;
            link.out = websocket::request(authority, path, Encoding::MessagePack.subprotocol());
        }
        if !link.out.is_empty() {
            self.soil(who);
        }
        Ok(())
    }

    /// A connection that has something to write.
    pub(super) fn next_dirty(&mut self) -> Option<usize> {
        let who = self.dirty.pop()?;
        if let Some(Some(link)) = self.list.get_mut(who) {
            link.is_dirty = false;
        }
        Some(who)
    }

    /// Gives a socket what it takes.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub(super) fn write(&mut self, who: usize) -> Result<(), String> {
        let Some(Some(link)) = self.list.get_mut(who) else { return Ok(()) };
        let mut taken = 0;
        while taken < link.out.len() {
            match link.stream.write(&link.out[taken..]) {
                Ok(written) => taken += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        link.out.drain(..taken);
        Ok(())
    }

    fn push(&mut self, who: usize, opcode: u8, payload: &[u8]) {
        let mask = self.mask();
        if let Some(Some(link)) = self.list.get_mut(who) {
            websocket::push(&mut link.out, opcode, payload, mask);
            self.soil(who);
        }
    }

    fn soil(&mut self, who: usize) {
        if let Some(Some(link)) = self.list.get_mut(who)
            && !link.is_dirty
        {
            link.is_dirty = true;
            self.dirty.push(who);
        }
    }

    /// Masks need only differ here: nobody between reads them.
    const fn mask(&mut self) -> [u8; 4] {
        self.masks = self.masks.wrapping_add(0x9e37_79b9);
        self.masks.to_be_bytes()
    }
}
