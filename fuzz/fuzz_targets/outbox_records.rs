//! Records of a client's outbox.
#![no_main]

use anchor_fuzz::measured;
use anchor_transport::fuzzing::outbox_records;

libfuzzer_sys::fuzz_target!(|input: &[u8]| measured(input, outbox_records));
