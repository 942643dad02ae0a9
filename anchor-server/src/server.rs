//! A running server: opens the data, listens, serves, and comes to an orderly end.
//!
//! ```text
//! start ──▶ Serving ──stop──▶ Draining (goodbyes with slots) ─────────┬─all gone, or time over─▶ Aborting ──▶ Ended
//!              └──the store fails──▶ Draining (goodbye store_failed) ──┘
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::engine::{Anchor, Drain};
use anchor_core::limits::GOODBYE_WITHIN;
use anchor_core::publish::MissingRoom;
use anchor_core::session::Identify;
use anchor_store::RedbStore;
use anchor_system::System;
use anchor_webhook::{Poster, Retry, WebhookService};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::admission::{Admission, Phase};
use crate::config::{AuthMode, Config};
use crate::identify::OpenWithAdmins;
use crate::search::Index;
use crate::state::State;
use crate::{StartError, listener, routes};

/// A running server. Dropping it ends it at once, without goodbyes; [`Server::stop`] and [`Server::wait`] end it well.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    anchor: Anchor,
    admission: Admission,
    task: JoinHandle<Ended>,
}

/// See [`Server::stopper`].
#[derive(Clone, Debug)]
pub struct Stopper(Admission);

impl Stopper {
    /// As [`Server::stop`].
    pub fn stop(&self) {
        self.0.advance(Phase::Draining);
    }
}

/// What a server has put together by itself, and ends by itself.
struct Own {
    store: RedbStore,
    webhooks: WebhookService,
    /// Until it follows.
    index: Option<Index>,
}

/// Why a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// [`Server::stop`] asked for it; everything acknowledged is on disk.
    Stopped,
    /// The store failed: start a new process. Everything acknowledged is on disk.
    StoreFailed,
}

impl Server {
    /// Opens the data directory of `config` and serves it. Ready, and listening, when this returns.
    ///
    /// Needs a tokio runtime with time and I/O, and holds the directory until [`Server::wait`] returns.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let identify: Arc<dyn Identify> = match config.auth_mode().map_err(StartError::AuthNotChosen)? {
            AuthMode::Open => Arc::new(OpenWithAdmins::new(config.admins.clone())),
        };
        let listener = listener::bind(config.listen)?;
        let store = open(&config).await?;
        let missing_room = if config.create_rooms { MissingRoom::Create } else { MissingRoom::Refuse };
        let index = match Index::open(&config).await {
            Ok(index) => index,
            Err(error) => {
                close(store).await;
                return Err(error);
            }
        };
        let webhooks = WebhookService::new(Poster::new(config.poster_options()), Retry::default());
        let mut builder = Anchor::builder(store.clone(), System)
            .missing_room(missing_room)
            .heartbeat(config.heartbeat)
            .receipts_members_max(config.receipts_members_max)
            .webhooks(Arc::new(webhooks.clone()));
        if let Some(index) = &index {
            builder = builder.search(index.search());
        }
        let anchor = builder.build();
        if let Err(error) = webhooks.start(&anchor).await {
            drop(anchor);
            close(store).await;
            return Err(StartError::Webhooks(error));
        }
        Self::run(config, listener, anchor, identify, Some(Own { store, webhooks, index }))
    }

    /// Serves an engine that the caller has put together, to whomever `identify` lets in. The caller closes its store
    /// after [`Server::wait`].
    ///
    /// Of `config` it uses what concerns connections.
    ///
    /// # Errors
    /// [`StartError`]: those about addresses.
    pub fn start_with(
        config: Config,
        anchor: Anchor,
        identify: Arc<dyn Identify>,
    ) -> Result<Self, StartError> {
        let listener = listener::bind(config.listen)?;
        Self::run(config, listener, anchor, identify, None)
    }

    fn run(
        config: Config,
        listener: TcpListener,
        anchor: Anchor,
        identify: Arc<dyn Identify>,
        own: Option<Own>,
    ) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(|source| StartError::address(config.listen, source))?;
        let state = State::new(anchor.clone(), identify, config.connections_max)
            .allow_origins(config.allow_origins.clone())
            .listening_on(address);
        let admission = state.admission().clone();
        let task = tokio::spawn(live(config, listener, state, own));
        Ok(Self { address, anchor, admission, task })
    }

    /// Begins an orderly end: takes no more connections, and tells every session to go and when to come back.
    pub fn stop(&self) {
        self.stopper().stop();
    }

    /// What stops this server while something else waits for it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.admission.clone())
    }

    /// Ends once the server has: after [`Server::stop`], or when its store failed. The data directory is free then.
    ///
    /// # Cancellation
    /// Dropping the future drops the server.
    ///
    /// # Panics
    /// If the server's own task panicked: a defect.
    pub async fn wait(mut self) -> Ended {
        (&mut self.task).await.expect("the task that runs the server neither panics nor is cancelled")
    }

    /// Where it listens; the real port, where port 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The engine that it serves.
    #[must_use]
    pub const fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// Connections that are open now, those without a session yet included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.admission.inside()
    }

    /// Sessions that ended in a panic so far.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.admission.panics()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.admission.advance(Phase::Aborting);
    }
}

/// Opens the store of `config`; replaying a journal may take a while.
async fn open(config: &Config) -> Result<RedbStore, StartError> {
    let (directory, reserve) = (config.data.clone(), config.disk_reserve_bytes);
    let opening = tokio::task::spawn_blocking(move || {
        RedbStore::options().disk_reserve_bytes(reserve).open(directory, System)
    });
    match opening.await {
        Ok(opened) => Ok(opened?),
        Err(_) => Err(StartError::OpenPanicked { directory: config.data.display().to_string() }),
    }
}

async fn close(store: RedbStore) {
    if tokio::task::spawn_blocking(move || store.close()).await.is_err() {
        tracing::error!("closing the store ended in a panic; everything acknowledged is on disk");
    }
}

/// The whole life of a server.
async fn live(config: Config, listener: TcpListener, state: State, mut own: Option<Own>) -> Ended {
    let (anchor, admission) = (state.anchor().clone(), state.admission().clone());
    let router = routes::router(state).fallback(routes::nothing_here);
    let maintained = tokio::spawn({
        let anchor = anchor.clone();
        async move { anchor.maintain().await }
    });
    let index = own.as_mut().and_then(|own| own.index.take());
    let following = index.map(|index| index.follow(anchor.clone()));
    let listening = tokio::spawn(listener::serve(listener, router, admission.clone()));
    let (ended, within) = tokio::select! {
        () = admission.reached(Phase::Draining) => (Ended::Stopped, config.drain_within),
        () = anchor.failed() => (Ended::StoreFailed, STORE_FAILED_WITHIN),
    };
    // From here on nobody is admitted. Whoever is inside is told now, or when their session begins.
    admission.advance(Phase::Draining);
    if ended == Ended::Stopped {
        tracing::info!(
            connections = admission.inside(),
            ?within,
            "stopping: every client is told when to come back"
        );
        anchor.drain(Drain { back_in: config.back_in, per_second: config.returns_per_second });
    } else {
        tracing::error!("the store has failed: the server ends and must be started again");
    }
    let resting = async {
        if let Some(Own { webhooks, .. }) = &own {
            webhooks.stop().await;
        }
    };
    tokio::join!(admission.end(within), resting);
    // Ends by itself at the first draining; what panicked there was logged by the hook.
    let _ = listening.await;
    maintained.abort();
    let _ = maintained.await;
    if ended == Ended::Stopped {
        flush(&anchor).await;
    }
    if let Some(following) = following {
        following.end().await;
    }
    drop(anchor);
    if let Some(Own { store, .. }) = own {
        close(store).await;
    }
    tracing::info!("stopped");
    ended
}

/// Writes how far users have come and when they went. Clients say the first again, so nothing that was told is lost without.
async fn flush(anchor: &Anchor) {
    match tokio::time::timeout(FLUSH_WITHIN, anchor.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "how far users have come could not be written at the end"),
        Err(_) => tracing::warn!("how far users have come could not be written in time at the end"),
    }
}

/// How long the last of what users have read may take to be written. Source: chosen; a store that is well takes milliseconds.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// How long sessions may take for their goodbye when the store has failed. Source: the bound of one goodbye, and half
/// of it again for the way there.
const STORE_FAILED_WITHIN: Duration = GOODBYE_WITHIN.saturating_add(Duration::from_secs(1));
