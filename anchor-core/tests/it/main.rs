//! The conformance suites on the parts that live in this crate.

mod stores;
