//! Sessions over a real engine and the store in memory, frame by frame.

mod asking;
mod consuming;
mod delivering;
mod failing;
mod moderating;
mod opening;
mod passing;
mod peer;
mod permits;
mod preparing;
mod publishing;
mod redacting;
mod resuming;
#[cfg(feature = "sabotage")]
mod sabotage;
mod unread;
mod watching;
