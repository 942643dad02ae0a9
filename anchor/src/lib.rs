//! Durable real-time chat as one library: what was acknowledged is on disk, everybody sees everything once, in one order.
//!
//! ```
//! use anchor::{Anchor, ClientId, Delivery, From, RedbStore, RoomId, StreamExt, System, UserId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("chat-data");
//! let anchor = Anchor::builder(RedbStore::open(&path, System)?, System).build();
//! let room = RoomId::new("lobby")?;
//! let mut ada = anchor.client(UserId::new("ada")?, ClientId::random(&System)).await?;
//! let mut lobby = anchor.subscribe(&room, From::Start).await?;
//! let ack = ada.publish(&room, "hello").await?; // on disk from here on
//! if let Some(Delivery::Events(events)) = lobby.next().await.transpose()? {
//!     assert_eq!(events.position(), ack.position());
//! }
//! # Ok(()) }
//! ```
//!
//! # Concepts
//!
//! A [room](RoomId) is an append-only log; a publish is an idempotent append to it, answered by an [`Ack`](publish::Ack) that
//! says where it stands; a subscription is a cursor into the log and yields [events and gaps](Delivery), never the one
//! without the other. [`core`] holds these ideas, the traits [`Store`](store::Store) and [`Bus`](bus::Bus), and the
//! session machine that a connection is.
//!
//! What a room is, who belongs to it and who may do what are events of its log, too: [`room`]; what is kept of a
//! [`user`] besides is a profile, and from whom to take direct messages.
//!
//! # Features
//!
//! - `redb` (default): [`RedbStore`], two files in a directory, nothing to install.
//! - `client`: `client`, a client of a server somewhere else: reconnects, resumes, keeps an outbox, and makes of a room's
//!   events what a person sees.
//! - `server`: `server`, the protocol for others to connect to: a router for a host's HTTP server, a whole server, or
//!   `server::serve` for a connection of yours.
//!
//! The guide `docs/guide/embedding.md` goes through all of it.

#[cfg(feature = "server")]
pub mod server;

pub use anchor_core as core;
pub use anchor_core::engine::{Anchor, Delivery, Events, PublishError, Publisher, Subscription};
pub use anchor_core::event::{Body, Draft, Event, EventKind, Mentions};
pub use anchor_core::id::{ClientId, RoomId, UserId};
pub use anchor_core::session::frame::From;
pub use anchor_core::{
    bus, chain, code, engine, environment, event, id, position, publish, resume, room, session, store, user,
};
#[cfg(feature = "redb")]
pub use anchor_store as redb;
#[cfg(feature = "redb")]
pub use anchor_store::RedbStore;
pub use anchor_system::System;
#[cfg(any(feature = "client", feature = "server"))]
pub use anchor_transport as transport;
#[cfg(feature = "client")]
pub use anchor_transport::client;
/// What an `impl` of [`store::Store`], [`session::Identify`] or [`engine::Hook`] is marked with.
pub use async_trait::async_trait;
/// What [`store::Store::append`] and [`environment::Environment::sleep_until`] give.
pub use futures::future::BoxFuture;
/// What a [`Subscription`] is, and what its `next` comes from.
pub use futures::{Stream, StreamExt};

/// Every snippet of the guide is compiled and run.
#[cfg(all(doctest, feature = "redb", feature = "client", feature = "server"))]
#[doc = include_str!("../../docs/guide/embedding.md")]
mod guide {}
