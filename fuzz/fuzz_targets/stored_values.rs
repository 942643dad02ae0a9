//! Values of the store: commits of the journal, pages, rooms' rows, clients' windows.
#![no_main]

use anchor_fuzz::measured;
use anchor_store::fuzzing::stored_values;

libfuzzer_sys::fuzz_target!(|input: &[u8]| measured(input, stored_values));
