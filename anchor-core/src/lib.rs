//! The ideas of Anchor, without I/O: a room is a log, a publish an idempotent append, a delivery a read at a cursor.

pub mod bus;
pub mod chain;
pub mod code;
pub mod conformance;
pub mod environment;
pub mod error;
pub mod event;
pub mod id;
pub mod limits;
pub mod memory;
pub mod msgpack;
pub mod position;
pub mod publish;
pub mod resume;
pub mod run;
pub mod store;
pub mod window;
pub mod engine;
pub mod session;
