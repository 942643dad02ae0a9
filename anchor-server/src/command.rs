//! What the binary does: reads its configuration, serves until it is told to stop, and says how it went.

use std::error::Error;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anchor_store::OpenError;
use anchor_system::System;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;

use crate::StartError;
use crate::config::{Command, CommandLine, Config, ConfigError, Layers};
use crate::error::exit_of_data;
use crate::exit::Exit;
use crate::listener::HTTP_CONNECTIONS_MAX;
use crate::search;
use crate::server::{Ended, Server};
use crate::shutdown::Signals;
use crate::telemetry::{self, Lines, NOTICE};

/// Runs `anchor-server` with the arguments and the environment of this process.
pub fn run() -> ExitCode {
    let configured = CommandLine::parse_arguments(std::env::args_os()).and_then(|flags| {
        let command = flags.command;
        Ok((command, Layers::new(flags, std::env::vars_os()).resolve()?))
    });
    let (command, config) = match configured {
        Ok(configured) => configured,
        // Help and version go to stdout with 0, wrong flags to stderr with 2.
        Err(ConfigError::Flags(error)) => error.exit(),
        Err(error) => return fail(&error, Exit::Usage),
    };
    let lines = telemetry::install(&config);
    match command {
        Some(Command::Restore) => restore(&config),
        Some(Command::Compact) => compact(&config),
        None => serve(&config, lines),
    }
}

/// Serves until a signal or the store ends it.
fn serve(config: &Config, lines: Lines) -> ExitCode {
    raise_file_limit(config.connections_max);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().event_interval(EVENT_INTERVAL).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(live(config, lines)),
        Err(error) => Err(Failure::Runtime(error)),
    };
    match ended {
        Ok(Ended::Stopped) => Exit::Done.into(),
        Ok(Ended::StoreFailed) => Exit::StoreFailed.into(),
        Err(Failure::Start(error)) => fail(&error, error.exit()),
        Err(error) => fail(&error, Exit::Error),
    }
}

/// Starts, says so, and serves.
async fn live(config: &Config, lines: Lines) -> Result<Ended, Failure> {
    // Before the first line is printed: whoever reads it may send a signal at once.
    let mut signals = Signals::listen().map_err(Failure::Runtime)?;
    let server = tokio::select! {
        started = Server::start(config.clone()) => started?,
        // Opening may take a while, and has changed nothing that the next opening does not redo.
        signal = signals.next() => signal.end_process(),
    };
    announce(config, server.local_addr(), lines);
    match signals.stop(server).await {
        Ok(ended) => Ok(ended),
        Err(signal) => signal.end_process(),
    }
}

/// Why it did not serve.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the operating system gives no threads, timers or signals")]
    Runtime(#[source] io::Error),
}

/// Gives every room a new epoch, and says what was done.
fn restore(config: &Config) -> ExitCode {
    // What was edited or redacted since the copy is as it was before: no event says so to whatever followed the logs.
    if let Err(error) = search::renew(&config.data) {
        return fail(&error, Exit::Data);
    }
    maintain(config, "put the copy in place first", |data| {
        let restored = anchor_store::restore(data, System)?;
        Ok(format!("{} rooms begin a new epoch; start the server", restored.rooms))
    })
}

/// Makes the data as small as it can be, and says how small that is: what was redacted is in no file then.
fn compact(config: &Config) -> ExitCode {
    maintain(config, "there is nothing to make smaller", |data| {
        // First: how far it has come is kept in the store.
        let index = search::settle(data)?;
        let compacted = anchor_store::compact(data, System)?;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (before, after) = (megabytes(compacted.before_bytes), megabytes(compacted.after_bytes));
        let index = index.map(|index| format!("; {index}")).unwrap_or_default();
        Ok(format!("{before:.1} MB before, {after:.1} MB now{index}"))
    })
}

/// Does something to the data directory, which is there, and says what was done.
fn maintain(
    config: &Config,
    or_else: &'static str,
    work: impl FnOnce(&Path) -> Result<String, Unmaintained>,
) -> ExitCode {
    if !config.data.is_dir() {
        return fail(&NoData { directory: config.data.clone(), or_else }, Exit::Data);
    }
    match work(&config.data) {
        Ok(done) => {
            say(&format!("{}: {done}", config.data.display()));
            Exit::Done.into()
        }
        Err(Unmaintained::Data(error)) => fail(&error, exit_of_data(&error)),
        Err(error) => fail(&error, Exit::Data),
    }
}

/// Why nothing was done to the data, or not everything.
#[derive(Debug, Error)]
pub(crate) enum Unmaintained {
    #[error(transparent)]
    Data(#[from] OpenError),
    #[error(transparent)]
    Search(#[from] search::IndexError),
}

/// The data directory does not exist.
#[derive(Debug, Error)]
#[error("there is no directory {}: {or_else}, or name it with `--data`", directory.display())]
struct NoData {
    directory: PathBuf,
    or_else: &'static str,
}

/// Says that the server is ready: on stdout for programs, on stderr for people.
fn announce(config: &Config, address: SocketAddr, lines: Lines) {
    say(&format!("anchor-server listening on http://{address}"));
    let data = std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone());
    let auth = config.auth_mode().map_or("none", |mode| mode.name());
    let reach = reachable(address);
    let next = format!("anchor-cli --server ws://{reach} --user NAME chat lobby");
    match lines {
        Lines::Human => eprintln!(
            "  data  {}\n  auth  {auth}: anyone may take any name\n  page  http://{reach}/\n  next  {next}",
            data.display()
        ),
        Lines::Json => {
            let data = data.display();
            tracing::info!(target: NOTICE, %data, auth, page = %format_args!("http://{reach}/"), next, "serving");
        }
    }
}

/// Where a client on this machine finds a server that listens on `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A line on stdout. Whoever closed it does not want to know.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// The error and its causes on stderr, once.
fn fail(error: &dyn Error, exit: Exit) -> ExitCode {
    eprintln!("anchor-server: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    exit.into()
}

/// Lets the process open as many files as its connections need, as far as the system allows.
fn raise_file_limit(connections_max: usize) {
    let needed =
        u64::try_from(connections_max.saturating_add(HTTP_CONNECTIONS_MAX + OTHER_FILES)).unwrap_or(u64::MAX);
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let set = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    if set.is_err() || raised < needed {
        tracing::warn!(
            connections_max,
            needed,
            allowed = raised,
            "the system allows fewer open files than --max-connections needs: raise the limit (ulimit -Hn, LimitNOFILE)"
        );
    }
}

/// Tasks that a worker polls before it looks at its sockets. A shard's turn is one of them, and takes up to 0.2 ms.
/// Source: measured; tokio's default of 61 takes a third of 200,000 publishes/s, 1 to 8 do not differ.
const EVENT_INTERVAL: u32 = 8;

/// Files that are no connections: the data, the runtime, the log. Source: chosen; a few dozen are open.
const OTHER_FILES: usize = 64;
