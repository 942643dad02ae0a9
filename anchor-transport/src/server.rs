//! The server half of a connection: drives a [`Session`](anchor_core::session::Session) over a WebSocket.
//!
//! A dull loop: read, hand to the session, do what its actions say, write, wait. It knows nothing of rooms, offsets or
//! codes. What is written but not yet taken by the socket is bounded: [`limits::WRITE_BUFFER_BYTES`] and one run, from
//! where on the peer is not read from either until it has taken its answers.
//!
//! What many connections need only while they are driven, they share: a thread has one buffer to read into and one to
//! write from ([`scratch`]). An idle connection owns neither.
//!
//! [`limits::WRITE_BUFFER_BYTES`]: anchor_core::limits::WRITE_BUFFER_BYTES

mod close;
mod connection;
mod scratch;

use std::sync::Arc;

use anchor_core::code::Code;
use anchor_core::engine::Anchor;
use anchor_core::session::Identify;
use tokio::io::{AsyncRead, AsyncWrite};

use self::connection::Connection;
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
pub async fn serve<IO>(
    mut io: IO,
    early: &[u8],
    encoding: Encoding,
    anchor: Anchor,
    identify: Arc<dyn Identify>,
) -> Ended
where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut connection = Connection::new(encoding, anchor, identify);
    let end = match connection.begin(early) {
        Ok(()) => std::future::poll_fn(|cx| connection.poll(&mut io, cx)).await,
        Err(end) => end,
    };
    // Its buffers are no part of a connection that lives.
    Box::pin(close::close(connection, io, end)).await
}
