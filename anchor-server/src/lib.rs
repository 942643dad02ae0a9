//! The Anchor server: the chat page, the protocol over WebSocket and the probes on one port, the data in one directory.
//!
//! ```no_run
//! use anchor_server::{Config, Server};
//!
//! # async fn example() -> Result<(), anchor_server::StartError> {
//! let config = Config { listen: ([127, 0, 0, 1], 0).into(), data: "chat-data".into(), ..Config::default() };
//! let server = Server::start(config).await?;
//! println!("ws://{}/v1/ws", server.local_addr());
//! server.stop();
//! server.wait().await;
//! # Ok(())
//! # }
//! ```
//!
//! A host that has an HTTP server already nests [`router`] in its own, says who its users are, by an `Identify` or for each
//! request by a [`Caller`], and ends it by [`State::stop`]:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use anchor_core::{engine::Anchor, session::OpenIdentify};
//! # fn example(anchor: Anchor) -> axum::Router {
//! let chat = anchor_server::router(anchor_server::State::new(anchor, Arc::new(OpenIdentify), 10_000));
//! axum::Router::new().nest("/chat/", chat)
//! # }
//! ```
//!
//! The binary is [`run`]: the configuration from flags, environment and file, a [`Server`], and the signals that end
//! it.

mod admission;
mod command;
mod config;
mod error;
mod exit;
mod identify;
mod listener;
mod routes;
#[cfg(feature = "search")]
mod search;
#[cfg(not(feature = "search"))]
#[path = "searchless.rs"]
mod search;
mod server;
mod shards;
mod shutdown;
mod state;
mod telemetry;

pub use command::run;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use config::fuzzing;
pub use config::{AuthMode, CommandLine, Config, ConfigError, Layers, LogFormat, Origin, Place};
pub use error::StartError;
pub use identify::Caller;
pub use routes::router;
pub use server::{Ended, Server, Stopper};
pub use state::State;
