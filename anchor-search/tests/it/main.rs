//! The index as a host uses it: what is found, in which order, and what is in no file any more.

#![expect(clippy::unwrap_used, reason = "the tests' own helpers, too, end the test")]

mod applying;
mod files;
mod finding;
mod following;
mod formats;
mod paging;
mod room;
mod server;
