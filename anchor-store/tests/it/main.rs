//! Tests of the store at its boundary: what it promises, and what it does when the disk or somebody else fails.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod basics;
mod compacting;
mod concurrency;
mod conformance;
mod crash;
mod crash_rows;
mod crash_trim;
mod cursors;
mod damaged;
mod directory;
mod disk_full;
mod failing;
mod faults;
mod formats;
mod paging;
mod reading;
mod receipts;
mod redaction;
mod regressions;
mod rows;
#[cfg(feature = "sabotage")]
mod sabotage;
mod slow;
mod support;
mod targets;
