//! The client half against the real server half, over pipes, with the store in memory.

mod clones;
mod driven;
mod lockstep;
mod restored;
mod state;
mod stream;
mod world;
