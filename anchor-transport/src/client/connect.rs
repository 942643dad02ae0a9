//! From an address to an open WebSocket: dialling, which others may replace, and the handshake.

use std::fmt::Debug;
use std::io;

use anchor_core::limits::{FRAME_OUT_BYTES_MAX, WRITE_BUFFER_BYTES};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::config::ServerAddress;
use crate::codec::Encoding;

/// Makes connections to a server: TCP in life, a pipe in tests, a simulated network in the simulator.
pub trait Dial: Debug + Send + Sync + 'static {
    /// Connects to `server`. Called for each attempt; dropped when the attempt takes too long.
    fn dial(&self, server: &ServerAddress) -> BoxFuture<'static, io::Result<Box<dyn Io>>>;
}

/// A connection as bytes.
pub trait Io: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Io for T {}

/// Connects by TCP, without delaying small writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct DialTcp;

impl Dial for DialTcp {
    fn dial(&self, server: &ServerAddress) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let (host, port) = (server.host().to_owned(), server.port());
        async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Io>)
        }
        .boxed()
    }
}

/// A connection as frames of bytes.
pub(super) type Socket = WebSocketStream<Box<dyn Io>>;

/// Dials and shakes hands; an error says for a person why `server` cannot be reached, and leaves its name to the caller.
pub(super) async fn connect(
    dialled: BoxFuture<'static, io::Result<Box<dyn Io>>>,
    server: ServerAddress,
    encoding: Encoding,
) -> Result<Socket, String> {
    let io = dialled.await.map_err(|error| error.to_string())?;
    let uri = server.url().parse().map_err(|error| format!("{} is no address: {error}", server.url()))?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(encoding.subprotocol());
    match client_async_with_config(request, io, Some(websocket_config())).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(format!("it does not speak {}: {error}", encoding.subprotocol())),
    }
}

/// Every buffer set on purpose.
fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_AT_ONCE_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES.saturating_add(FRAME_OUT_BYTES_MAX))
        .max_message_size(Some(FRAME_OUT_BYTES_MAX))
        .max_frame_size(Some(FRAME_OUT_BYTES_MAX))
        .accept_unmasked_frames(false)
}

/// What a read asks of the socket at once. Source: measured, tungstenite's default of 128 KiB is zeroed in each poll
/// and costs 33 µs a delivery instead of 8.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// From how many bytes on a write goes out before the flush. Source: chosen; frames that wait together leave together.
const WRITE_AT_ONCE_BYTES: usize = 16 * 1024;
