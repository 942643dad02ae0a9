//! The promise against faults, on the real binaries: `kill -9` of server and sender, a reader that stops reading, copies of
//! a client's state, an older copy of the server's data.
//!
//! Small sizes by default; `ANCHOR_TEST_FULL=1` takes those of the promise. `ANCHOR_TEST_SEED=N` repeats a plan of faults.

mod clones;
mod kills;
mod older_data;
pub(crate) mod program;
pub(crate) mod server;
mod slow_reader;
mod world;
