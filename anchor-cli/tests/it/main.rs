//! `anchor-cli` as a user has it: real processes against a real server.

