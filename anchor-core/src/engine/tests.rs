//! Tails, tail by tail; and the engine as a program uses it that embeds the library.

pub(crate) mod censor;
mod consumers;
mod embedded;
mod joint;
mod line;
mod numbered;
mod own_log;
mod profiles;
mod retention;
mod rulings;
mod searching;
mod tails;
mod threads;
