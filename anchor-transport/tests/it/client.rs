//! The client half against the real server half, over pipes, with the store in memory.

mod clones;
mod restored;
mod state;
mod stream;
mod world;
