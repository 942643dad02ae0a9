//! The real `anchor-server` as a child that is killed and comes back, on the same port and the same directory.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use super::program::{DEADLINE, Program};
use super::world::Random;

/// A server over one data directory.
#[derive(Debug)]
pub(crate) struct Server {
    data: PathBuf,
    port: u16,
    program: Option<Program>,
}

impl Server {
    /// Starts a server over `data` on a port that stays its own.
    pub(crate) fn start(data: &Path, random: &mut Random) -> Self {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let mut server = Self { data: data.to_owned(), port: quiet_port(random), program: None };
            match server.try_start() {
                Ok(()) => return server,
                Err(report) => assert!(Instant::now() < deadline, "the server does not start: {report}"),
            }
        }
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.program.take().expect("the server runs").kill();
    }

    /// SIGTERM: it drains, and ends well.
    pub(crate) fn stop(&mut self) {
        let program = self.program.take().expect("the server runs");
        program.signal("TERM");
        program.succeed();
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        self.program = None;
        if let Err(report) = self.try_start() {
            panic!("the server does not come back: {report}");
        }
    }

    /// Memory that the process holds now, in KiB; `None` where the system does not tell in the way of Linux.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running().id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    fn running(&self) -> &Program {
        self.program.as_ref().expect("the server runs")
    }

    fn try_start(&mut self) -> Result<(), String> {
        let mut command = command();
        command.args(["--listen", &format!("127.0.0.1:{}", self.port), "--data"]).arg(&self.data);
        let program = Program::start(command, Vec::new());
        match program.first_line() {
            Some(line) if line.starts_with("anchor-server listening on http://") => {
                self.program = Some(program);
                Ok(())
            }
            _ => Err(program.report()),
        }
    }
}

/// Runs a subcommand of the server over `data` while no server holds it, and checks that it says it went well.
pub(crate) fn maintain(data: &Path, subcommand: &str) -> Vec<String> {
    let mut command = command();
    command.arg(subcommand).arg("--data").arg(data);
    Program::start(command, Vec::new()).succeed()
}

fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANCHOR_")) {
        command.env_remove(name);
    }
    command
}

/// The server's binary beside the client's; built if it is missing or older than its sources.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_anchor-cli")).parent().expect("a binary lies in a folder");
        let binary = folder.join(format!("anchor-server{}", std::env::consts::EXE_SUFFIX));
        if !is_fresh(&binary) {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "-p", "anchor-server"]).current_dir(env!("CARGO_MANIFEST_DIR"));
            if !cfg!(debug_assertions) {
                build.arg("--release");
            }
            assert!(build.status().is_ok_and(|status| status.success()), "anchor-server does not build");
        }
        binary
    })
}

/// True if `binary` is newer than every source that cargo lists for it, in the `.d` file beside it.
fn is_fresh(binary: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let sources = fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    let newest = sources
        .split_once(": ")
        .map(|(_, sources)| {
            sources.split_whitespace().map(|path| modified(Path::new(path))).collect::<Vec<_>>()
        })
        .and_then(|times| times.into_iter().max().flatten());
    let age = |time: Option<SystemTime>| time.unwrap_or(SystemTime::UNIX_EPOCH);
    newest.is_some() && age(modified(binary)) >= age(newest)
}

/// A free port below those that the system gives to clients: while the server is down nobody else comes to have it.
fn quiet_port(random: &mut Random) -> u16 {
    loop {
        let port = u16::try_from(12_000 + random.below(18_000)).expect("below 65,536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
