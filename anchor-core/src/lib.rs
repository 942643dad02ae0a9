//! The ideas of Anchor, without I/O: a room is a log, a publish an idempotent append, a delivery a read at a cursor.
//!
//! ```
//! # use anchor_core::conformance::environment::TestEnvironment;
//! use anchor_core::engine::{Anchor, Delivery};
//! use anchor_core::id::{ClientId, RoomId, UserId};
//! use anchor_core::memory::MemoryStore;
//! use anchor_core::session::frame::From;
//! use futures::StreamExt;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { futures::executor::block_on(async {
//! # let env = TestEnvironment::new(1);
//! // A store that keeps nothing; `anchor-store` has the one that does, the facade `anchor` the system's environment.
//! let anchor = Anchor::builder(MemoryStore::new(env.clone()), env).build();
//! let room = RoomId::new("lobby")?;
//! let mut ada = anchor.client(UserId::new("ada")?, ClientId::from_bytes([7; 16])).await?;
//! let mut lobby = anchor.subscribe(&room, From::Start).await?;
//! let ack = ada.publish(&room, "hello").await?;
//! if let Some(Ok(Delivery::Events(events))) = lobby.next().await {
//!     assert_eq!(events.position(), ack.position());
//! }
//! # Ok(()) }) }
//! ```
//!
//! # Words
//!
//! | word | meaning |
//! | --- | --- |
//! | room | a named log with members |
//! | event | one entry of a room's log: a message, an edit, a redaction, a reaction, a membership or room change |
//! | message | the event that carries what somebody said; unread is arithmetic over their ordinals |
//! | head, horizon | the newest committed offset (0 when empty); the oldest that retention still keeps |
//! | position, cursor | a point of a log that another node can verify; "everything up to here has been taken" |
//! | user, client, session | who; one installation of that user's software; one connection of a client |
//! | ack, refusal | the answers to a publish: where it stands in the log, or why it never will |
//! | run | consecutive events of one room and epoch, encoded once: what commits, tails, pages and frames carry |
//! | tail | the shared ring of a room's newest events in memory |
//! | feed | a cursor into one room, fed by its tail and its store |
//! | window, floor | what the store remembers of a client's publishes; the seq below which the client has settled all |
//!
//! # Map
//!
//! The words: [`id`], [`position`], [`event`], [`chain`], [`run`], [`publish`], [`window`], [`resume`], [`room`], [`user`], [`cursor`],
//! [`record`], [`code`], [`limits`], [`error`]. What comes in from outside: [`environment`], [`store`], [`bus`], [`search`],
//! [`webhooks`]. What ties them: [`engine`], and [`session`] for a connection. The reference store: [`memory`]. What every store
//! and bus must do: [`conformance`].
//!
//! There is no runtime, clock, randomness, file or socket here, so that whole runs can be simulated.

mod fixed;
pub mod id;
pub mod position;

pub mod event;

pub mod chain;
pub mod run;

pub mod publish;
pub mod window;

pub mod resume;

pub mod cursor;
pub mod record;
pub mod room;
mod text;
pub mod user;

pub mod search;
pub mod webhooks;

pub mod code;
pub mod error;
pub mod limits;

pub mod environment;

pub mod bus;
pub mod store;

pub mod engine;
pub mod session;

pub mod memory;

pub mod conformance;

#[doc(hidden)]
pub mod sabotage;

pub mod msgpack;
