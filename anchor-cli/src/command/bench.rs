//! `bench`: measures a server as its clients meet it, over sockets, and checks every delivery while it does.
//!
//! ```text
//!  host: the server ◀══ net: many connections in one thread ══▶ scenario: who says what, and when
//!                                                                  ├─ flow: messages on their way, by two kinds of loop
//!                                                                  ├─ check: every delivery and ack
//!                                                                  └─ gauge, report: what it cost
//! ```
//! It shares the machine with what it measures, so it is lean before anything else: no client library, no outbox, no copy of
//! an event. What it uses itself is part of every report.

mod body;
mod check;
mod flow;
mod gauge;
mod hello;
mod host;
mod net;
mod publish;
mod report;
mod scenario;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::hello::Hellos;
use self::host::Host;
use self::net::Net;
use self::report::Report;
use crate::args::bench::Bench;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::say;

/// Runs the scenario and prints what came of it.
///
/// # Errors
/// What stopped it, as a sentence.
pub(crate) async fn run(context: &Context, arguments: Bench) -> Result<Exit, Failure> {
    let Bench { common, scenario } = arguments;
    allow_sockets();
    let is_json = common.json;
    let stop = Arc::new(AtomicBool::new(false));
    let host = Host::start(context, &common).await?;
    let mut bench = scenario::Bench {
        net: Net::new(host.target.clone(), stop.clone())?,
        hellos: Hellos::new(),
        common,
        pid: host.pid,
        server: host.name.clone(),
    };
    let mut running = tokio::task::spawn_blocking(move || scenario::run(&mut bench, &scenario));
    let report = tokio::select! {
        ended = &mut running => ended,
        () = interrupted() => {
            stop.store(true, Ordering::Relaxed);
            running.await
        }
    };
    let stopped = host.stop().await;
    say::clear();
    let report: Report =
        report.unwrap_or_else(|_| Err(Failure::new(Exit::Failure, "this is a defect; report it")))?;
    report.print(is_json)?;
    stopped.map(|()| report.exit())
}

/// Ends with Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Takes as many open files as the system lets this process have; the server inherits it.
fn allow_sockets() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is not let, opening connections says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
