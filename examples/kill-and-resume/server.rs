//! The real `anchor-server` as a child process, which is killed and comes back.

use std::env::consts::EXE_SUFFIX;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running server; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    data: PathBuf,
    /// `127.0.0.1:PORT`; the port stays the same over all lives.
    address: String,
    child: Child,
}

impl Server {
    /// Starts a server over the directory `data`, on a free port.
    pub(crate) async fn start(data: &Path) -> io::Result<Self> {
        let (child, address) = launch(data, "127.0.0.1:0").await?;
        Ok(Self { data: data.to_owned(), address, child })
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// `kill -9`: no goodbye, no flush, nothing.
    pub(crate) async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Starts it again: the same address, the same files.
    pub(crate) async fn restart(&mut self) -> io::Result<()> {
        (self.child, self.address) = launch(&self.data, &self.address).await?;
        Ok(())
    }

    /// Ends it for good.
    pub(crate) async fn stop(mut self) -> io::Result<()> {
        self.kill().await
    }
}

/// Starts a server and waits until it says where it listens.
async fn launch(data: &Path, listen: &str) -> io::Result<(Child, String)> {
    let mut child = Command::new(binary().await?)
        .args(["--listen", listen, "--data"])
        .arg(data)
        .env("ANCHOR_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().expect("standard output is piped");
    let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
    match line.strip_prefix("anchor-server listening on http://") {
        Some(address) => Ok((child, address.to_owned())),
        None => {
            Err(io::Error::other("the server did not start; run `cargo run -p anchor-server` to see why"))
        }
    }
}

/// The server's binary beside this one; built first if it is not there.
async fn binary() -> io::Result<PathBuf> {
    let folder = std::env::current_exe()?.parent().expect("a program lies in a folder").to_owned();
    let binary = folder.join(format!("anchor-server{EXE_SUFFIX}"));
    if !binary.exists() {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "-p", "anchor-server"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        if !build.status().await?.success() {
            return Err(io::Error::other("anchor-server does not build"));
        }
    }
    Ok(binary)
}
