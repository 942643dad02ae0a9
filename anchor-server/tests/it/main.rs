//! The server from outside: the real binary and real sockets on port 0, and in-process where a part is replaced.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, in its helpers too")]

mod consuming;
mod drain;
mod failure;
#[cfg(feature = "search")]
mod full;
mod handshake;
mod hostile;
mod library;
#[cfg(feature = "search")]
mod redaction;
mod refuse;
mod restore;
#[cfg(feature = "search")]
mod searching;
mod start;
mod support;
mod webhooks;
