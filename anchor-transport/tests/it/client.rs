//! The client half against the real server half, over pipes, with the store in memory, and once on disk.

mod clones;
mod consuming;
mod disk;
mod driven;
mod lockstep;
mod messages;
mod passing;
mod power;
mod restored;
mod rooms;
mod state;
mod storage;
mod stream;
mod threads;
mod world;
