//! `GET /v1/ws`: checks the handshake, and hands the connection to the protocol.
//!
//! The upgrade is done by hand: a session then has its TCP socket for itself, with buffers that are set on purpose.

use std::time::Duration;

use anchor_transport::codec::Encoding;
use anchor_transport::server::{Ended, serve, websocket_config};
use axum::extract;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tracing::Instrument;

use super::Refusal;
use crate::admission::{Admitted, Phase, Turned};
use crate::listener::Peer;
use crate::state::State;

/// Answers a handshake; the session goes on by itself once the answer is out.
pub(super) async fn upgrade(
    extract::State(state): extract::State<State>,
    mut request: extract::Request,
) -> Result<Response, Refusal> {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (parts, _) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().copied();
    let opening = open(&parts, upgrade, &state).inspect_err(|refusal| {
        tracing::debug!(?peer, reason = refusal.sentence(), "a handshake was refused");
    })?;
    let span = tracing::debug_span!("connection", ?peer, encoding = opening.encoding.subprotocol());
    let answer = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, opening.accept.clone()),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(opening.encoding.subprotocol())),
    ];
    tokio::spawn(connection(opening, state, peer).instrument(span));
    Ok((StatusCode::SWITCHING_PROTOCOLS, answer).into_response())
}

/// A handshake that was found good.
struct Opening {
    accept: HeaderValue,
    encoding: Encoding,
    upgrade: OnUpgrade,
    admitted: Admitted,
}

/// Checks a handshake (RFC 6455, section 4.2.1), where it comes from, and whether there is a place.
fn open(parts: &Parts, upgrade: Option<OnUpgrade>, state: &State) -> Result<Opening, Refusal> {
    let headers = &parts.headers;
    let asks =
        names(headers, &header::CONNECTION, "upgrade") && names(headers, &header::UPGRADE, "websocket");
    let upgrade =
        upgrade.filter(|_| asks && parts.method == Method::GET && parts.version == Version::HTTP_11);
    let Some(upgrade) = upgrade else {
        return Err(Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            "this is a WebSocket: connect with a WebSocket client over HTTP/1.1 (anchor-cli, or the page at /)",
        )
        .with(header::UPGRADE, HeaderValue::from_static("websocket")));
    };
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != WEBSOCKET_VERSION) {
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "only WebSocket version 13 is spoken here")
            .with(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(WEBSOCKET_VERSION)));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key.as_bytes()))
        .ok_or(Refusal::bad_request("Sec-WebSocket-Key is missing or not 16 bytes in base64"))?;
    if parts.uri.query().is_some_and(holds_token) {
        return Err(Refusal::bad_request(
            "a token does not belong into an address, which is logged and kept: send it in hello",
        ));
    }
    state.origins().check(headers)?;
    let encoding = encoding(headers).ok_or(Refusal::bad_request(
        "offer the WebSocket subprotocol anchor.v1.msgpack or anchor.v1.json (header Sec-WebSocket-Protocol)",
    ))?;
    let admitted = state.admission().admit().map_err(|turned| match turned {
        Turned::Full => Refusal::unavailable(
            "the server has as many connections as it may (--max-connections): come back later",
        ),
        Turned::Stopping => Refusal::unavailable("the server stops: come back in a moment"),
    })?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 is ASCII");
    Ok(Opening { accept, encoding, upgrade, admitted })
}

/// A connection from its handshake to its end. Holds its place until then.
async fn connection(opening: Opening, state: State, peer: Option<Peer>) {
    let Opening { upgrade, encoding, admitted, .. } = opening;
    let upgraded = match tokio::time::timeout(UPGRADE_WITHIN, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => return tracing::debug!(%error, "the connection ended in its handshake"),
        Err(_) => return tracing::debug!("the answer to the handshake was not taken in time"),
    };
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let socket = match parts.read_buf {
                early if early.is_empty() => raw(parts.io.into_inner()).await,
                early => {
                    let (stream, config) = (parts.io.into_inner(), Some(websocket_config()));
                    WebSocketStream::from_partially_read(stream, early.into(), Role::Server, config).await
                }
            };
            session(socket, encoding, state, peer).await;
        }
        // Served by a host: whatever it has put around the socket stays.
        Err(upgraded) => Box::pin(session(raw(TokioIo::new(upgraded)).await, encoding, state, peer)).await,
    }
    drop(admitted);
}

async fn raw<IO: AsyncRead + AsyncWrite + Unpin>(io: IO) -> WebSocketStream<IO> {
    WebSocketStream::from_raw_socket(io, Role::Server, Some(websocket_config())).await
}

/// The protocol on a connection. A panic in it ends this session alone.
async fn session<IO>(socket: WebSocketStream<IO>, encoding: Encoding, state: State, peer: Option<Peer>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
{
    let admission = state.admission();
    let ended = tokio::select! {
        ended = serve(socket, encoding, state.anchor().clone(), state.identify()) => ended,
        () = admission.reached(Phase::Aborting) => return tracing::debug!("dropped: the server ends"),
    };
    if ended == Ended::Panicked {
        let panics = admission.count_panic();
        tracing::error!(panics, ?peer, "a session ended in a panic; the others go on");
    } else {
        tracing::debug!(?ended, "the connection ended");
    }
}

/// Whether a header, a list of tokens, holds `token`.
fn names(headers: &HeaderMap, header: &HeaderName, token: &str) -> bool {
    tokens(headers, header).any(|named| named.eq_ignore_ascii_case(token))
}

/// The tokens of a header that is a list, in their order, over all its lines.
fn tokens<'a>(headers: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

/// The first encoding that the client offers and this server speaks.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).find_map(Encoding::from_subprotocol)
}

/// Whether these are 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    data_encoding::BASE64.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// Whether a query has a parameter that is a token by its name.
fn holds_token(query: &str) -> bool {
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default().to_ascii_lowercase());
    names.into_iter().any(|name| name.contains("token") || name.contains("password"))
}

/// The version of RFC 6455.
const WEBSOCKET_VERSION: &str = "13";

/// How long a client may take to read the answer to its handshake. Source: chosen, as for `hello`.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
