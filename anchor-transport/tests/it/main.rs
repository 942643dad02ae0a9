//! The transport at its boundaries: bytes, frames, sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, in its helpers too")]

mod client;
mod hostile;
mod page_size;
mod protocol_doc;
mod regressions;
mod roundtrip;
mod serve;
mod vectors;
mod watching;
