//! Flags, variables and file of a server.
#![no_main]

use anchor_fuzz::home;
use anchor_server::fuzzing::configuration;

libfuzzer_sys::fuzz_target!(|input: &[u8]| configuration(&home().join("anchor.toml"), input));
