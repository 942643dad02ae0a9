//! The simulator: the same seed does the same again, and what it runs holds.

mod seeds;
