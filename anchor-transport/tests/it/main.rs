//! The transport at its boundaries: bytes, frames, sockets.

mod client;
mod hostile;
mod protocol_doc;
mod roundtrip;
mod serve;
mod vectors;
