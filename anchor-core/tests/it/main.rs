//! The conformance suites on the parts that live in this crate, and the tools that they bring.

mod buses;
mod engine;
mod factories;
mod faults;
mod memory;
#[cfg(feature = "sabotage")]
mod sabotage;
mod stores;
