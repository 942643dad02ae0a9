//! Durable real-time chat as one library: what was acknowledged is on disk, everybody sees everything once, in one order.

mod system;

pub use anchor_core as core;
pub use anchor_core::{bus, chain, code, environment, event, id, position, publish, resume, store};
#[cfg(feature = "redb")]
pub use anchor_store as redb;
#[cfg(any(feature = "client", feature = "server"))]
pub use anchor_transport as transport;
pub use system::System;
