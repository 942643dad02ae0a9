//! A server of our own, which `torture` kills and `bench` measures: a process over a data directory of its own, on a free
//! port.
//!
//! It runs under a [`keeper`], so it does not outlive this process, whatever becomes of it.

pub(crate) mod keeper;
pub(crate) mod process;

use std::env;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use crate::exit::{Exit, Failure};

/// A server of our own over one data directory.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    /// Beside those that every server of ours gets.
    options: Vec<String>,
    data: PathBuf,
    log: PathBuf,
    running: Option<Running>,
    /// How often it was started.
    lives: u64,
}

#[derive(Debug)]
struct Running {
    keeper: Child,
    orders: ChildStdin,
    /// Kept open: a server that cannot print fails.
    output: Lines<BufReader<ChildStdout>>,
    pid: u32,
}

impl Server {
    /// A server of `program` under `directory`, with `options` of its command line; not started yet.
    pub(crate) fn new(program: PathBuf, directory: &Path, options: &[&str]) -> Self {
        let (data, log) = (directory.join("data"), directory.join("server.log"));
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self { program, options, data, log, running: None, lives: 0 }
    }

    /// Starts it on a free port; returns where it listens.
    ///
    /// # Errors
    /// A sentence with what the server says.
    pub(crate) async fn start(&mut self) -> Result<SocketAddr, Failure> {
        self.lives += 1;
        let trouble = |what: String| Failure::new(Exit::Failure, format!("cannot start the server: {what}"));
        let started = async {
            let mut running = self.spawn()?;
            let address = running.listens().await?;
            io::Result::Ok(address.map(|address| (running, address)))
        };
        match timeout(START_WITHIN, started).await {
            Ok(Ok(Some((running, address)))) => {
                self.running = Some(running);
                Ok(address)
            }
            Ok(Ok(None)) => Err(trouble(self.last_words())),
            Ok(Err(error)) => Err(trouble(error.to_string())),
            Err(_) => Err(trouble(format!("it does not listen after {} s", START_WITHIN.as_secs()))),
        }
    }

    /// Starts it, and kills it `after` so long, most often before it listens.
    ///
    /// # Errors
    /// A sentence where it cannot be started, or had ended by itself.
    pub(crate) async fn start_in_vain(&mut self, after: Duration) -> Result<(), Failure> {
        let running = self.spawn();
        self.running = Some(
            running
                .map_err(|error| Failure::new(Exit::Failure, format!("cannot start the server: {error}")))?,
        );
        sleep(after).await;
        self.kill().await
    }

    /// `kill -9`; returns once it is gone.
    ///
    /// # Errors
    /// A sentence where it had ended by itself before.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        self.end("kill").await.map(drop)
    }

    /// SIGTERM; returns once it has drained and gone.
    ///
    /// # Errors
    /// A sentence where it had ended by itself before, or does not end well.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        match self.end("stop").await? {
            true => Ok(()),
            false => {
                let what = format!("the server did not end well by SIGTERM: {}", self.last_words());
                Err(Failure::new(Exit::Failure, what))
            }
        }
    }

    /// True between a start and an end.
    pub(crate) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The number of its life, from 1.
    pub(crate) const fn life(&self) -> u64 {
        self.lives
    }

    /// The number of its process, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.pid)
    }

    /// Memory that it holds now, in bytes; `None` where the system does not tell as Linux does.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        process::resident_bytes(self.pid()?)
    }

    /// What it said last, if it has ended though nobody told it to.
    pub(crate) fn has_failed(&mut self) -> Option<String> {
        let running = self.running.as_mut()?;
        if matches!(running.keeper.try_wait(), Ok(None)) {
            return None;
        }
        self.running = None;
        Some(format!("the server ended by itself: {}", self.last_words()))
    }

    /// As [`Server::has_failed`], where a connection to it has just ended: its keeper may take a moment to see why.
    pub(crate) async fn has_failed_now(&mut self) -> Option<String> {
        let running = self.running.as_mut()?;
        let _ = timeout(SEEN_WITHIN, running.keeper.wait()).await;
        self.has_failed()
    }

    /// Tells the keeper to end it, and whether that ended well.
    async fn end(&mut self, order: &str) -> Result<bool, Failure> {
        if let Some(what) = self.has_failed() {
            return Err(Failure::new(Exit::Failure, what));
        }
        let Some(mut running) = self.running.take() else { return Ok(true) };
        let _ = running.orders.write_all(format!("{order}\n").as_bytes()).await;
        match timeout(END_WITHIN, running.keeper.wait()).await {
            Ok(status) => Ok(status.is_ok_and(|status| status.success())),
            Err(_) => {
                // Its keeper goes, and takes the server with it.
                drop(running);
                Err(Failure::new(
                    Exit::Failure,
                    format!("the server does not end within {} s", END_WITHIN.as_secs()),
                ))
            }
        }
    }

    /// Starts it under its keeper, which ends with its standard input: so nobody kills the keeper.
    fn spawn(&self) -> io::Result<Running> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(env::current_exe()?);
        command.args(["torture", "keep", "--"]).arg(&self.program);
        command.args(["--listen", "127.0.0.1:0", "--drain", "1s", "--log-format", "human", "--data"]);
        command.arg(&self.data).args(&self.options);
        without_variables(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut keeper = command.spawn()?;
        let orders = keeper.stdin.take().expect("standard input is piped");
        let output = BufReader::new(keeper.stdout.take().expect("standard output is piped")).lines();
        Ok(Running { keeper, orders, output, pid: 0 })
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let last: Vec<_> = log.lines().rev().take(3).collect();
        match last.is_empty() {
            true => "it says nothing".to_owned(),
            false => last.into_iter().rev().collect::<Vec<_>>().join(" / "),
        }
    }
}

impl Running {
    /// Waits until it listens, and says where; `None` if it ends before.
    async fn listens(&mut self) -> io::Result<Option<SocketAddr>> {
        while let Some(line) = self.output.next_line().await? {
            if let Some(number) = line.strip_prefix("pid ") {
                self.pid = number.parse().unwrap_or(0);
            }
            if let Some(address) = line.strip_prefix(LISTENING) {
                return address.trim().parse().map(Some).map_err(io::Error::other);
            }
        }
        Ok(None)
    }
}

/// The server's program: the one that was named, else the one beside this program, else the first in PATH.
///
/// # Errors
/// A sentence that says where it was looked for.
pub(crate) fn find(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let name = format!("anchor-server{}", env::consts::EXE_SUFFIX);
    if let Some(named) = named {
        return match named.is_file() {
            true => Ok(named.to_owned()),
            false => Err(missing(&format!("there is no program {}", named.display()))),
        };
    }
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.join(&name)));
    let in_path =
        env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let places = beside.into_iter().chain(in_path.map(|folder| folder.join(&name)));
    places
        .into_iter()
        .find(|place| place.is_file())
        .ok_or_else(|| missing("there is no `anchor-server` beside this program or in PATH"))
}

/// Takes the variables that set options of Anchor's programs from `command`.
pub(crate) fn without_variables(command: &mut Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANCHOR_")) {
        command.env_remove(name);
    }
    // In a group of its own: Ctrl-C is for the run, which ends them in its time.
    #[cfg(unix)]
    command.process_group(0);
}

fn missing(what: &str) -> Failure {
    let advice = "build it with `cargo build --release -p anchor-server`, name it with --server-bin, or give a running \
                  server with --server";
    Failure::new(Exit::Failure, format!("{what}; {advice}"))
}

/// What the server prints once it listens.
const LISTENING: &str = "anchor-server listening on http://";

/// How long a start may take. Source: chosen; replaying a journal of this size takes far less than a second.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How long an end may take. Source: chosen; the drain is a second.
const END_WITHIN: Duration = Duration::from_secs(15);

/// How long a keeper may take to see that its server has ended. Source: chosen; it waits for nothing else.
const SEEN_WITHIN: Duration = Duration::from_millis(500);
