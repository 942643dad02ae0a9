//! In the place of [`crate::search`] in a build without it: there is never an index.

pub(crate) use std::convert::Infallible as IndexError;
use std::path::Path;
use std::sync::Arc;

use anchor_core::engine::Anchor;
use anchor_core::search::Search;

use crate::StartError;
use crate::command::Unmaintained;
use crate::config::Config;

/// There is none.
#[derive(Debug)]
pub(crate) enum Index {}

/// There is none.
#[derive(Debug)]
pub(crate) enum Following {}

impl Index {
    pub(crate) async fn open(config: &Config) -> Result<Option<Self>, StartError> {
        if config.search {
            tracing::info!("nothing can be searched for: this server was built without the feature `search`");
        }
        Ok(None)
    }

    pub(crate) fn search(&self) -> Arc<dyn Search> {
        match *self {}
    }

    pub(crate) fn follow(self, _: Anchor) -> Following {
        match self {}
    }
}

/// Removes nothing: what an index beside the data is, the build that made it knows.
pub(crate) fn renew(_: &Path) -> Result<(), IndexError> {
    Ok(())
}

/// Leaves one that another build has made, and says so.
pub(crate) fn settle(data: &Path) -> Result<Option<&'static str>, Unmaintained> {
    let is_there = data.join("search").is_dir();
    Ok(is_there.then_some(
        "the search index is left as it is, with what was taken away: delete its directory `search`",
    ))
}

impl Following {
    pub(crate) async fn end(self) {
        match self {}
    }
}
