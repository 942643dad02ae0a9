//! The server half of a connection: drives a [`Session`](anchor_core::session::Session) over a WebSocket.
//!
//! A dull loop: read, hand to the session, do what its actions say, write, wait. It knows nothing of rooms, offsets or
//! codes. What is written but not yet taken by the socket is bounded: deliveries by [`limits::RUN_BYTES_MAX`] and one
//! message; answers, pages among them, by [`limits::WRITE_BUFFER_BYTES`] and what one read asks for, from where on the peer
//! is not read from until it has taken them.
//!
//! What many connections need only while they are driven, they share: a thread has one buffer to read into and one to
//! write from (`scratch.rs`). An idle connection owns neither.
//!
//! [`limits::RUN_BYTES_MAX`]: anchor_core::limits::RUN_BYTES_MAX
//! [`limits::WRITE_BUFFER_BYTES`]: anchor_core::limits::WRITE_BUFFER_BYTES

mod accept;
mod close;
mod connection;
mod scratch;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anchor_core::code::Code;
use anchor_core::engine::Anchor;
use anchor_core::session::Identify;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::accept::{NotAccepted, accept};
use self::connection::{Connection, End};
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

/// Serves one connection until it ends. The WebSocket's handshake is done; `early` is what came behind it.
///
/// Dropping the future ends the connection; what was handed to the store is still decided there.
pub fn serve<IO>(
    io: IO,
    early: &[u8],
    encoding: Encoding,
    anchor: Anchor,
    identify: Arc<dyn Identify>,
) -> Serving<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connection = Connection::new(encoding, anchor, identify);
    match connection.begin(early) {
        Ok(()) => Serving(Stage::Alive(connection, io)),
        Err(end) => Serving(Stage::Closing(close::close(connection, io, end).boxed())),
    }
}

/// A connection that is served: the future of [`serve`].
#[must_use = "futures do nothing unless polled"]
pub struct Serving<IO>(Stage<IO>);

#[expect(clippy::large_enum_variant, reason = "a connection is alive nearly all of its life")]
enum Stage<IO> {
    Alive(Connection, IO),
    // Its buffers are no part of a connection that lives.
    Closing(BoxFuture<'static, Ended>),
    Ended,
}

impl<IO> Serving<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// As [`Future::poll`], for who drives many connections: what the peer sends wakes `reading`, everything else `cx`.
    pub fn poll_serving(&mut self, cx: &mut Context<'_>, reading: &mut Context<'_>) -> Poll<Ended> {
        if let Stage::Alive(connection, io) = &mut self.0 {
            let end = std::task::ready!(connection.poll(io, cx, reading));
            self.close(end);
        }
        self.poll_closing(cx)
    }

    /// Only hands on what the peer sent, and begins what it asks for; `cx` is woken if [`Serving::poll_serving`] has more to
    /// do. So what clients ask for is begun before all that is due has been written.
    pub fn poll_listening(&mut self, cx: &mut Context<'_>, reading: &mut Context<'_>) -> Poll<Ended> {
        if let Stage::Alive(connection, io) = &mut self.0 {
            let end = std::task::ready!(connection.listen(io, cx, reading));
            self.close(end);
        }
        self.poll_closing(cx)
    }

    /// True while the session catches up: others, who have only what is new to be sent, may go first.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        matches!(&self.0, Stage::Alive(connection, _) if connection.is_behind())
    }

    /// True while something that the peer asked for is worked on.
    #[must_use]
    pub fn is_working(&self) -> bool {
        matches!(&self.0, Stage::Alive(connection, _) if connection.is_working())
    }

    fn close(&mut self, end: End) {
        if let Stage::Alive(connection, io) = std::mem::replace(&mut self.0, Stage::Ended) {
            self.0 = Stage::Closing(close::close(connection, io, end).boxed());
        }
    }

    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let Stage::Closing(closing) = &mut self.0 else { return Poll::Ready(Ended::Gone) };
        let ended = std::task::ready!(closing.poll_unpin(cx));
        self.0 = Stage::Ended;
        Poll::Ready(ended)
    }
}

impl<IO> Future for Serving<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut reading = Context::from_waker(cx.waker());
        self.poll_serving(cx, &mut reading)
    }
}

impl<IO> std::fmt::Debug for Serving<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Stage::Alive(..) => "Serving(alive)",
            Stage::Closing(_) => "Serving(closing)",
            Stage::Ended => "Serving(ended)",
        })
    }
}
