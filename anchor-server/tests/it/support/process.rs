//! The real binary, in an environment without variables.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::soon;

/// A server that has said that it is ready. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    stderr: Arc<watch::Sender<String>>,
}

impl Process {
    /// Starts a server on a free port of 127.0.0.1.
    pub(crate) async fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0"]).arg("--data").arg(data).args(arguments);
        Self::from_command(command).await
    }

    /// Starts what `command` starts, and waits for its line.
    pub(crate) async fn from_command(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = Arc::new(watch::Sender::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn({
            let stderr = stderr.clone();
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    stderr.send_modify(|text| text.extend([line.as_str(), "\n"]));
                }
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        soon(stdout.read_line(&mut line)).await.unwrap();
        let Some(address) = line.trim_end().strip_prefix("anchor-server listening on http://") else {
            panic!("not the line that was promised: {line:?}, {}", stderr.borrow().as_str());
        };
        Self { child, address: address.parse().unwrap(), stderr }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// The exit code, once it has ended; `None` if a signal ended it.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        soon(self.child.wait()).await.unwrap().code()
    }

    /// What it has said on stderr, once that holds `part`.
    pub(crate) async fn says(&self, part: &str) -> String {
        let mut said = self.stderr.subscribe();
        let found = soon(said.wait_for(|text| text.contains(part))).await.map(|text| text.clone());
        found.unwrap()
    }
}

/// The binary, without arguments, in an empty environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anchor-server"));
    prepare(&mut command);
    command
}

pub(crate) fn prepare(command: &mut Command) {
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
}

/// The exit code and stderr of a server that does not start.
pub(crate) async fn fails(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut child = command().args(arguments).envs(variables.iter().copied()).spawn().unwrap();
    let mut stderr = String::new();
    soon(child.stderr.take().unwrap().read_to_string(&mut stderr)).await.unwrap();
    (soon(child.wait()).await.unwrap().code().unwrap(), stderr)
}

/// What a command that succeeds says on stdout.
pub(crate) async fn runs(arguments: &[&str]) -> String {
    let output = soon(command().args(arguments).output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
