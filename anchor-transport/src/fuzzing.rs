//! What must hold for any bytes from outside: one function for each parser, panicking where it does not.
//!
//! The same functions are the bodies of the `cargo fuzz` targets in `fuzz/` and of the property tests in `tests`. Not a
//! part of the API: here only under the feature `fuzzing`, and in tests of this crate.

mod deeds;
mod frames;
mod peer;
mod reader;
mod samples;
mod session;

pub use self::frames::frames;
pub use self::samples::{frame_samples, session_samples};
pub use self::session::session;
pub use crate::client::outbox_fuzzing::{
    outbox_file, outbox_file_samples, outbox_record_samples, outbox_records,
};

#[cfg(test)]
mod tests;
