//! Which web pages may connect.
//!
//! A browser lets any page open a WebSocket to any host and tells the server only where the page came from. Programs
//! other than browsers send no `Origin` and are not concerned: they can be made to claim anything.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

use super::Refusal;
use crate::config::Origin;

/// The origins that may connect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    allowed: Vec<Origin>,
    loopback_only: bool,
}

impl Origins {
    pub(crate) fn allow(mut self, allowed: Vec<Origin>) -> Self {
        self.allowed = allowed;
        self
    }

    pub(crate) fn listening_on(mut self, address: SocketAddr) -> Self {
        self.loopback_only = address.ip().is_loopback();
        self
    }

    /// Whether the page that this request comes from may connect.
    ///
    /// Without an `Origin`: yes. Else if it is allowed by name, or names the host that the request itself names. On a
    /// loopback address that host must not be a name that anybody can point here (DNS rebinding).
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let (Ok(origin), None) = (origin.to_str(), origins.next()) else {
            return Err(Refusal::bad_request("the Origin header is not one plain origin"));
        };
        if self.allowed.iter().any(|allowed| allowed.allows(origin)) {
            return Ok(());
        }
        let same = headers.get(header::HOST).and_then(|host| same_host(origin, host.to_str().ok()?));
        match same {
            Some(host) if !self.loopback_only || is_local(host.host()) => Ok(()),
            Some(_) => Err(Refusal::forbidden(
                "this server listens on a loopback address and the page has another name: start it with \
                 --allow-origin and the page's scheme, host and port",
            )),
            None => Err(Refusal::forbidden(
                "pages of another host may not connect: start the server with --allow-origin and the page's scheme, \
                 host and port",
            )),
        }
    }
}

/// The host of both, if it is the same; a port that the origin's scheme implies may be left out.
fn same_host(origin: &str, host: &str) -> Option<Authority> {
    let (scheme, authority) = origin.split_once("://")?;
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let of_page: Authority = authority.parse().ok()?;
    let of_request: Authority = host.parse().ok()?;
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    let same = of_page.host().eq_ignore_ascii_case(of_request.host()) && port(&of_page) == port(&of_request);
    same.then_some(of_request)
}

/// Whether nobody can point this host elsewhere: an address itself, or what the resolver of every machine keeps local.
fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests;
