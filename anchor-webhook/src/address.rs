//! Which addresses a webhook may reach: those of the public internet, and what the configuration names.
//!
//! What is judged is the address that is connected to, after a name was resolved. So a name that leads somewhere else a moment
//! later (DNS rebinding), an address in a strange notation, or one inside of an IPv6 address changes nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;

/// What may be reached beside the public internet: addresses, networks and names. By default nothing. Clones share.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Arc<[Allowance]>);

impl Allowed {
    /// Only these.
    pub fn new(allowances: impl IntoIterator<Item = Allowance>) -> Self {
        Self(allowances.into_iter().collect())
    }

    /// Whether `host`, as it stands in a URL, may be reached at `address`.
    ///
    /// # Errors
    /// [`Forbidden`] says what kind of address it is.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), Forbidden> {
        let inner = embedded(address);
        let Some(kind) = special(inner) else { return Ok(()) };
        let is_named = self.0.iter().any(|allowance| match allowance {
            Allowance::Network(network) => network.contains(&address) || network.contains(&inner),
            Allowance::Name(name) => name.eq_ignore_ascii_case(host.trim_end_matches('.')),
        });
        if is_named { Ok(()) } else { Err(Forbidden { address, kind }) }
    }
}

/// Something that may be reached: `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`, or the name of a host, at whatever address it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// An address or a network.
    Network(IpNet),
    /// A host, by its name in the URL.
    Name(String),
}

impl FromStr for Allowance {
    type Err = NotAnAllowance;

    fn from_str(text: &str) -> Result<Self, NotAnAllowance> {
        let literal = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        let is_name = !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
            // What ends in a number is an address that somebody mistyped.
            && !text.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
        if is_name { Ok(Self::Name(text.to_owned())) } else { Err(NotAnAllowance) }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Not an address, network or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give an address, a network or a host, such as 10.1.2.3, 10.0.0.0/8, fd00::/8 or hooks.internal")]
pub struct NotAnAllowance;

/// An address that may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{address} is {kind}, which webhooks do not reach unless the server is configured so")]
pub struct Forbidden {
    /// Which.
    pub address: IpAddr,
    /// What kind of address it is, for people.
    pub kind: &'static str,
}

/// The IPv4 address that an IPv6 address stands for, where packets to it end up there: mapped (RFC 4291) and translated by
/// NAT64 (RFC 6052). Any other is itself.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => v6.into(),
    }
}

/// What is special about an address; `None` for one of the public internet.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => SPECIAL_V4.iter().find(|(network, _)| network.contains(&v4)).map(|(_, kind)| *kind),
        IpAddr::V6(v6) => match SPECIAL_V6.iter().find(|(network, _)| network.contains(&v6)) {
            Some((_, kind)) => Some(*kind),
            // Nothing else is given out to anybody.
            None if !GLOBAL_V6.contains(&v6) => Some("no address of the public internet"),
            None => None,
        },
    }
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(head: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(head[0], head[1], head[2], 0, 0, 0, 0, 0), length)
}

/// Source: the IANA IPv4 Special-Purpose Address Registry (RFC 6890), all that is not globally reachable, and multicast.
const SPECIAL_V4: [(Ipv4Net, &str); 15] = [
    (v4(0, 0, 0, 8), "an unspecified address"),
    (v4(10, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 10), "an address of a provider's own network"),
    (v4(127, 0, 0, 8), "a loopback address"),
    (v4(169, 254, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 12), "a private address"),
    (v4(192, 0, 0, 24), "an address of a protocol"),
    (v4(192, 0, 2, 24), "an address of documentation"),
    (v4(192, 88, 99, 24), "an address of a relay"),
    (v4(192, 168, 0, 16), "a private address"),
    (v4(198, 18, 0, 15), "an address of benchmarks"),
    (v4(198, 51, 100, 24), "an address of documentation"),
    (v4(203, 0, 113, 24), "an address of documentation"),
    (v4(224, 0, 0, 4), "a multicast address"),
    (v4(240, 0, 0, 4), "a reserved address"),
];

/// Source: RFC 4291 section 2.4 and the IANA IPv6 Address Space registry: all global unicast there is.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// Source: the IANA IPv6 Special-Purpose Address Registry (RFC 6890), and those of [`GLOBAL_V6`] that hold an IPv4 address.
const SPECIAL_V6: [(Ipv6Net, &str); 11] = [
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "an unspecified address"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "a loopback address"),
    (v6([0x64, 0xff9b, 1], 48), "an address of a local translator"),
    (v6([0x2001, 0, 0], 23), "an address of a protocol"),
    (v6([0x2001, 0xdb8, 0], 32), "an address of documentation"),
    (v6([0x2002, 0, 0], 16), "an IPv4 address inside of a 6to4 address"),
    (v6([0x3fff, 0, 0], 20), "an address of documentation"),
    (v6([0xfc00, 0, 0], 7), "a private address"),
    (v6([0xfe80, 0, 0], 10), "a link-local address"),
    (v6([0xfec0, 0, 0], 10), "a private address"),
    (v6([0xff00, 0, 0], 8), "a multicast address"),
];

#[cfg(test)]
mod tests;
