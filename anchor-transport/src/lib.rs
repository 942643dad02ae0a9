//! Anchor's WebSocket protocol: frames as bytes, and both ends of a connection.
//!
//! ```
//! use anchor_core::event::Draft;
//! use anchor_core::id::{Nonce, RoomId, Seq};
//! use anchor_core::session::frame::{ClientFrame, PublishFrame};
//! use anchor_transport::codec::Encoding;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let encoding = Encoding::from_subprotocol("anchor.v1.json").ok_or("not spoken here")?;
//! let publish = ClientFrame::Publish(PublishFrame {
//!     seq: Seq::FIRST,
//!     nonce: Nonce(7),
//!     waits: Seq::FIRST,
//!     room: RoomId::new("lobby")?,
//!     draft: Draft::message("hello"),
//!     client_id: None,
//! });
//! let bytes = encoding.encode_client(&publish);
//! assert_eq!(&bytes[..], br#"["publish",1,7,1,"lobby",[1,null,null,"hello"],null]"#);
//! assert_eq!(encoding.decode_client(&bytes)?, publish);
//! # Ok(())
//! # }
//! ```
//!
//! `docs/protocol.md` is the normative text, `docs/vectors/` its samples; this crate is one implementation of it. The frames
//! themselves are types of [`anchor_core::session::frame`], and what a session answers is decided by
//! [`anchor_core::session::Session`].
//!
//! # Map
//!
//! - [`codec`]: frames as bytes and back, in MessagePack and JSON.
//! - [`server`]: serves a session on a connection, over [`websocket`].
//! - [`client`]: a client as a library: reconnects, resumes, keeps an outbox.

pub mod client;
pub mod codec;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod server;
pub mod websocket;
