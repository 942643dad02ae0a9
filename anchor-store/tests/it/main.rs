//! Tests of the store at its boundary: what it promises, and what it does when the disk or somebody else fails.

mod basics;
mod concurrency;
mod conformance;
mod crash;
mod damaged;
mod directory;
mod disk_full;
mod slow;
mod support;
