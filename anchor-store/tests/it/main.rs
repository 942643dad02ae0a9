//! Tests of the store at its boundary: what it promises, and what it does when the disk or somebody else fails.

mod basics;
mod conformance;
mod support;
