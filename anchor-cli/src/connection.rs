//! The ups and downs of the connection, in words.

use std::pin::Pin;
use std::time::Duration;

use anchor_core::code::{Class, Code};
use anchor_transport::client::{Client, ConnectionState};
use futures::{Stream, StreamExt};

use crate::escape;
use crate::exit::{Exit, Failure};

/// Waits for the first connection of a command that only reads.
///
/// # Errors
/// [`Exit::Unreachable`] with the first attempt that fails, or after [`FIRST_WITHIN`]; [`Exit::TurnedAway`] if the
/// server does not want this client.
pub(crate) async fn first(client: &Client, server: &str) -> Result<(), Failure> {
    let mut states = client.states();
    let connected = async {
        while let Some(state) = states.next().await {
            match state {
                ConnectionState::Connected { .. } => return Ok(()),
                ConnectionState::Waiting { reason, .. } => return Err(unreachable(server, &reason)),
                // The wait after the first attempt passed unseen.
                ConnectionState::Connecting { attempt } if attempt > 1 => {
                    return Err(unreachable(server, "the first attempt failed"));
                }
                ConnectionState::Connecting { .. } => {}
                ConnectionState::Stopped { .. } | ConnectionState::Closed => break,
            }
        }
        Err(stopped(client).await)
    };
    let late = || Err(unreachable(server, &format!("no answer within {} s", FIRST_WITHIN.as_secs())));
    tokio::time::timeout(FIRST_WITHIN, connected).await.unwrap_or_else(|_| late())
}

/// Waits until there is a connection; for ever if there will be none.
pub(crate) async fn welcome(client: &Client) {
    let mut states = client.states();
    while let Some(state) = states.next().await {
        if matches!(state, ConnectionState::Connected { .. }) {
            return;
        }
    }
    std::future::pending().await
}

/// Waits until the client has stopped for good, and says why.
pub(crate) async fn stopped(client: &Client) -> Failure {
    let mut states = client.states();
    while let Some(state) = states.next().await {
        match state {
            // Said by the client of its own outbox; after a server's `store_failed` it connects again.
            ConnectionState::Stopped { code: Code::StoreFailed, message } => {
                return Failure::new(Exit::Failure, format!("{message}; make room and try again"));
            }
            ConnectionState::Stopped { code, message } => return turned_away(&message, code.name()),
            ConnectionState::Closed => break,
            _ => {}
        }
    }
    Failure::new(Exit::Failure, "the connection was closed; try again")
}

/// The server does not take this client any more.
pub(crate) fn turned_away(message: &str, code: &str) -> Failure {
    Failure::new(Exit::TurnedAway, format!("the server takes this client no more: {message} ({code})"))
}

/// The server ended the reading of a room, or does not allow it.
pub(crate) fn ended(message: &str, code: Code) -> Failure {
    match code.class() {
        Class::Renew | Class::Stop => turned_away(message, code.name()),
        Class::Final => {
            Failure::new(Exit::Refused, format!("the reading of this room has ended: {message} ({code})"))
        }
        Class::Retry => Failure::new(
            Exit::Failure,
            format!("the server ended the reading of this room: {message} ({code})"),
        ),
    }
}

/// Changes that a person should know of, one sentence each.
pub(crate) struct Changes {
    states: Pin<Box<dyn Stream<Item = ConnectionState> + Send>>,
    server: String,
    is_lost: bool,
    was_connected: bool,
}

impl Changes {
    /// Those of `client` from now on.
    pub(crate) fn new(client: &Client, server: &str) -> Self {
        let server = escape::line(server).to_string();
        Self { states: Box::pin(client.states()), server, is_lost: false, was_connected: false }
    }

    /// The next change, escaped. Never ends where there is none.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(crate) async fn next(&mut self) -> String {
        while let Some(state) = self.states.next().await {
            match state {
                ConnectionState::Connected { .. } => {
                    let was_connected = std::mem::replace(&mut self.was_connected, true);
                    if std::mem::take(&mut self.is_lost) {
                        return if was_connected { "-- connected again" } else { "-- connected" }.to_owned();
                    }
                }
                ConnectionState::Waiting { reason, .. } if !std::mem::replace(&mut self.is_lost, true) => {
                    let reason = escape::line(&reason);
                    return match self.was_connected {
                        true => format!("-- the connection was lost: {reason}; trying again"),
                        false => {
                            format!("-- cannot reach {}: {reason}; trying again, Ctrl-C stops", self.server)
                        }
                    };
                }
                _ => {}
            }
        }
        std::future::pending().await
    }
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changes").field("server", &self.server).finish_non_exhaustive()
    }
}

fn unreachable(server: &str, reason: &str) -> Failure {
    let advice = "start it with `anchor-server`, or name another with --server";
    Failure::new(Exit::Unreachable, format!("cannot reach {server}: {reason}; {advice}"))
}

/// How long a command that only reads waits for its first connection. Source: it must have
/// stopped within 5 s.
const FIRST_WITHIN: Duration = Duration::from_secs(4);
