//! The handshake, for a host that has no HTTP server: whoever connects speaks the protocol and nothing else.

use std::sync::Arc;

use anchor_core::engine::Anchor;
use anchor_core::limits::HELLO_WITHIN;
use anchor_core::session::Identify;
use futures::future::{Either, select};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};

use super::{Ended, serve};
use crate::codec::Encoding;

/// Shakes hands on `io` and serves what comes of it, until it ends: [`serve`] for pipes, sockets of a machine, TLS streams.
///
/// Takes any path, and does not look where a page comes from: what browsers can reach is the router's business. The
/// handshake is due within [`HELLO_WITHIN`].
///
/// Dropping the future ends the connection; what was handed to the store is still decided there.
///
/// # Errors
/// [`NotAccepted`]: no session began.
pub async fn accept<IO>(io: IO, anchor: Anchor, identify: Arc<dyn Identify>) -> Result<Ended, NotAccepted>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut encoding = None;
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let choose = |request: &Request, mut response: Response| {
        let Some(chosen) = spoken(request.headers()) else { return Err(not_spoken()) };
        encoding = Some(chosen);
        let subprotocol = HeaderValue::from_static(chosen.subprotocol());
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        Ok(response)
    };
    let socket = {
        let handshake = std::pin::pin!(accept_hdr_async(io, choose));
        match select(handshake, anchor.env().sleep_until(anchor.now() + HELLO_WITHIN)).await {
            Either::Left((shaken, _)) => shaken.map_err(|_| NotAccepted::NoHandshake),
            Either::Right(_) => Err(NotAccepted::TooLate),
        }
    }?;
    let encoding = encoding.ok_or(NotAccepted::NoHandshake)?;
    // Nothing came behind the handshake: tungstenite takes that for junk.
    Ok(serve(socket.into_inner(), &[], encoding, anchor, identify).await)
}

/// Why no session came of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAccepted {
    /// The peer went, or said something else than a handshake that is understood here.
    #[error("the peer shook no hands, or offered no encoding that is spoken here")]
    NoHandshake,
    /// The handshake took too long.
    #[error("the handshake was not finished in time")]
    TooLate,
}

/// The first encoding that the client offers and that is spoken here.
fn spoken(headers: &HeaderMap) -> Option<Encoding> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).find_map(|offered| Encoding::from_subprotocol(offered.trim()))
}

fn not_spoken() -> ErrorResponse {
    let mut refused = ErrorResponse::new(Some("offer anchor.v1.msgpack or anchor.v1.json".to_owned()));
    *refused.status_mut() = StatusCode::BAD_REQUEST;
    refused
}
