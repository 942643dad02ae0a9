//! Scripts of a hostile connection against a real session.
#![no_main]

use anchor_transport::fuzzing::session;

libfuzzer_sys::fuzz_target!(|input: &[u8]| session(input));
