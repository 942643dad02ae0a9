//! The commands, one file for each group of them.

mod bench;
pub(crate) mod change;
mod chat;
mod consumer;
mod contact;
mod dm;
mod history;
mod message;
mod pins;
mod profile;
mod read;
mod room;
mod search;
mod send;
mod signal;
mod tail;
mod thread;
mod torture;
mod webhook;
mod who;

use anchor_core::event::EventKind;

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
        Command::Chat(chat) => chat::run(context, chat).await,
        Command::Rooms(rooms) => room::list::short(context, rooms).await,
        Command::Who(who) => who::run(context, who).await,
        Command::Read(read) => read::run(context, read).await,
        Command::Search(search) => search::run(context, search).await,
        Command::Room(room) => room::run(context, room.command).await,
        Command::Reply(reply) => message::reply(context, reply).await,
        Command::Thread(thread) => thread::run(context, thread).await,
        Command::Edit(edit) => message::edit(context, edit).await,
        Command::Redact(redact) => message::redact(context, redact).await,
        Command::React(react) => message::react(context, react, EventKind::REACTION).await,
        Command::Unreact(react) => message::react(context, react, EventKind::REACTION_REMOVED).await,
        Command::Pin(pin) => message::pin(context, pin, EventKind::PIN).await,
        Command::Unpin(pin) => message::pin(context, pin, EventKind::UNPIN).await,
        Command::Pins(pins) => pins::run(context, pins).await,
        Command::Announce(announce) => message::announce(context, announce).await,
        Command::Dm(dm) => dm::run(context, dm).await,
        Command::Signal(signal) => signal::run(context, signal).await,
        Command::Profile(profile) => profile::run(context, profile.command).await,
        Command::Direct(direct) => contact::direct(context, direct).await,
        Command::Receipts(receipts) => contact::receipts(context, receipts).await,
        Command::Block(block) => contact::block(context, block).await,
        Command::Unblock(block) => contact::unblock(context, block).await,
        Command::Consumer(consumer) => consumer::run(context, consumer.command).await,
        Command::Webhook(webhook) => webhook::run(context, webhook.command).await,
        Command::Bench(bench) => bench::run(context, bench).await,
        Command::Torture(torture) => torture::run(context, torture).await,
    }
}
