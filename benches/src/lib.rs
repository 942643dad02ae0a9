//! What the programs of this package share: samples of what is sent, stores filled with it, and a connection without a
//! socket.

pub mod connection;
pub mod log;
pub mod sample;
