//! Anchor's WebSocket protocol: frames as bytes, and both ends of a connection.
//!
//! `docs/protocol.md` is the normative text; this crate is one implementation of it. The frames themselves are types of
//! [`anchor_core::session::frame`]; [`codec`] turns them into bytes and back.

pub mod client;
pub mod codec;
pub mod server;
