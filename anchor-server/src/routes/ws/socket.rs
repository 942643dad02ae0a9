//! The socket layer: the answer to a good handshake, and what its connection becomes.
//!
//! Knows neither sessions nor the server's state: `examples/echo.rs` includes this very file to put an echo on the same
//! layer, which `scripts/autobahn` holds against RFC 6455.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The answer to a handshake with this `Sec-WebSocket-Key` (RFC 6455, section 4.2.2).
pub(super) fn switching(key: &HeaderValue, subprotocol: &'static str) -> Response {
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 is a valid header");
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol)),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// A connection after its handshake.
pub(super) enum Socket {
    /// Has its TCP socket for itself; with what came behind the handshake.
    Own(TcpStream, Bytes),
    /// Served by a host: whatever it has put around the socket stays.
    Hosted(TokioIo<Upgraded>),
}

/// Why a connection did not come out of its handshake.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// It ended.
    #[error("the connection ended in its handshake")]
    Ended(#[from] hyper::Error),
    /// The client did not read.
    #[error("the answer to the handshake was not taken in time")]
    TooLate,
}

impl Socket {
    /// The connection, once the answer to its handshake is out.
    pub(super) async fn take(upgrade: OnUpgrade) -> Result<Self, NotTaken> {
        let upgraded =
            tokio::time::timeout(UPGRADE_WITHIN, upgrade).await.map_err(|_| NotTaken::TooLate)??;
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            // Copied: the buffer that it stands in is some KiB, and goes here.
            Ok(parts) => Ok(Self::Own(parts.io.into_inner(), Bytes::copy_from_slice(&parts.read_buf))),
            Err(upgraded) => Ok(Self::Hosted(TokioIo::new(upgraded))),
        }
    }
}

/// How long a client may take to read the answer to its handshake. Source: chosen, as for `hello`.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);
