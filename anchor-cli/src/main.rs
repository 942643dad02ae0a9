//! The terminal client of Anchor: scriptable commands, and a chat line by line.
//!
//! # Map
//!
//! - `args`: the command line; `exit`: exit codes and failures, each one sentence.
//! - `context`: what all commands share: the server, who speaks, the client; `connection`: its ups and downs in words.
//! - `command`: one file for each command.
//! - `output`, `escape`, `say`: what people and programs read. Nothing foreign reaches a terminal but through `escape`.
//! - `server`: a server of our own as a child, for `torture` and `bench`.
//! - `dice`: reproducible randomness. `input`: standard input; `state`, `cursor`, `once`: what is kept on disk beside the outbox of `anchor_transport::client`.

mod args;
mod command;
mod connection;
mod context;
mod cursor;
mod dice;
mod escape;
mod exit;
mod input;
mod once;
mod output;
mod say;
mod server;
mod state;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};

use crate::args::Arguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let is_server_named = matches.value_source("server") == Some(ValueSource::CommandLine);
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let sentence = format!("cannot start threads: {error}; end other programs and try again");
                return Failure::new(Exit::Failure, sentence).report().into();
            }
        };
    let exit = runtime.block_on(run(arguments, is_server_named));
    // The reader of standard input may wait for a terminal for ever.
    runtime.shutdown_background();
    exit.into()
}

/// Runs the command until it ends, its time is over, or somebody stops it.
async fn run(arguments: Arguments, is_server_named: bool) -> Exit {
    let context = Arc::new(Context::new(&arguments, is_server_named));
    let takes_interrupt = arguments.command.takes_interrupt();
    let limit = arguments.timeout;
    let time_over = async {
        match limit {
            Some(limit) => {
                tokio::time::sleep(limit).await;
                Failure::timed_out(limit)
            }
            None => std::future::pending().await,
        }
    };
    // A task of its own: should it wait for the reader of its output, time and Ctrl-C go on.
    let mut command = tokio::spawn({
        let context = context.clone();
        async move { command::run(&context, arguments.command).await }
    });
    let ended = tokio::select! {
        ended = &mut command => ended.unwrap_or_else(|_| Err(Failure::new(Exit::Failure, "this is a defect; report it"))),
        failure = time_over => Err(failure),
        () = interrupted(), if !takes_interrupt => Err(Failure::Interrupted),
    };
    command.abort();
    if !command.is_finished() {
        // What it has started ends with it.
        let _ = tokio::time::timeout(ABORT_WITHIN, command).await;
    }
    say::clear();
    let exit = match ended {
        Ok(exit) => exit,
        Err(failure) => {
            let exit = failure.report();
            context.tell_what_waits();
            exit
        }
    };
    context.close().await;
    exit
}

/// Ends with Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the process by itself.
        std::future::pending().await
    }
}

/// How long a command that was stopped may take to let go of what it has. Source: chosen; one that waits for the reader of
/// its output does not end.
const ABORT_WITHIN: Duration = Duration::from_millis(200);

/// Threads for the command and for its connection. Source: one may be held up by the reader of the output.
const WORKERS: usize = 2;
