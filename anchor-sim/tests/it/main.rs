//! The simulator: the same seed does the same again, and what it runs holds.

#[cfg(feature = "sabotage")]
mod sabotage;
mod seeds;
