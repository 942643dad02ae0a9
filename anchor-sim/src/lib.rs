//! Deterministic simulation: real clients, servers and stores in one thread, under virtual time, from one seed.

pub mod attended;
pub mod client;
pub mod clock;
mod director;
pub mod disk;
pub mod followed;
pub mod kernel;
pub mod marked;
pub mod mishap;
pub mod network;
pub mod node;
pub mod recorder;
mod run;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod scenario;
pub mod society;
pub mod store;
pub mod trace;
pub mod world;

pub use run::{Options, Report, run};
