//! Messages as frames of both sides, in both encodings.
#![no_main]

use anchor_fuzz::measured;
use anchor_transport::fuzzing::frames;

libfuzzer_sys::fuzz_target!(|input: &[u8]| measured(input, frames));
