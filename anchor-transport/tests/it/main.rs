//! The transport at its boundaries: bytes, frames, sockets.

mod serve;
