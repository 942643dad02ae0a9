//! A process between the run and a server: whatever becomes of the run, the server does not outlive it.
//!
//! A server does not know who started it. Its keeper does: it ends the server when told to, and when its own standard input
//! ends, which it does with the run, even by `kill -9`. It owns the server as its child, so a signal never meets another
//! process that has come to have the same number.
//!
//! ```text
//! kill   -> SIGKILL
//! stop   -> SIGTERM
//! (end of input) -> SIGKILL
//!        <- pid N, once; then what the server prints; the keeper ends as the server did
//! ```

use std::io::{self, Write};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::args::torture::Keep;
use crate::exit::{Exit, Failure};
use crate::input;

/// Runs the program to its end.
///
/// # Errors
/// A sentence where it cannot be started.
pub(crate) async fn run(arguments: Keep) -> Result<Exit, Failure> {
    let mut words = arguments.command.into_iter();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        let shown = program.to_string_lossy();
        Failure::new(Exit::Failure, format!("cannot start {shown}: {error}"))
    })?;
    let pid = child.id().unwrap_or_default();
    let mut out = io::stdout();
    let told = writeln!(out, "pid {pid}").and_then(|()| out.flush());
    told.map_err(|_| Failure::OutputClosed)?;
    let mut orders = input::lines();
    loop {
        tokio::select! {
            ended = child.wait() => {
                let is_done = ended.is_ok_and(|status| status.success());
                return Ok(if is_done { Exit::Done } else { Exit::Failure });
            }
            order = orders.recv() => match order {
                Some(Ok(input::Line { text: Ok(order), .. })) if order == "stop" => terminate(&child),
                _ => drop(child.start_kill()),
            },
        }
    }
}

/// SIGTERM, unless it has ended already.
fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
}
