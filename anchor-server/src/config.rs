//! What can be set, with its defaults; where each value comes from is the business of [`sources`].
//!
//! Flags, environment and file speak of the same options: [`settings::Settings`] is the one list of them. Names, value
//! syntax, help and the messages about wrong values come from there, whatever the source.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod value;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anchor_core::id::UserId;
use anchor_core::limits::{HEARTBEAT, RECEIPTS_MEMBERS_MAX};
use anchor_webhook::{Allowance, Allowed, PosterOptions};

pub(crate) use settings::Command;
pub use settings::CommandLine;
pub use sources::{ConfigError, Layers, Place};
pub use value::{AuthMode, LogFormat, Origin};

/// What a server is to do. `Config::default()` is what `anchor-server` does without being told anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The directory that holds the data; made if it does not exist.
    pub data: PathBuf,
    /// How a client shows who it is. `None`: [`AuthMode::Open`] on a loopback address, refused on any other.
    pub auth: Option<AuthMode>,
    /// Users that may do everything in every room, and speak to everybody. Where anyone may take any name, so may those who
    /// take one of these.
    pub admins: Vec<UserId>,
    /// Whether a public room comes into being with its first publish.
    pub create_rooms: bool,
    /// Whether what is said is kept in an index, in the directory `search` of the data, and can be searched for. A server that
    /// was built without the feature `search` does neither.
    pub search: bool,
    /// Free bytes on the disk below which publishes wait.
    pub disk_reserve_bytes: u64,
    /// Members of a room beyond which they are counted: nobody is told one by one who has read and who is there.
    pub receipts_members_max: usize,
    /// WebSocket connections at once; a further one is answered by 503.
    pub connections_max: usize,
    /// Web pages that may connect, beside those that this server itself hands out.
    pub allow_origins: Vec<Origin>,
    /// Silence after which either side of a connection says that it is there; after three of them it is taken for lost.
    pub heartbeat: Duration,
    /// How long a stop waits for sessions to take their goodbye.
    pub drain_within: Duration,
    /// What clients are told at a stop: when a server is expected to be back.
    pub back_in: Duration,
    /// What clients are told at a stop: how many of them return in each second from then on.
    pub returns_per_second: u32,
    /// What webhooks may reach beside the public internet.
    pub webhook_allow: Vec<Allowance>,
    /// Whether webhooks may be sent without encryption.
    pub webhook_http: bool,
    /// How long a webhook may take to connect.
    pub webhook_connect_within: Duration,
    /// How long a webhook may take from the name to the end of the answer.
    pub webhook_within: Duration,
    /// What is logged, as a filter of `tracing-subscriber`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Config {
    /// The auth mode that holds.
    ///
    /// # Errors
    /// The address, where it can be reached from other machines and no mode was asked for.
    pub fn auth_mode(&self) -> Result<AuthMode, SocketAddr> {
        match self.auth {
            Some(mode) => Ok(mode),
            None if self.listen.ip().is_loopback() => Ok(AuthMode::Open),
            None => Err(self.listen),
        }
    }
}

impl Config {
    /// How webhooks are sent.
    pub(crate) fn poster_options(&self) -> PosterOptions {
        PosterOptions {
            allowed: Allowed::new(self.webhook_allow.iter().cloned()),
            http: self.webhook_http,
            connect_within: self.webhook_connect_within,
            within: self.webhook_within,
            roots: Vec::new(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            data: PathBuf::from(DEFAULT_DATA),
            auth: None,
            admins: Vec::new(),
            create_rooms: true,
            search: true,
            disk_reserve_bytes: DEFAULT_DISK_RESERVE_BYTES,
            receipts_members_max: RECEIPTS_MEMBERS_MAX,
            connections_max: DEFAULT_CONNECTIONS_MAX,
            allow_origins: Vec::new(),
            heartbeat: HEARTBEAT,
            drain_within: DEFAULT_DRAIN_WITHIN,
            back_in: DEFAULT_BACK_IN,
            returns_per_second: DEFAULT_RETURNS_PER_SECOND,
            webhook_allow: Vec::new(),
            webhook_http: false,
            webhook_connect_within: anchor_webhook::poster::CONNECT_WITHIN,
            webhook_within: anchor_webhook::poster::POST_WITHIN,
            log: DEFAULT_LOG.to_owned(),
            log_format: LogFormat::Auto,
        }
    }
}

/// Source: chosen; loopback, so that a server that was started to look at it is nobody else's.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

/// Source: chosen; visible where the server was started.
const DEFAULT_DATA: &str = "./anchor-data";

/// Source: chosen; a page step and a journal's growth fit many times.
const DEFAULT_DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// Source: chosen; at the 11 to 13 KB of an idle session (measured 2026-11-22, debug build) 130 MB.
const DEFAULT_CONNECTIONS_MAX: usize = 10_000;

/// Source: chosen; the time that supervisors give before they kill is 10 s (containers) or more.
const DEFAULT_DRAIN_WITHIN: Duration = Duration::from_secs(8);

/// Source: chosen; a restart in place takes less.
const DEFAULT_BACK_IN: Duration = Duration::from_secs(1);

/// Source: chosen; a handshake and a resume cost far less than 1 ms.
const DEFAULT_RETURNS_PER_SECOND: u32 = 1_000;

/// Source: chosen.
const DEFAULT_LOG: &str = "info";
