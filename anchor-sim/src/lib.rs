//! Deterministic simulation: real clients, servers and stores in one thread, under virtual time, from one seed.

pub mod disk;
