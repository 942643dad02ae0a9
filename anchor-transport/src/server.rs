//! The server half of a connection: drives a [`Session`] over a WebSocket.
//!
//! A dull loop: read, hand to the session, do what its actions say, write, wait. It knows nothing of rooms, offsets or
//! codes. What is written but not yet taken by the socket is bounded: one run, and answers up to [`WRITE_BUFFER_BYTES`], from
//! where on the peer is not read from either until it has read its answers.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anchor_core::code::Code;
use anchor_core::engine::{Anchor, Post};
use anchor_core::environment::Monotonic;
use anchor_core::limits::{FRAME_IN_BYTES_MAX, FRAME_OUT_BYTES_MAX, GOODBYE_WITHIN, WRITE_BUFFER_BYTES};
use anchor_core::session::frame::ServerFrame;
use anchor_core::session::{Action, Desk, Fault, Goodbye, Identify, Reply, Session};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::codec::Encoding;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client closed it, or the network did.
    Gone,
    /// The server said goodbye.
    Goodbye(Code),
    /// A defect of ours panicked: the session ended with `internal`.
    Panicked,
}

/// Every buffer of a server's WebSocket, set on purpose.
///
/// The read buffer is small because tungstenite clears it at every poll (measured: 33 µs a delivery at its default of
/// 128 KiB, 8 µs at 4 KiB); the largest message bounds what a peer's header can make us reserve.
#[must_use]
pub fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES / 2)
        .max_write_buffer_size(WRITE_BUFFER_BYTES + 2 * FRAME_OUT_BYTES_MAX)
        .max_message_size(Some(FRAME_IN_BYTES_MAX))
        .max_frame_size(Some(FRAME_IN_BYTES_MAX))
        .accept_unmasked_frames(false)
}

/// The code to close a WebSocket with whose bytes cannot be read on; `None` where nobody is there any more.
///
/// Source: RFC 6455, sections 7.4.1 and 8.1.
#[must_use]
pub const fn close_code_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}

/// Serves one connection until it ends. The WebSocket handshake is done, with [`websocket_config`].
///
/// Dropping the future ends the connection; what was handed to the store is still decided there.
pub async fn serve<IO>(
    socket: WebSocketStream<IO>,
    encoding: Encoding,
    anchor: Anchor,
    identify: Arc<dyn Identify>,
) -> Ended
where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
{
    Connection::new(socket, encoding, anchor, identify).run().await
}

struct Connection<IO> {
    socket: WebSocketStream<IO>,
    encoding: Encoding,
    session: Session,
    desk: Desk,
    replies: FuturesUnordered<BoxFuture<'static, Reply>>,
    to_write: VecDeque<Bytes>,
    /// Pages of history that were asked for: large, and in nobody's way. They take turns with deliveries.
    pages: VecDeque<Bytes>,
    /// True if a delivery was written since the last page.
    page_is_next: bool,
    /// Of both.
    to_write_bytes: usize,
    unflushed: bool,
    /// Reading has failed; what is left is to say so. With the code that says why.
    unreadable: Option<CloseCode>,
    alarm: Option<(Monotonic, BoxFuture<'static, ()>)>,
    goodbye: Option<Goodbye>,
}

/// Why a connection is not served on.
enum End {
    Gone,
    /// The peer has closed; its close frame is to be answered.
    Closed,
    Goodbye(Goodbye),
    Panicked,
}

/// Something that happened.
enum Happened {
    Received(Result<Message, Error>),
    Closed,
    Mail(Post),
    Replied(Reply),
    Alarm,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Connection<IO> {
    fn new(
        socket: WebSocketStream<IO>,
        encoding: Encoding,
        anchor: Anchor,
        identify: Arc<dyn Identify>,
    ) -> Self {
        let (desk, session) = Desk::open(anchor, identify);
        Self {
            socket,
            encoding,
            session,
            desk,
            replies: FuturesUnordered::new(),
            to_write: VecDeque::new(),
            pages: VecDeque::new(),
            page_is_next: false,
            to_write_bytes: 0,
            unflushed: false,
            unreadable: None,
            alarm: None,
            goodbye: None,
        }
    }

    fn anchor(&self) -> &Anchor {
        self.desk.anchor()
    }

    async fn run(mut self) -> Ended {
        match std::future::poll_fn(|cx| self.poll_end_or_panic(cx)).await {
            End::Gone => Ended::Gone,
            End::Closed => {
                let by = self.anchor().env().sleep_until(self.anchor().now() + GOODBYE_WITHIN);
                tokio::select! {
                    biased;
                    () = by => {}
                    _ = self.socket.flush() => {}
                }
                Ended::Gone
            }
            End::Goodbye(goodbye) => {
                self.close_within(&goodbye).await;
                Ended::Goodbye(goodbye.code)
            }
            End::Panicked => {
                let goodbye =
                    Goodbye::new(Code::Internal, "a defect of the server ended this session; come back");
                // What else was to be written may be what it panicked over.
                self.to_write = VecDeque::from([self.encoding.encode_server(&ServerFrame::Goodbye {
                    code: goodbye.code,
                    message: goodbye.message.clone(),
                    reconnect_after_ms: None,
                })]);
                self.close_within(&goodbye).await;
                Ended::Panicked
            }
        }
    }

    /// [`Connection::poll_end`], of which a panic ends this connection and nothing else.
    fn poll_end_or_panic(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // After a panic nothing is asked of the session any more, so what it left half done is not seen.
        catch_unwind(AssertUnwindSafe(|| self.poll_end(cx))).unwrap_or(Poll::Ready(End::Panicked))
    }

    /// [`Connection::close`], as long as a peer may take for it.
    async fn close_within(&mut self, goodbye: &Goodbye) {
        let by = self.anchor().env().sleep_until(self.anchor().now() + GOODBYE_WITHIN);
        tokio::select! {
            biased;
            () = by => {}
            () = self.close(goodbye) => {}
        }
    }

    /// The loop: act, write, take what happened; until nothing more happens now, or the connection ends.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            self.act();
            if self.goodbye.is_none() && self.write(cx).is_err() {
                return Poll::Ready(End::Gone);
            }
            // A delivery may have ended the session, too.
            if let Some(goodbye) = self.goodbye.take() {
                return Poll::Ready(End::Goodbye(goodbye));
            }
            self.set_alarm();
            // Takes what is there before acting on it, so that the publishes of one read share a batch.
            let mut happened = std::task::ready!(self.poll_happened(cx));
            for _ in 1..HAPPENED_PER_TURN {
                if let Err(end) = self.take(happened) {
                    return Poll::Ready(end);
                }
                match self.poll_happened(cx) {
                    Poll::Ready(next) => happened = next,
                    Poll::Pending => {
                        happened = Happened::Mail(Post::default());
                        break;
                    }
                }
            }
            if let Err(end) = self.take(happened) {
                return Poll::Ready(end);
            }
        }
    }

    /// Does what the session asks for, but deliveries.
    fn act(&mut self) {
        let now = self.anchor().now();
        while let Some(action) = self.session.poll_action(now) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        let frame = match action {
            Action::Send(frame @ ServerFrame::Page(_)) => {
                let page = self.encoding.encode_server(&frame);
                self.to_write_bytes += page.len();
                return self.pages.push_back(page);
            }
            Action::Send(frame) => self.encoding.encode_server(&frame),
            Action::Deliver(run) => self.encoding.encode_run(&run),
            Action::Ask(ask) => return self.replies.push(self.desk.answer(&self.session, ask)),
            Action::Close(goodbye) => {
                self.goodbye = Some(goodbye);
                return;
            }
        };
        self.to_write_bytes += frame.len();
        self.to_write.push_back(frame);
    }

    /// Writes what is to be written, then deliveries, as long as the socket takes them.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        while let Poll::Ready(ready) = Pin::new(&mut self.socket).poll_ready(cx) {
            ready?;
            let Some(frame) = self.next_frame() else { break };
            let message = self.message(frame)?;
            Pin::new(&mut self.socket).start_send(message)?;
            self.unflushed = true;
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            flushed?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Answers first; then deliveries and pages by turns, so that who pages for ever still hears what is new.
    fn next_frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.to_write.pop_front() {
                return Some(self.written(frame));
            }
            if self.goodbye.is_some() {
                return None;
            }
            let delivery = match self.page_is_next && !self.pages.is_empty() {
                true => None,
                false => self.session.poll_delivery(self.anchor().now(), self.anchor().heads_known_at()),
            };
            let Some(action) = delivery else {
                self.page_is_next = false;
                return self.pages.pop_front().map(|page| self.written(page));
            };
            self.perform(action);
            self.act();
            self.page_is_next = true;
        }
    }

    /// Notes that `frame` is on its way.
    fn written(&mut self, frame: Bytes) -> Bytes {
        if !self.is_read_from() {
            // Slow, not silent: it takes what is written, and what it says meanwhile is not looked at.
            self.session.handle_alive(self.anchor().now());
        }
        self.to_write_bytes -= frame.len();
        frame
    }

    fn poll_happened(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        if let Poll::Ready(post) = self.desk.poll_post(cx) {
            return Poll::Ready(Happened::Mail(post));
        }
        if let Poll::Ready(Some(reply)) = Pin::new(&mut self.replies).poll_next(cx) {
            return Poll::Ready(Happened::Replied(reply));
        }
        if self.unreadable.is_none()
            && self.is_read_from()
            && let Poll::Ready(received) = Pin::new(&mut self.socket).poll_next(cx)
        {
            return Poll::Ready(received.map_or(Happened::Closed, Happened::Received));
        }
        if self.alarm.as_mut().is_some_and(|(_, alarm)| alarm.poll_unpin(cx).is_ready()) {
            self.alarm = None;
            return Poll::Ready(Happened::Alarm);
        }
        Poll::Pending
    }

    /// False while the peer has to take its answers first.
    fn is_read_from(&self) -> bool {
        self.to_write_bytes < WRITE_BUFFER_BYTES
    }

    /// Hands on what happened; an error once the connection is gone.
    fn take(&mut self, happened: Happened) -> Result<(), End> {
        let now = self.anchor().now();
        match happened {
            Happened::Received(Ok(message)) => self.receive(now, message)?,
            Happened::Received(Err(error)) => {
                self.unreadable = Some(close_code_of(&error).ok_or(End::Gone)?);
                self.session.handle_frame(now, Err(unreadable(&error)));
            }
            Happened::Closed => return Err(End::Gone),
            Happened::Mail(post) => {
                self.session.handle_wake(&post.ready);
                post.notice.into_iter().for_each(|notice| self.session.handle_notice(notice));
            }
            Happened::Replied(reply) => self.session.handle_reply(reply),
            Happened::Alarm => self.session.handle_tick(now),
        }
        Ok(())
    }

    fn receive(&mut self, now: Monotonic, message: Message) -> Result<(), End> {
        let bytes = match message {
            Message::Text(text) if self.encoding.is_text() => text.into(),
            Message::Binary(bytes) if !self.encoding.is_text() => bytes,
            Message::Text(_) | Message::Binary(_) => {
                let fault =
                    malformed("text and binary messages do not mix: the subprotocol tells which to use");
                self.session.handle_frame(now, Err(fault));
                return Ok(());
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                self.session.handle_alive(now);
                return Ok(());
            }
            Message::Close(_) => return Err(End::Closed),
        };
        let frame = self.encoding.decode_client(&bytes);
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

    /// Sends what is left and the close frame, and waits for the peer to close: what it has not read yet would be lost
    /// with the connection otherwise. Where its bytes cannot be told apart any more, they are dropped: a socket that is
    /// closed with bytes unread resets the connection, and the goodbye is lost with it.
    async fn close(&mut self, goodbye: &Goodbye) {
        self.to_write.append(&mut self.pages);
        while let Some(frame) = self.to_write.pop_front() {
            let Ok(message) = self.message(frame) else { return };
            if self.socket.feed(message).await.is_err() {
                return;
            }
        }
        let frame = CloseFrame {
            code: match self.unreadable {
                Some(code) if goodbye.code == Code::Malformed => code,
                _ => close_code(goodbye.code),
            },
            reason: Utf8Bytes::from_static(goodbye.code.name()),
        };
        if self.socket.close(Some(frame)).await.is_err() {
            return;
        }
        let mut is_readable = self.unreadable.is_none();
        while is_readable {
            match self.socket.next().await {
                Some(received) => is_readable = received.is_ok(),
                None => return,
            }
        }
        let socket = self.socket.get_mut();
        if socket.shutdown().await.is_ok() {
            // Ends by the peer, or by the time that it was given.
            let _ = tokio::io::copy(socket, &mut tokio::io::sink()).await;
        }
    }

    fn message(&self, frame: Bytes) -> Result<Message, Error> {
        match self.encoding.is_text() {
            true => {
                Ok(Message::Text(Utf8Bytes::try_from(frame).map_err(|error| Error::Utf8(error.to_string()))?))
            }
            false => Ok(Message::Binary(frame)),
        }
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

/// The WebSocket close code that goes with a goodbye. Source: RFC 6455 section 7.4.1.
fn close_code(code: Code) -> CloseCode {
    match code {
        Code::Malformed | Code::OutOfOrder => CloseCode::Protocol,
        Code::TooLarge => CloseCode::Size,
        Code::Internal | Code::StoreFailed => CloseCode::Error,
        Code::Shutdown => CloseCode::Away,
        _ => CloseCode::Normal,
    }
}

/// Things that are taken in one turn, before acting and writing. Source: chosen; a quarter of the window.
const HAPPENED_PER_TURN: usize = 64;

/// The read buffer of a connection. Source: measured, see [`websocket_config`].
const READ_BUFFER_BYTES: usize = 4096;
