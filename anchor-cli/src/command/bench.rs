//! `bench`: measures a server as its clients meet it, over sockets, and checks every delivery while it does.
//!
//! ```text
//!  host: the server ◀══ net: many connections in one thread ══▶ scenario: who says what, and when
//!                                                                  ├─ flow: messages on their way, by two kinds of loop
//!                                                                  ├─ crowd: what each client has sent and read
//!                                                                  ├─ check: every delivery and ack
//!                                                                  └─ gauge, report: what it cost
//! ```
//! It shares the machine with what it measures, so it is lean before anything else: no client library, no outbox, no copy of
//! an event. What it uses itself is part of every report.

mod body;
mod check;
mod crowd;
mod flow;
mod gauge;
mod hello;
mod host;
mod log;
mod machine;
mod net;
mod open;
mod publish;
mod report;
mod scenario;
mod ticks;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use self::hello::Hellos;
use self::host::Host;
use self::net::Net;
use self::report::Report;
use crate::args::bench::{Bench, Common, Scenario, What};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::say;

/// Runs the scenario, or all of them, and prints what came of it.
///
/// # Errors
/// What stopped it, as a sentence.
pub(crate) async fn run(context: &Context, arguments: Bench) -> Result<Exit, Failure> {
    let Bench { common, what } = arguments;
    allow_sockets();
    if let What::One(scenario) = what {
        let report = measure(context, &common, scenario).await?;
        report.print(common.json)?;
        return Ok(report.exit());
    }
    let mut exit = Exit::Done;
    let mut headlines = Vec::new();
    for scenario in Scenario::all() {
        let report = measure(context, &common, scenario).await?;
        report.print(common.json)?;
        headlines.extend_from_slice(report.headlines());
        if report.exit() != Exit::Done {
            exit = report.exit();
        }
    }
    tell_all(&headlines, common.json)?;
    Ok(exit)
}

/// Runs one scenario against a server, which for one of our own is a new one.
async fn measure(context: &Context, common: &Common, scenario: Scenario) -> Result<Report, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut interrupted = pin!(interrupted());
    // Heard from here on: a server that has been started is ended in good order.
    let _ = futures::poll!(interrupted.as_mut());
    let mut host = Host::start(context, common).await?;
    let mut bench = scenario::Bench {
        net: Net::new(host.target.clone(), stop.clone())?,
        hellos: Hellos::new(),
        common: common.clone(),
        pid: host.pid,
        server: host.name.clone(),
    };
    let mut running = tokio::task::spawn_blocking(move || scenario::run(&mut bench, &scenario));
    let report = tokio::select! {
        ended = &mut running => ended,
        () = interrupted => {
            stop.store(true, Ordering::Relaxed);
            running.await
        }
    };
    say::clear();
    let report = report.unwrap_or_else(|_| Err(Failure::new(Exit::Failure, "this is a defect; report it")));
    if matches!(report, Err(Failure::Said { .. }))
        && let Some(words) = host.last_words().await
    {
        // They say more than what its clients met.
        return Err(Failure::new(Exit::Failure, words));
    }
    host.stop().await.and(report)
}

/// The table of all scenarios.
fn tell_all(headlines: &[(String, String)], is_json: bool) -> Result<(), Failure> {
    let mut output = Output::default();
    if is_json {
        let rows: Vec<_> = headlines
            .iter()
            .map(|(scenario, measured)| json!({"scenario": scenario, "measured": measured}))
            .collect();
        output.json(&json!({ "all": rows, "machine": machine::told() }))?;
        return output.flush();
    }
    output.line("")?;
    output.line(&machine::line())?;
    output.line("")?;
    output.line("| scenario | measured |")?;
    output.line("| --- | --- |")?;
    for (scenario, measured) in headlines {
        output.line(&format!("| {scenario} | {measured} |"))?;
    }
    output.flush()
}

/// Ends with Ctrl-C, and with the signals that end a program: the server's data goes with it.
async fn interrupted() {
    let (Ok(mut terminate), Ok(mut hang_up)) =
        (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

/// Takes as many open files as the system lets this process have; the server inherits it.
fn allow_sockets() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is not let, opening connections says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
