//! The dull half of a client: moves bytes and calls the machine.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anchor_core::environment::Environment;
use tokio::sync::{Semaphore, mpsc, watch};

use super::command::Command;
use super::config::{ClientConfig, ServerAddress};
use super::error::OpenError;
use super::handle::{Notices, Shared};
use super::notice::ConnectionState;

/// Opens the state and starts the task that drives the client.
pub(super) fn start(
    config: ClientConfig,
    _env: Arc<dyn Environment>,
) -> Result<(Shared, mpsc::Sender<Command>), OpenError> {
    let _server = ServerAddress::parse(&config.server)?;
    let (commands, _received) = mpsc::channel(64);
    let (_, pending) = watch::channel(0);
    let (_, states) = watch::channel(ConnectionState::Connecting { attempt: 1 });
    let shared = Shared {
        places: Arc::new(Semaphore::new(config.outbox_entries)),
        pending,
        states,
        notices: Arc::new(Notices::default()),
        subscription_buffer: config.subscription_buffer,
        next_subscription: AtomicU64::new(1),
    };
    Ok((shared, commands))
}
