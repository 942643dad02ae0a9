//! The socket that takes connections, and HTTP on each of them.
//!
//! An accept loop of our own, for what `axum::serve` does not offer: bounded kernel buffers, no delay of small writes,
//! a bound on connections that have not become sessions, a time for request heads, and the TCP socket itself after an
//! upgrade.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::StartError;
use crate::admission::{Admission, Phase};

/// Listens on `address`.
///
/// # Errors
/// [`StartError`]: those about addresses.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restart must not wait for the connections of the process before it.
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit both.
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| StartError::address(address, source))
}

/// Where a connection comes from; in the extensions of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Takes connections and serves HTTP on them, until the server drains. Then lets requests that are under way end.
pub(crate) async fn serve(listener: TcpListener, router: Router, admission: Admission) {
    let connections = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    let mut accept_again = ACCEPT_AGAIN_MIN;
    let mut draining = std::pin::pin!(admission.reached(Phase::Draining));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                accept_again = ACCEPT_AGAIN_MIN;
                tokio::spawn(http(stream, peer, permit, router.clone(), admission.clone()));
            }
            Err(error) => {
                // Out of file descriptors, mostly: what is open goes on, and may free some.
                tracing::warn!(%error, wait = ?accept_again, "cannot take a connection; trying again after a while");
                tokio::select! {
                    () = &mut draining => break,
                    () = tokio::time::sleep(accept_again) => {}
                }
                accept_again = (accept_again * 2).min(ACCEPT_AGAIN_MAX);
            }
        }
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = connections.clone().acquire_owned().await.map_err(io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, permit)),
            // The client has gone before it was taken.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// HTTP on one connection, until it ends or becomes a WebSocket.
async fn http(
    stream: TcpStream,
    peer: SocketAddr,
    _permit: OwnedSemaphorePermit,
    router: Router,
    admission: Admission,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the connection ended before it was served");
        return;
    }
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_WITHIN)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = admission.reached(Phase::Draining) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended,
                () = admission.reached(Phase::Aborting) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP connection ended badly");
    }
}

/// Kernel buffer of a connection, in bytes, for each direction; Linux reserves the double for its own bookkeeping.
/// Source: chosen; two of the largest runs (`RUN_BYTES_MAX`), 1.2 MB/s to a client at 100 ms.
const SOCKET_BUFFER_BYTES: u32 = 128 * 1024;

/// Connections that wait to be taken; beyond it a client tries again after a second. Source: what Linux cuts it to
/// (`somaxconn`) by default; a storm of 5,000 clients overflows 1,024.
const BACKLOG: u32 = 4096;

/// Connections that are no sessions (yet): requests, probes, handshakes. Beyond it connections wait to be taken.
/// Source: chosen; a storm of reconnects passes in a few turns.
pub(crate) const HTTP_CONNECTIONS_MAX: usize = 1024;

/// How long a client may take for the head of a request, and stay idle between requests. Beyond it the connection is
/// closed. Source: chosen, as the protocol's `hello`.
const REQUEST_HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Largest request head, in bytes. Beyond it: 431. Source: chosen; the common limit of proxies, twice.
const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long to wait after a failed accept, at first and at most. Source: chosen.
const ACCEPT_AGAIN_MIN: Duration = Duration::from_millis(10);
const ACCEPT_AGAIN_MAX: Duration = Duration::from_secs(1);
