//! A connection while it lives: its session, what it waits for, and what its socket has not taken yet.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anchor_core::code::Code;
use anchor_core::engine::Anchor;
use anchor_core::environment::Monotonic;
use anchor_core::limits::{RUN_BYTES_MAX, WRITE_BUFFER_BYTES};
use anchor_core::session::frame::{ClientFrame, RequestId, ServerFrame};
use anchor_core::session::{Action, Desk, Fault, Goodbye, Identify, Reply, Session};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::scratch::{self, Scratch};
use crate::codec::Encoding;
use crate::websocket::{WebSocket, close_code_of};

/// A session on a WebSocket.
pub(super) struct Connection {
    pub(super) encoding: Encoding,
    pub(super) websocket: WebSocket,
    session: Session,
    desk: Desk,
    /// Answers that are worked on.
    replies: Vec<BoxFuture<'static, Reply>>,
    /// Pages of history that were asked for: large, and in nobody's way. They take turns with deliveries.
    pages: VecDeque<Bytes>,
    pages_bytes: usize,
    /// True if a delivery was written since the last page.
    page_is_next: bool,
    /// What was to be written and the socket did not take.
    pub(super) unwritten: Vec<u8>,
    /// How much of what is to be written are deliveries and pages, about: the rest are answers.
    delivered_bytes: usize,
    /// True if the socket has taken a part of the first message in `unwritten`.
    pub(super) is_mid_message: bool,
    unflushed: bool,
    /// Reading has failed; what is left is to say so. With the code that says why.
    pub(super) unreadable: Option<CloseCode>,
    alarm: Option<(Monotonic, BoxFuture<'static, ()>)>,
    goodbye: Option<Goodbye>,
}

/// Why a connection is not served on.
pub(super) enum End {
    Gone,
    /// The peer has closed; its close frame is to be answered.
    Closed,
    Goodbye(Goodbye),
    Panicked,
}

impl Connection {
    pub(super) fn new(encoding: Encoding, anchor: Anchor, identify: Arc<dyn Identify>) -> Self {
        let (desk, session) = Desk::open(anchor, identify);
        Self {
            encoding,
            websocket: WebSocket::new(),
            session,
            desk,
            replies: Vec::new(),
            pages: VecDeque::new(),
            pages_bytes: 0,
            page_is_next: false,
            unwritten: Vec::new(),
            delivered_bytes: 0,
            is_mid_message: false,
            unflushed: false,
            unreadable: None,
            alarm: None,
            goodbye: None,
        }
    }

    /// True while it catches up.
    pub(super) fn is_behind(&self) -> bool {
        self.session.is_behind()
    }

    /// True while something that the peer asked for is worked on.
    pub(super) fn is_working(&self) -> bool {
        !self.replies.is_empty()
    }

    pub(super) fn anchor(&self) -> &Anchor {
        self.desk.anchor()
    }

    /// Takes what came behind the handshake.
    pub(super) fn begin(&mut self, early: &[u8]) -> Result<(), End> {
        let mut output = std::mem::take(&mut self.unwritten);
        let received = self.receive(self.anchor().now(), early, &mut output);
        self.unwritten = output;
        received
    }

    /// Does what there is to do; ends when the connection does. A panic ends this connection and nothing else.
    ///
    /// What the peer sends wakes `reading`, everything else `cx`.
    pub(super) fn poll<IO>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        reading: &mut Context<'_>,
    ) -> Poll<End>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        // After a panic nothing is asked of the session any more, so what it left half done is not seen.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            scratch::with(|scratch| {
                let Scratch { input, output } = scratch;
                let mut own = std::mem::take(&mut self.unwritten);
                if !own.is_empty() {
                    let polled = self.poll_end(io, cx, reading, input, &mut own);
                    // What was taken at last is memory that an idle connection does not keep.
                    self.unwritten = if own.is_empty() { Vec::new() } else { own };
                    return polled;
                }
                let polled = self.poll_end(io, cx, reading, input, output);
                self.unwritten = output.as_slice().to_vec();
                polled
            })
        }));
        polled.unwrap_or(Poll::Ready(End::Panicked))
    }

    /// Only listens: hands on what the peer sent, and begins what it asks for. If there is more to do, `cx` is woken to have
    /// it done by [`Connection::poll`].
    pub(super) fn listen<IO>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        reading: &mut Context<'_>,
    ) -> Poll<End>
    where
        IO: AsyncRead + Unpin,
    {
        let listened = catch_unwind(AssertUnwindSafe(|| {
            let now = self.anchor().now();
            let mut answers = std::mem::take(&mut self.unwritten);
            let received = scratch::with(|scratch| {
                for read in 0..READS_PER_LISTEN {
                    if !self.read(now, io, reading, &mut scratch.input, &mut answers)? {
                        return Ok(read > 0);
                    }
                }
                // There may be more: it is read in this connection's turn.
                cx.waker().wake_by_ref();
                Ok(true)
            });
            self.act(now, &mut answers);
            self.unwritten = answers;
            let has_more = self.take_replies(cx) || !self.unwritten.is_empty() || self.goodbye.is_some();
            if has_more || matches!(received, Ok(true)) && self.replies.is_empty() {
                cx.waker().wake_by_ref();
            }
            received.err()
        }));
        match listened {
            Ok(None) => Poll::Pending,
            Ok(Some(end)) => Poll::Ready(end),
            Err(_) => Poll::Ready(End::Panicked),
        }
    }

    /// The loop: act, write, take what happened; until nothing more happens now, or the connection ends.
    fn poll_end<IO>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        reading: &mut Context<'_>,
        input: &mut [u8],
        output: &mut Vec<u8>,
    ) -> Poll<End>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut writes_left = WRITES_PER_POLL;
        for _ in 0..TURNS_MAX {
            let now = self.anchor().now();
            self.act(now, output);
            if self.goodbye.is_none() && self.write(now, io, cx, output, &mut writes_left).is_err() {
                return Poll::Ready(End::Gone);
            }
            // A delivery may have ended the session, too.
            if let Some(goodbye) = self.goodbye.take() {
                return Poll::Ready(End::Goodbye(goodbye));
            }
            if writes_left == 0 {
                break;
            }
            self.set_alarm();
            let received = match self.read(now, io, reading, input, output) {
                Ok(received) => received,
                Err(end) => {
                    // What it sent before it closed is begun.
                    self.act(now, output);
                    return Poll::Ready(end);
                }
            };
            // The alarm last: who was silent for long may have been heard from just now.
            let happened = self.take_post(cx) | self.take_replies(cx) | self.take_alarm(now, cx);
            if !(received || happened) {
                return Poll::Pending;
            }
        }
        // There may be more; others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does what the session asks for, but deliveries.
    fn act(&mut self, now: Monotonic, output: &mut Vec<u8>) {
        while let Some(action) = self.session.poll_action(now) {
            self.perform(action, output);
        }
    }

    fn perform(&mut self, action: Action, output: &mut Vec<u8>) {
        match action {
            Action::SendPage(page) => {
                let mut message = Vec::new();
                if let Err(error) = self.encoding.write_page_message(&page, &mut message) {
                    tracing::error!(room = %page.room, %error, "a stored event is damaged");
                    self.encoding.write_server_message(&unread(page.id), &mut message);
                }
                self.pages_bytes += message.len();
                self.pages.push_back(message.into());
            }
            Action::Send(frame) => self.encoding.write_server_message(&frame, output),
            Action::Deliver(run) => self.deliver(&self.encoding.encode_run_message(&run), output),
            Action::Ask(ask) => self.replies.push(self.desk.answer(&self.session, ask)),
            Action::Close(goodbye) => self.goodbye = Some(goodbye),
        }
    }

    fn deliver(&mut self, message: &[u8], output: &mut Vec<u8>) {
        self.delivered_bytes += message.len();
        output.extend_from_slice(message);
    }

    /// Writes what is to be written, then deliveries, as long as the socket takes them: as much in one call as there is.
    fn write<IO>(
        &mut self,
        now: Monotonic,
        io: &mut IO,
        cx: &mut Context<'_>,
        output: &mut Vec<u8>,
        writes_left: &mut usize,
    ) -> Result<(), End>
    where
        IO: AsyncWrite + Unpin,
    {
        while *writes_left > 0 {
            while output.len() < RUN_BYTES_MAX && self.write_delivery(now, output) {}
            if output.is_empty() {
                break;
            }
            let Poll::Ready(written) = Pin::new(&mut *io).poll_write(cx, output) else { break };
            let written = written.ok().filter(|bytes| *bytes > 0).ok_or(End::Gone)?;
            *writes_left -= 1;
            if !self.is_read_from(output) {
                // Slow, not silent: it takes what is written, and what it says meanwhile is not looked at.
                self.session.handle_alive(now);
            }
            self.is_mid_message = written < output.len();
            self.unflushed = true;
            self.delivered_bytes = self.delivered_bytes.saturating_sub(written);
            output.drain(..written);
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(io).poll_flush(cx)
        {
            flushed.map_err(|_| End::Gone)?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Appends a delivery or a page, by turns, so that who pages for ever still hears what is new; false if there is none.
    fn write_delivery(&mut self, now: Monotonic, output: &mut Vec<u8>) -> bool {
        if self.goodbye.is_some() {
            return false;
        }
        let delivery = match self.page_is_next && !self.pages.is_empty() {
            true => None,
            false => self.session.poll_delivery(now, self.anchor().heads_known_at()),
        };
        self.page_is_next = delivery.is_some();
        if let Some(action) = delivery {
            self.perform(action, output);
            self.act(now, output);
            return true;
        }
        let Some(page) = self.pages.pop_front() else { return false };
        self.pages_bytes -= page.len();
        self.deliver(&page, output);
        true
    }

    /// Hands on what the node has for the session. These three are false if there was nothing, and more wakes `cx`.
    fn take_post(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(post) = self.desk.poll_post(cx) else { return false };
        self.session.handle_post(post);
        true
    }

    fn take_replies(&mut self, cx: &mut Context<'_>) -> bool {
        let asked = self.replies.len();
        let mut at = 0;
        while let Some(reply) = self.replies.get_mut(at) {
            match reply.poll_unpin(cx) {
                Poll::Ready(reply) => {
                    drop(self.replies.swap_remove(at));
                    self.session.handle_reply(reply);
                }
                Poll::Pending => at += 1,
            }
        }
        if self.replies.is_empty() {
            self.replies.shrink_to(REPLIES_KEPT);
        }
        at < asked
    }

    fn take_alarm(&mut self, now: Monotonic, cx: &mut Context<'_>) -> bool {
        let rings = self.alarm.as_mut().is_some_and(|(_, alarm)| alarm.poll_unpin(cx).is_ready());
        if rings {
            self.alarm = None;
            self.session.handle_tick(now);
        }
        rings
    }

    /// Hands on what the peer sent, so that the publishes of one read share a batch; false if nothing came, and more wakes
    /// `reading`.
    fn read<IO>(
        &mut self,
        now: Monotonic,
        io: &mut IO,
        reading: &mut Context<'_>,
        input: &mut [u8],
        output: &mut Vec<u8>,
    ) -> Result<bool, End>
    where
        IO: AsyncRead + Unpin,
    {
        if self.unreadable.is_some() || !self.is_read_from(output) {
            return Ok(false);
        }
        let mut buffer = ReadBuf::new(input);
        let Poll::Ready(read) = Pin::new(io).poll_read(reading, &mut buffer) else { return Ok(false) };
        let received = buffer.filled();
        if read.is_err() || received.is_empty() {
            return Err(End::Gone);
        }
        self.receive(now, received, output)?;
        Ok(true)
    }

    /// False while the peer has to take its answers first. Deliveries it may take when it likes.
    fn is_read_from(&self, output: &[u8]) -> bool {
        output.len().saturating_sub(self.delivered_bytes) + self.pages_bytes < WRITE_BUFFER_BYTES
    }

    fn receive(&mut self, now: Monotonic, mut bytes: &[u8], output: &mut Vec<u8>) -> Result<(), End> {
        self.session.handle_alive(now);
        loop {
            match self.websocket.receive(&mut bytes, output) {
                Ok(Some(message)) => self.take_message(now, message)?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.unreadable = Some(close_code_of(&error).ok_or(End::Gone)?);
                    self.session.handle_frame(now, Err(unreadable(&error)));
                    return Ok(());
                }
            }
        }
    }

    fn take_message(&mut self, now: Monotonic, message: Message) -> Result<(), End> {
        let bytes = match message {
            Message::Text(text) if self.encoding.is_text() => text.into(),
            Message::Binary(bytes) if !self.encoding.is_text() => bytes,
            Message::Text(_) | Message::Binary(_) => {
                let fault =
                    malformed("text and binary messages do not mix: the subprotocol tells which to use");
                self.session.handle_frame(now, Err(fault));
                return Ok(());
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
            Message::Close(_) => return Err(End::Closed),
        };
        let mut frame = self.encoding.decode_client(&bytes);
        if let Ok(ClientFrame::Publish(publish)) = &mut frame {
            // What it was read into may be a large buffer, or wanted for the next message.
            publish.draft.body = publish.draft.body.copied();
        }
        let frame = frame.map_err(|error| Fault { code: error.code, id: error.id, message: error.message });
        self.session.handle_frame(now, frame);
        Ok(())
    }

    /// Arms the alarm for the session's deadline. One that is due earlier stays: it fires, and is set anew.
    fn set_alarm(&mut self) {
        let deadline = self.session.poll_deadline();
        if self.alarm.as_ref().is_none_or(|(due, _)| *due > deadline) {
            self.alarm = Some((deadline, self.anchor().env().sleep_until(deadline)));
        }
    }
}

/// The answer for a page that cannot be told.
fn unread(id: RequestId) -> ServerFrame {
    ServerFrame::Error {
        id: Some(id),
        code: Code::StoreUnavailable,
        message: "the store could not be read; ask again".to_owned(),
        retry_after_ms: None,
    }
}

/// What a failed read comes to, for a peer that is still there.
fn unreadable(error: &Error) -> Fault {
    match error {
        Error::Capacity(_) => {
            Fault { code: Code::TooLarge, id: None, message: "the frame is too large".to_owned() }
        }
        Error::Utf8(_) => malformed("a text message is valid UTF-8"),
        error => malformed(error.to_string()),
    }
}

fn malformed(message: impl Into<String>) -> Fault {
    Fault { code: Code::Malformed, id: None, message: message.into() }
}

/// Reads in one turn of listening. Source: chosen; a second one finds nothing, mostly, and sees to it that more wakes.
const READS_PER_LISTEN: usize = 4;

/// Turns that a connection takes before others have theirs: each is one read and what comes of it. Source: chosen.
const TURNS_MAX: usize = 16;

/// Writes before others have their turn, each of up to [`RUN_BYTES_MAX`] and a run. Source: chosen; a reader who catches up
/// fills every one of them, which takes some 50 µs.
const WRITES_PER_POLL: usize = 2;

/// Room for answers that are worked on which an idle connection keeps. Source: chosen; one batch of publishes, one read.
const REPLIES_KEPT: usize = 4;
