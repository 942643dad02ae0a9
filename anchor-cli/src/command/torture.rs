//! `torture`: proves the promise on this machine, with real processes and real sockets.
//!
//! ```text
//!  run ── plan: what goes wrong when ─────────────────────────────┐
//!   │                                                             │ kill -9, SIGTERM, copies
//!   │   crew: a process per client ══ proxy: cuts, stalls ══ server in its keeper
//!   │           │ journals: what each did and saw                 │
//!   └── finish: a full read of every room ── history ── verdict: every promise's checker
//! ```
//!
//! - `plan`: from the seed; `crate::server`: the server, and the keeper that it dies with.
//! - `crew`: the clients from outside; `client`: one of them from inside.
//! - `history`: what is judged, and its file format; `check`: judges a file.
//!
//! Nothing here trusts the server: the verdict rests on what clients wrote down and on one full read at the end.

mod check;
mod client;
mod crew;
mod finish;
mod history;
mod plan;
mod proxy;
mod run;
mod verdict;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::Torture;
use crate::args::torture::Command;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::server::keeper;

/// Runs what was asked for.
///
/// # Errors
/// What stopped it, as a sentence.
pub(crate) async fn run(context: &Context, arguments: Torture) -> Result<Exit, Failure> {
    match arguments.command {
        None => run::run(context, arguments.run).await,
        Some(Command::Check(check)) => {
            tokio::select! {
                checked = check::run(&check) => checked,
                () = interrupt() => Err(Failure::Interrupted),
            }
        }
        Some(Command::Client(client)) => client::run(context, client).await,
        Some(Command::Keep(keep)) => keeper::run(keep).await,
    }
}

/// Ends with Ctrl-C.
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// The time as a number that differs from run to run.
fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(since.subsec_nanos()))
}
