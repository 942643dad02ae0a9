//! The client half of the protocol: connects, says hello, resumes, resends, and keeps an outbox, for as long as it lives.
//!
//! ```no_run
//! # async fn example(system: impl anchor_core::environment::Environment) -> Result<(), Box<dyn std::error::Error>> {
//! use anchor_core::id::{RoomId, UserId};
//! use anchor_core::session::frame::From;
//! use anchor_transport::client::{Client, ClientConfig, Delivery};
//! use futures::StreamExt;
//!
//! let config = ClientConfig::new("ws://127.0.0.1:3000").user(UserId::new("ada")?).directory("ada-state");
//! let client = Client::open(config, system)?;
//! let lobby = RoomId::lobby();
//! let ack = client.publish(&lobby, "hello").await?.await?;
//! println!("stands at {}", ack.mark.offset);
//! let mut deliveries = client.subscribe(&lobby, From::Start).await;
//! while let Some(delivery) = deliveries.next().await {
//!     if let Delivery::Events(events) = delivery {
//!         println!("{} events from {} on", events.events.len(), events.first);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! - [`Client`] is the handle; each call is a command to the driver.
//! - `driver` owns the socket and moves bytes; it decides nothing.
//! - `machine` decides everything: frames, commands and time in, actions out. No clock, no randomness, no socket.
//! - [`Consumer`] takes work from the log; [`RoomWatch`] follows who reads, is there and types in a room.
//! - [`Timeline`] makes of pages and deliveries what a person sees; [`ThreadSubscription`] is a thread by itself.
//! - `outbox` is what must outlive the process: publishes not yet acknowledged, ids, cursors.
//!
//! # Memory
//! Bounded by configuration: the outbox, a buffer for each subscription, and one frame. An application that does not take
//! its deliveries stops the reading of the socket, not only its own subscription (see [`Subscription`]).

mod announcements;
mod answer;
mod command;
mod config;
mod connect;
mod consumer;
mod driver;
mod error;
mod handle;
mod machine;
mod notice;
mod notices;
mod outbox;
mod subscription;
mod thread;
mod timeline;
mod watched;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::outbox::fuzzing as outbox_fuzzing;

pub use announcements::Announcement;
pub use answer::{
    ConsumerPage, Contacts, DeadLetterPage, MemberPage, Present, ReadTo, RoomPage, WebhookPage,
};
pub use config::{ClientConfig, ServerAddress, State};
pub use connect::{Dial, DialTcp, Io};
pub use consumer::{Consumer, Work};
pub use driver::ClientDriver;
pub use error::{OpenError, PublishError, RequestError};
pub use handle::{Changed, Changing, Client, PublishBody, Publishing, Root};
pub use notice::{ConnectionState, Notice, Undecided, UndecidedId, UndecidedReason};
pub use outbox::storage::Storage;
pub use subscription::{Delivery, Hide, SubscribeOptions, Subscription};
pub use thread::{ThreadDelivery, ThreadSubscription};
pub use timeline::{Applied, Post, Stale, Timeline};
pub use watched::{MessageReceipt, RoomWatch, Watched};
