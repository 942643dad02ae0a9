//! Opens the connections of webhooks: resolves, judges each address, and connects to nothing else.
//!
//! There is no proxy and no second look-up between the judgement and the connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::Uri;
use hyper::http::uri::Scheme;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::address::{Allowed, Forbidden};

/// Connects to what may be reached. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) allowed: Allowed,
    /// For the whole way from a name to a connection.
    pub(crate) within: Duration,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error("the name could not be resolved")]
    Unresolved(#[source] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("the connection could not be made")]
    Failed(#[source] io::Error),
    #[error("the connection took too long")]
    TimedOut,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TcpStream, ConnectError> {
        let within = self.within;
        tokio::time::timeout(within, self.look_up_and_connect(uri))
            .await
            .unwrap_or(Err(ConnectError::TimedOut))
    }

    async fn look_up_and_connect(self, uri: Uri) -> Result<TcpStream, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
        let mut last = ConnectError::NoAddress;
        for address in resolve(host, port).await? {
            let tried = match self.allowed.check(host, address.ip()) {
                Ok(()) => TcpStream::connect(address).await.map_err(ConnectError::Failed),
                Err(forbidden) => Err(forbidden.into()),
            };
            match tried {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(ConnectError::Failed)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Some(address) = literal(host) {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await.map_err(ConnectError::Unresolved)?;
    Ok(found.take(ADDRESSES_MAX).collect())
}

/// The address that stands in the place of a name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).parse().ok()
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(uri).await.map(TokioIo::new) })
    }
}

/// Addresses of one name that are tried. Source: chosen; names of large services have fewer.
const ADDRESSES_MAX: usize = 16;
