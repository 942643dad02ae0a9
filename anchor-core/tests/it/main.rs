//! The conformance suites on the parts that live in this crate, and the tools that they bring.

mod buses;
mod factories;
mod faults;
mod memory;
mod stores;
