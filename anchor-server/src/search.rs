//! The search index of a server: a directory beside the data, which follows the logs as long as the server lives.

use std::path::Path;
use std::sync::Arc;

use anchor_core::engine::Anchor;
use anchor_core::search::Search;
pub(crate) use anchor_search::IndexError;
use anchor_search::{FollowError, Follower, SearchService};
use anchor_store::RedbStore;
use anchor_system::System;
use tokio::task::JoinHandle;

use crate::StartError;
use crate::command::Unmaintained;
use crate::config::Config;

/// An index that is open and does not follow yet.
#[derive(Debug)]
pub(crate) struct Index {
    service: Arc<SearchService>,
    follower: Follower,
}

/// An index that follows the logs.
#[derive(Debug)]
pub(crate) struct Following {
    service: Arc<SearchService>,
    task: JoinHandle<()>,
}

impl Index {
    /// Opens the index of `config`, or makes one; none where it wants none.
    pub(crate) async fn open(config: &Config) -> Result<Option<Self>, StartError> {
        if !config.search {
            return Ok(None);
        }
        let directory = config.data.join(DIRECTORY);
        let shown = directory.display().to_string();
        match tokio::task::spawn_blocking(|| SearchService::open(directory)).await {
            Ok(opened) => {
                opened.map(|(service, follower)| Some(Self { service, follower })).map_err(StartError::Search)
            }
            Err(_) => Err(StartError::OpenPanicked { directory: shown }),
        }
    }

    pub(crate) fn search(&self) -> Arc<dyn Search> {
        self.service.clone()
    }

    pub(crate) fn follow(self, anchor: Anchor) -> Following {
        let Self { service, follower } = self;
        let task = tokio::spawn(async move {
            if let Err(error) = follower.run(anchor).await {
                tracing::error!(%error, "the search index does not follow any more: what is said from here on is not found");
            }
        });
        Following { service, task }
    }
}

/// Has the index beside some data made anew, if there is one: for data that are put back to an older state.
pub(crate) fn renew(data: &Path) -> Result<(), IndexError> {
    anchor_search::renew(data.join(DIRECTORY))
}

/// Has the index beside some data take what their logs have, and write anew what has words that were taken away: those are in none
/// of its files then. One for which that fails is taken away as a whole. Says what became of it; none where there is none.
pub(crate) fn settle(data: &Path) -> Result<Option<&'static str>, Unmaintained> {
    let directory = data.join(DIRECTORY);
    if !directory.is_dir() {
        return Ok(None);
    }
    // What little it writes does not wait for room: that would be for ever.
    let store = RedbStore::options().free_bytes(|| Ok(u64::MAX)).open(data, System)?;
    let settled = {
        let (store, directory) = (store.clone(), directory.clone());
        std::thread::spawn(move || catch_up(store, &directory)).join()
    };
    store.close();
    match settled {
        Ok(Ok(())) => return Ok(Some("the search index is up to date")),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error);
            tracing::warn!(%error, source, "the search index is taken away");
        }
        Err(_) => tracing::warn!("bringing the search index up to date ended in a panic: it is taken away"),
    }
    anchor_search::remove(&directory)?;
    Ok(Some("the search index is made anew at the next start"))
}

fn catch_up(store: RedbStore, directory: &Path) -> Result<(), FollowError> {
    let disk = |source| IndexError::Disk { path: directory.to_owned(), source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(disk)?;
    runtime.block_on(async {
        let (service, follower) = SearchService::open(directory)?;
        let caught_up = follower.catch_up(Anchor::builder(store, System).build()).await;
        service.close();
        caught_up
    })
}

impl Following {
    /// Ends once the directory is free. What was not taken yet is taken by the next server.
    pub(crate) async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
        if tokio::task::spawn_blocking(move || self.service.close()).await.is_err() {
            tracing::error!(
                "closing the search index ended in a panic; delete its directory to have it made anew"
            );
        }
    }
}

/// The directory of the index within that of the data.
const DIRECTORY: &str = "search";
