//! The connection as the driver sees it: frames in and out, or the attempt to get one.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use anchor_core::code::Code;
use anchor_core::limits::SIGNALS_WAITING_MAX;
use anchor_core::session::frame::{ClientFrame, ServerFrame};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::client::config::ServerAddress;
use crate::client::connect::{Dial, Socket, connect};
use crate::codec::Encoding;

/// A connection, an attempt at one, or nothing.
pub(super) struct Wire {
    dial: Arc<dyn Dial>,
    server: ServerAddress,
    encoding: Encoding,
    link: Link,
    /// Frames that the socket has not taken. Bounded by what the machine sends unanswered, and for signals by number.
    outgoing: VecDeque<Message>,
}

enum Link {
    None,
    Dialling(BoxFuture<'static, Result<Socket, String>>),
    Open(Box<Socket>),
}

/// What came of waiting for the connection.
#[derive(Debug)]
pub(super) enum WireEvent {
    Connected,
    Disconnected(String),
    Frame(ServerFrame),
    /// The bytes of a frame break the protocol.
    Broken(String),
    SignOfLife,
}

impl Wire {
    pub(super) fn new(dial: Arc<dyn Dial>, server: ServerAddress, encoding: Encoding) -> Self {
        Self { dial, server, encoding, link: Link::None, outgoing: VecDeque::new() }
    }

    /// Begins to connect.
    pub(super) fn dial(&mut self) {
        let dialled = self.dial.dial(&self.server);
        self.link = Link::Dialling(connect(dialled, self.server.clone(), self.encoding).boxed());
    }

    /// Drops the connection.
    pub(super) fn hang_up(&mut self) {
        self.link = Link::None;
        self.outgoing.clear();
    }

    /// Sends a frame, as soon as the socket takes it. What is said in passing is dropped where too much waits already.
    pub(super) fn send(&mut self, frame: &ClientFrame) {
        if matches!(frame, ClientFrame::Signal(_)) && self.outgoing.len() >= SIGNALS_WAITING_MAX {
            return;
        }
        let bytes = self.encoding.encode_client(frame);
        self.outgoing.push_back(match self.encoding.is_text() {
            true => Message::Text(Utf8Bytes::try_from(bytes).expect("JSON is UTF-8")),
            false => Message::Binary(bytes),
        });
    }

    /// Writes what is to be written and, if `is_reading`, waits for what comes. Cancel-safe.
    pub(super) async fn next(&mut self, is_reading: bool) -> WireEvent {
        let event = poll_fn(|context| self.poll(context, is_reading)).await;
        if matches!(event, WireEvent::Disconnected(_)) {
            self.hang_up();
        }
        event
    }

    /// Ends the connection in good order.
    pub(super) async fn close(&mut self) {
        if let Link::Open(socket) = &mut self.link {
            while let Some(message) = self.outgoing.pop_front() {
                if socket.feed(message).await.is_err() {
                    return;
                }
            }
            if let Err(error) = WebSocketStream::close(socket, None).await {
                tracing::debug!(%error, "the connection did not end in good order");
            }
        }
        self.hang_up();
    }

    fn poll(&mut self, context: &mut Context<'_>, is_reading: bool) -> Poll<WireEvent> {
        match &mut self.link {
            Link::None => Poll::Pending,
            Link::Dialling(attempt) => match ready!(attempt.poll_unpin(context)) {
                Ok(socket) => {
                    self.link = Link::Open(Box::new(socket));
                    Poll::Ready(WireEvent::Connected)
                }
                Err(reason) => Poll::Ready(WireEvent::Disconnected(reason)),
            },
            Link::Open(socket) => {
                if let Err(error) = write(socket, &mut self.outgoing, context) {
                    return Poll::Ready(disconnected(&error));
                }
                if !is_reading {
                    return Poll::Pending;
                }
                match ready!(socket.poll_next_unpin(context)) {
                    Some(Ok(message)) => Poll::Ready(self.take(message)),
                    Some(Err(error)) => Poll::Ready(disconnected(&error)),
                    None => {
                        Poll::Ready(WireEvent::Disconnected("the server closed the connection".to_owned()))
                    }
                }
            }
        }
    }

    fn take(&self, message: Message) -> WireEvent {
        let bytes = match message {
            Message::Text(text) if self.encoding.is_text() => Bytes::from(text),
            Message::Binary(bytes) if !self.encoding.is_text() => bytes,
            Message::Text(_) | Message::Binary(_) => {
                return WireEvent::Broken("a message of another encoding".to_owned());
            }
            Message::Close(_) => {
                return WireEvent::Disconnected("the server closed the connection".to_owned());
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return WireEvent::SignOfLife,
        };
        match self.encoding.decode_server(&bytes) {
            Ok(frame) => WireEvent::Frame(frame),
            // A newer server may send what this version does not know.
            Err(error) if error.code == Code::Unsupported => WireEvent::SignOfLife,
            Err(error) => WireEvent::Broken(error.to_string()),
        }
    }
}

/// Gives the socket what it takes now.
fn write(
    socket: &mut Socket,
    outgoing: &mut VecDeque<Message>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    while !outgoing.is_empty() {
        match socket.poll_ready_unpin(context) {
            Poll::Ready(ready) => ready?,
            Poll::Pending => return Ok(()),
        }
        if let Some(message) = outgoing.pop_front() {
            socket.start_send_unpin(message)?;
        }
    }
    match socket.poll_flush_unpin(context) {
        Poll::Ready(Err(error)) => Err(error),
        Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
    }
}

fn disconnected(error: &Error) -> WireEvent {
    WireEvent::Disconnected(format!("the connection broke: {error}"))
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let link = match self.link {
            Link::None => "none",
            Link::Dialling(_) => "dialling",
            Link::Open(_) => "open",
        };
        f.debug_struct("Wire")
            .field("server", &self.server.url())
            .field("link", &link)
            .finish_non_exhaustive()
    }
}
