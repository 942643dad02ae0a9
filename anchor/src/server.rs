//! Serving the protocol to others: [`router`] for a host that has an HTTP server, [`Server`] for one that has none, and
//! [`accept`] and [`serve`] for a single connection, whatever it is made of.

pub use anchor_server::*;
pub use anchor_transport::server::{NotAccepted, Serving, accept, serve};
