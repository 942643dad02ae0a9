//! What a client is opened with: where the server is, who is speaking, and where the state lies.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::id::UserId;
use anchor_core::limits::WINDOW;
use tokio_tungstenite::tungstenite::http::Uri;

use super::connect::{Dial, DialTcp};
use super::error::OpenError;
use super::outbox::storage::Storage;
use crate::codec::Encoding;

/// How to open a [`super::Client`]. Start from [`ClientConfig::new`] and set what differs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The server's address: `ws://HOST[:PORT][/PATH]`. Port 80 and path `/v1/ws` where none is given.
    pub server: String,
    /// Who is speaking, where the server believes it (`--auth open`).
    pub user: Option<UserId>,
    /// A token, where the server wants one.
    pub token: Option<String>,
    /// How frames are encoded. MessagePack unless somebody must read them.
    pub encoding: Encoding,
    /// Where the outbox, the `client_id` and the saved cursors lie.
    pub state: State,
    /// How many acknowledged publishes are kept, so that they can be offered again to a server that was restored to an
    /// earlier day. Default 1,000; source: the design.
    pub kept_acks: usize,
    /// How many publishes the outbox takes before [`super::Client::publish`] waits. Default twice [`WINDOW`]: one window
    /// on its way and one behind it.
    pub outbox_entries: usize,
    /// How many deliveries (of up to 64 events or 64 KiB each) a subscription holds before the client stops reading
    /// from the server. Default 16; chosen: about one full socket buffer of a large room.
    pub subscription_buffer: usize,
    /// How long questions wait for their answer, reconnects included. Default 30 s, chosen.
    pub request_timeout: Duration,
    /// Whether the client reads by itself what is announced to everybody on the server, see
    /// [`super::Client::announcements`]: one more subscription. It does unless it is told otherwise.
    pub reads_announcements: bool,
    /// Whether the client tells by itself what it has taken of rooms (`delivered`). It does unless it is told otherwise; what the
    /// user has read it tells when it is told so, see [`super::Client::read`].
    pub tells_receipts: bool,
    /// Of rooms that go on after a lost connection, no more than the last so many messages, where more are missing: the rest is
    /// told as a gap of reason `skipped`, to be read with [`super::Client::history`] when somebody looks there. All if none.
    pub catch_up_last: Option<u64>,
    /// How bytes reach the server. TCP unless a test or a simulator brings its own.
    pub dial: Arc<dyn Dial>,
}

impl ClientConfig {
    /// A client of `server` with its state in memory.
    #[must_use]
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            user: None,
            token: None,
            encoding: Encoding::MessagePack,
            state: State::Memory,
            kept_acks: 1_000,
            outbox_entries: 2 * WINDOW,
            subscription_buffer: 16,
            request_timeout: Duration::from_secs(30),
            reads_announcements: true,
            tells_receipts: true,
            catch_up_last: None,
            dial: Arc::new(DialTcp),
        }
    }

    /// Speaks as `user`.
    #[must_use]
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Shows `token` to the server, which says whose it is.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Keeps the state in the directory `path`, which is made if it does not exist.
    #[must_use]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = State::Directory(path.into());
        self
    }

    /// Keeps the state in `storage`.
    #[must_use]
    pub fn storage(mut self, storage: impl Storage) -> Self {
        self.state = State::Storage(Arc::new(storage));
        self
    }

    /// Uses `encoding`.
    #[must_use]
    pub const fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Leaves announcements alone.
    #[must_use]
    pub const fn without_announcements(mut self) -> Self {
        self.reads_announcements = false;
        self
    }

    /// Tells nobody what it has taken.
    #[must_use]
    pub const fn without_receipts(mut self) -> Self {
        self.tells_receipts = false;
        self
    }

    /// Catches up with the last so many messages of a room alone.
    #[must_use]
    pub const fn catch_up_last(mut self, messages: u64) -> Self {
        self.catch_up_last = Some(messages);
        self
    }

    /// Reaches the server through `dial`.
    #[must_use]
    pub fn dial(mut self, dial: impl Dial) -> Self {
        self.dial = Arc::new(dial);
        self
    }
}

/// Where a client keeps what must outlive it.
#[derive(Clone, Debug)]
pub enum State {
    /// Nowhere: the outbox ends with the process, and each start is a new client.
    Memory,
    /// In this directory, held by an operating-system lock while the client is open.
    Directory(PathBuf),
    /// In storage that the caller brings, in tests and simulations.
    Storage(Arc<dyn Storage>),
}

/// A checked server address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    host: String,
    port: u16,
    path: String,
}

impl ServerAddress {
    /// Checks `address`: `ws://HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// [`OpenError::Address`] says what is wrong with it.
    pub fn parse(address: &str) -> Result<Self, OpenError> {
        let wrong = |why| OpenError::Address { address: address.to_owned(), why };
        if address.starts_with("wss://") || address.starts_with("https://") {
            return Err(wrong("TLS is not built into this client; put ws:// before the address"));
        }
        let rest = address
            .strip_prefix("ws://")
            .or_else(|| address.strip_prefix("http://"))
            .ok_or_else(|| wrong("it must begin with ws://"))?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong("its port is no number from 1 to 65535"))?)
            }
            _ => (authority, DEFAULT_PORT),
        };
        let has_colon = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if host.is_empty()
            || has_colon
            || host.contains(['@', '?', '#', ' '])
            || path.contains(['?', '#', ' '])
        {
            return Err(wrong("it must look like ws://127.0.0.1:3000"));
        }
        let path = if matches!(path, "" | "/") { DEFAULT_PATH } else { path };
        let parsed = Self { host: host.to_owned(), port, path: path.to_owned() };
        // What the handshake could not be made with would be tried for ever.
        match parsed.url().parse::<Uri>() {
            Ok(_) if port > 0 => Ok(parsed),
            Ok(_) => Err(wrong("its port is no number from 1 to 65535")),
            Err(_) => Err(wrong("it must look like ws://127.0.0.1:3000")),
        }
    }

    /// The host's name or address, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address in full, as it goes into the handshake.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}:{}{}", self.host, self.port, self.path)
    }
}

/// Where none is named. Source: RFC 6455 section 3.
const DEFAULT_PORT: u16 = 80;

/// Where none is named. Source: `docs/protocol.md`.
const DEFAULT_PATH: &str = "/v1/ws";

#[cfg(test)]
mod tests;
