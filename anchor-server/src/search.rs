//! The search index of a server: a directory beside the data, which follows the logs as long as the server lives.

use std::path::Path;
use std::sync::Arc;

use anchor_core::engine::Anchor;
use anchor_core::search::Search;
use anchor_search::{Follower, IndexError, SearchService};
use tokio::task::JoinHandle;

use crate::StartError;
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
