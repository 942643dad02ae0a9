//! `GET /v1/ws`: checks the handshake, and hands the connection to the protocol.
//!
//! The upgrade is done by hand ([`socket`]): a session then has its TCP socket for itself, with buffers that are set on
//! purpose.

mod socket;

use std::sync::Arc;
use std::task::{Context, Poll};

use anchor_core::session::Identify;
use anchor_transport::codec::Encoding;
use anchor_transport::server::{Ended, Serving, serve};
use axum::extract;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use tokio::net::TcpStream;
use tracing::{Instrument, Span};

use self::socket::Socket;
use super::Refusal;
use crate::admission::{Admitted, Phase, Turned};
use crate::identify::Caller;
use crate::listener::Peer;
use crate::shards::Driven;
use crate::state::State;

/// Answers a handshake; the session goes on by itself once the answer is out.
pub(super) async fn upgrade(
    extract::State(state): extract::State<State>,
    mut request: extract::Request,
) -> Result<Response, Refusal> {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (parts, _) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().copied();
    let identify = parts.extensions.get::<Caller>().map_or_else(|| state.identify(), Caller::identify);
    let opening = open(&parts, upgrade, &state).inspect_err(|refusal| {
        tracing::debug!(?peer, reason = refusal.sentence(), "a handshake was refused");
    })?;
    let span = tracing::debug_span!("connection", ?peer, encoding = opening.encoding.subprotocol());
    let answer = socket::switching(opening.key, opening.encoding.subprotocol());
    let Opening { encoding, upgrade, admitted, .. } = opening;
    let connection = connection(upgrade, encoding, admitted, state, identify, peer, span.clone());
    tokio::spawn(connection.instrument(span));
    Ok(answer)
}

/// A handshake that was found good.
///
/// The key lies in the buffer that the request was read into, as all of its head does: it must not outlive the request.
struct Opening<'a> {
    key: &'a HeaderValue,
    encoding: Encoding,
    upgrade: OnUpgrade,
    admitted: Admitted,
}

/// Checks a handshake (RFC 6455, section 4.2.1), where it comes from, and whether there is a place.
fn open<'a>(parts: &'a Parts, upgrade: Option<OnUpgrade>, state: &State) -> Result<Opening<'a>, Refusal> {
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
    Ok(Opening { key, encoding, upgrade, admitted })
}

/// Takes a connection out of its handshake and has it served: by a shard, if it is a TCP socket of ours.
async fn connection(
    upgrade: OnUpgrade,
    encoding: Encoding,
    admitted: Admitted,
    state: State,
    identify: Arc<dyn Identify>,
    peer: Option<Peer>,
    span: Span,
) {
    let anchor = state.anchor().clone();
    match Socket::take(upgrade).await {
        Ok(Socket::Own(socket, early)) => {
            let serving = serve(socket, &early, encoding, anchor, identify);
            let connection = Connection { serving, peer, state: state.clone(), span, _admitted: admitted };
            state.shards().drive(state.admission(), connection);
        }
        Ok(Socket::Hosted(socket)) => {
            let serving = serve(socket, &[], encoding, anchor, identify);
            tokio::select! {
                ended = serving => note(&ended, peer, &state),
                () = state.admission().reached(Phase::Aborting) => tracing::debug!("dropped: the server ends"),
            }
            drop(admitted);
        }
        Err(error) => tracing::debug!(%error, "no session came of a handshake"),
    }
}

/// A connection on a TCP socket of ours. Holds its place until its end.
#[derive(Debug)]
pub(crate) struct Connection {
    serving: Serving<TcpStream>,
    peer: Option<Peer>,
    state: State,
    /// What is logged of it tells whose it is.
    span: Span,
    _admitted: Admitted,
}

impl Driven for Connection {
    fn poll(&mut self, cx: &mut Context<'_>, reading: &mut Context<'_>) -> Poll<()> {
        let _entered = self.span.enter();
        let polled = self.serving.poll_serving(cx, reading);
        polled.map(|ended| note(&ended, self.peer, &self.state))
    }

    fn listen(&mut self, cx: &mut Context<'_>, reading: &mut Context<'_>) -> Poll<()> {
        let _entered = self.span.enter();
        let polled = self.serving.poll_listening(cx, reading);
        polled.map(|ended| note(&ended, self.peer, &self.state))
    }

    fn is_behind(&self) -> bool {
        self.serving.is_behind()
    }

    fn is_working(&self) -> bool {
        self.serving.is_working()
    }
}

/// Writes down how a connection ended.
fn note(ended: &Ended, peer: Option<Peer>, state: &State) {
    if *ended == Ended::Panicked {
        let panics = state.admission().count_panic();
        tracing::error!(panics, ?peer, "a session ended in a panic; the others go on");
    } else {
        tracing::debug!(?ended, ?peer, "the connection ended");
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

#[cfg(test)]
mod tests;
