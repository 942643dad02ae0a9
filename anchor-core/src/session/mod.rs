//! A session: the server's half of one connection, as a state machine without I/O.
//!
//! ```text
//!             hello            identified          opened            all rooms open
//! AwaitHello ───────▶ Identify ──────────▶ OpenClient ─────▶ Resuming ───────▶ Active
//!      └──────────────────┴── any fault, notice or silence ──┴───────────────────┴──▶ Ending ──▶ Close
//! ```
//!
//! One mutation (`handle_…`), then drain [`Session::poll_action`]; when the socket can take more, ask
//! [`Session::poll_delivery`] until it has nothing. The driver moves bytes and does what the actions say; it decides
//! nothing. Acks, refusals and answers leave through `poll_action` and so go before events.

mod action;
mod answer;
mod consuming;
mod desk;
pub mod frame;
mod held;
mod identify;
mod machine;
mod note;
mod passing;
mod publishing;
mod requests;
mod rooms;
mod subscriptions;
mod watching;

pub use self::action::{Action, Ask, BatchId, Fault, Goodbye, Reply, Request};
pub use self::desk::Desk;
pub use self::identify::{Credentials, Denied, Identify, Identity, OpenIdentify};
pub use self::machine::{Session, SessionConfig};
pub use self::note::Note;

#[cfg(test)]
mod tests;
