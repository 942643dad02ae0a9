//! How fast a client is told that may be about to change from polling to WebSocket.
//!
//! socketioxide begins that change with a packet for which it waits until there is room in the client's buffer, while
//! polling takes nothing out of the buffer any more: a full one has both stand still, until the connection is given up
//! after ten seconds. So a client that polls is told a part of what the buffer holds, and the rest once it has changed, or
//! evidently does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketioxide::TransportType;
use socketioxide::socket::Socket;
use tokio::time::{Instant, sleep};

/// What all that one client is told takes turns by. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    since: Instant,
    told: Arc<AtomicUsize>,
}

impl Pace {
    /// Of a client that connects just now.
    pub(crate) fn begin(socket: &Socket) -> Self {
        let pace = Self { since: Instant::now(), told: Arc::default() };
        socket.extensions.insert(pace.clone());
        pace
    }

    /// Of a client for which it has begun.
    pub(crate) fn of(socket: &Socket) -> Self {
        socket.extensions.get().unwrap_or_else(|| Self::begin(socket))
    }

    /// Ends when the client may be told something more.
    pub(crate) async fn turn(&self, socket: &Socket) {
        while self.told.fetch_add(1, Ordering::Relaxed) >= POLLED_MAX
            && socket.connected()
            && socket.transport_type() == TransportType::Polling
            && self.since.elapsed() < CHANGES_WITHIN
        {
            sleep(LOOKS_EVERY).await;
        }
    }
}

/// Messages and answers that a client is sent before it changes. Source: half of socketioxide's buffer; the rest is for typing.
const POLLED_MAX: usize = 64;

/// How long after its connection a client begins to change, if it does. Source: chosen; it takes a round trip or two.
const CHANGES_WITHIN: Duration = Duration::from_secs(3);

/// How often is looked whether it has. Source: chosen; below what a person notices.
const LOOKS_EVERY: Duration = Duration::from_millis(10);
