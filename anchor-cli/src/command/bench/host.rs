//! The server that is measured: one of our own over a directory that is gone afterwards, or one that runs.

use anchor_transport::client::ServerAddress;
use tempfile::TempDir;
use tokio::net::lookup_host;

use super::net::Target;
use crate::args::bench::Common;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::server::{self, Server};

/// The server, while it is measured.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) target: Target,
    pub(super) pid: Option<u32>,
    /// What it is, in words.
    pub(super) name: String,
    /// Ours; its directory goes after it.
    own: Option<(Server, TempDir)>,
}

impl Host {
    /// Starts a server, or finds the one that the command line names.
    ///
    /// # Errors
    /// A sentence where there is none.
    pub(super) async fn start(context: &Context, common: &Common) -> Result<Self, Failure> {
        if let Some(url) = context.named_server() {
            return Self::find(url, common.pid).await;
        }
        let program = server::find(common.server_bin.as_deref())?;
        let directory = match &common.data_under {
            Some(under) => directory(|builder| builder.tempdir_in(under)),
            None => directory(|builder| builder.tempdir()),
        }?;
        let mut server =
            Server::new(program, directory.path(), &["--max-connections", CONNECTIONS_MAX, "--log", "warn"]);
        let address = server.start().await?;
        let target = Target { address, authority: address.to_string(), path: "/v1/ws".to_owned() };
        Ok(Self { target, pid: server.pid(), name: "own".to_owned(), own: Some((server, directory)) })
    }

    async fn find(url: &str, pid: Option<u32>) -> Result<Self, Failure> {
        let usage = |sentence: String| Failure::new(Exit::Usage, sentence);
        if url.starts_with("wss:") {
            return Err(usage("bench speaks to servers without TLS: give it as ws://HOST:PORT".to_owned()));
        }
        let parsed = ServerAddress::parse(url).map_err(|error| usage(error.to_string()))?;
        let unknown =
            |why: String| Failure::new(Exit::Unreachable, format!("cannot find {}: {why}", parsed.host()));
        let mut addresses =
            lookup_host((parsed.host(), parsed.port())).await.map_err(|error| unknown(error.to_string()))?;
        let address = addresses.next().ok_or_else(|| unknown("it has no address".to_owned()))?;
        let url = parsed.url();
        let path = format!("/{}", url.splitn(4, '/').nth(3).unwrap_or_default());
        let authority = format!("{}:{}", parsed.host(), parsed.port());
        Ok(Self { target: Target { address, authority, path }, pid, name: url.to_owned(), own: None })
    }

    /// What the server said last, if it is ours and ended though nobody told it to.
    pub(super) async fn last_words(&mut self) -> Option<String> {
        let (server, _) = self.own.as_mut()?;
        server.has_failed_now().await
    }

    /// Ends the server, if it is ours.
    ///
    /// # Errors
    /// A sentence where it had ended by itself.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        match &mut self.own {
            Some((server, _)) => server.kill().await,
            None => Ok(()),
        }
    }
}

fn directory(
    make: impl FnOnce(&mut tempfile::Builder<'_, '_>) -> std::io::Result<TempDir>,
) -> Result<TempDir, Failure> {
    make(tempfile::Builder::new().prefix("anchor-bench-"))
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot make a temporary directory: {error}")))
}

/// Source: chosen; more than any scenario opens.
const CONNECTIONS_MAX: &str = "50000";
