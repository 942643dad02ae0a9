//! The commands, one file each.

mod bench;
mod chat;
mod history;
mod rooms;
mod send;
mod tail;
mod torture;
mod who;

use crate::args::Command;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Runs `command` to its end.
///
/// # Errors
/// What stopped it, as a sentence.
pub(crate) async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Send(send) => send::run(context, send).await,
        Command::Tail(tail) => tail::run(context, tail).await,
        Command::History(history) => history::run(context, history).await,
        Command::Rooms(rooms) => rooms::run(context, rooms).await,
        Command::Who(who) => who::run(context, who).await,
        Command::Chat(chat) => chat::run(context, chat).await,
        Command::Bench(bench) => bench::run(context, bench).await,
        Command::Torture(torture) => torture::run(context, torture).await,
    }
}
