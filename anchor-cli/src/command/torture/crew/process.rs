//! The process of a client, as the run sees it.

use std::env;
use std::fs::OpenOptions;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::{Counts, Journal, Member, Plan};
use crate::server::without_variables;

/// A running client. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    orders: ChildStdin,
    told: Arc<Told>,
    listening: JoinHandle<()>,
}

/// How far it has come at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It publishes.
    Running,
    /// Everything that it published has its answer.
    Settled,
    /// It has read everything, and saved that.
    Reached,
}

/// What it told last.
#[derive(Debug, Default)]
struct Told {
    stage: AtomicU8,
    acked: AtomicU64,
    seen: AtomicU64,
    connections: AtomicU64,
}

impl Process {
    /// Starts a process in the state of `member`, whose next publish has the number `next`.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn start(
        plan: &Plan,
        member: &Member,
        journal: &Journal,
        next: u64,
        seed: u64,
    ) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(plan.directory.join("clients.log"))?;
        let mut command = Command::new(env::current_exe()?);
        command.args(["--server", &plan.url, "--user", &member.user, "--state"]).arg(&member.state);
        command.args(["torture", "client", "--journal"]).arg(&journal.path);
        command.args(["--seed", &seed.to_string(), "--reader", &journal.reader.to_string()]);
        if member.publishes {
            command.args(["--author", &member.author.to_string(), "--next", &next.to_string()]);
            command.args(["--rate", &plan.rate.to_string()]);
            for room in &plan.rooms {
                command.args(["--publish", room.as_str()]);
            }
        }
        for room in &member.reads {
            command.args(["--read", room.as_str()]);
        }
        if member.is_slow {
            command.arg("--is-slow");
        }
        if plan.skips_beats {
            command.arg("--skips-beats");
        }
        if member.is_copied {
            command.arg("--is-copied");
        }
        without_variables(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn()?;
        let orders = child.stdin.take().expect("standard input is piped");
        let output = child.stdout.take().expect("standard output is piped");
        let told = Arc::new(Told::default());
        let listening = tokio::spawn(listen(output, told.clone()));
        Ok(Self { child, orders, told, listening })
    }

    /// Sends it a line.
    pub(super) async fn tell(&mut self, order: &str) {
        // One that has ended hears nothing; that is noticed otherwise.
        let _ = self.orders.write_all(format!("{order}\n").as_bytes()).await;
    }

    /// How it ended, if it did so by itself, and not because it had read everything.
    pub(super) fn has_failed(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        // What it told last may still be on its way.
        let is_done = status.success() || self.stage() == Stage::Reached;
        (!is_done).then_some(status)
    }

    /// How far it has come.
    pub(super) fn stage(&self) -> Stage {
        match self.told.stage.load(Ordering::Relaxed) {
            0 => Stage::Running,
            1 => Stage::Settled,
            _ => Stage::Reached,
        }
    }

    /// What it has done and seen.
    pub(super) fn counts(&self) -> Counts {
        let Told { acked, seen, connections, .. } = &*self.told;
        Counts {
            acked: acked.load(Ordering::Relaxed),
            seen: seen.load(Ordering::Relaxed),
            connections: connections.load(Ordering::Relaxed),
        }
    }

    /// `kill -9`; returns once it is gone, with what it told last.
    pub(super) async fn kill(mut self) -> Counts {
        let _ = self.child.kill().await;
        let _ = (&mut self.listening).await;
        self.counts()
    }
}

/// Takes what it tells, until it ends.
async fn listen(output: ChildStdout, told: Arc<Told>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut words = line.split(' ');
        match words.next() {
            Some("settled") => told.stage.store(1, Ordering::Relaxed),
            Some("reached") => told.stage.store(2, Ordering::Relaxed),
            Some("at") => {
                let counters = [&told.acked, &told.seen, &told.connections];
                for (counter, number) in counters.into_iter().zip(words) {
                    counter.store(number.parse().unwrap_or(0), Ordering::Relaxed);
                }
            }
            _ => {}
        }
    }
}
