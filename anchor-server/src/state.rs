//! What the routes share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::engine::{Anchor, Drain};
use anchor_core::session::Identify;

use crate::admission::{Admission, Phase};
use crate::config::Origin;
use crate::routes::Connection;
use crate::routes::origin::Origins;
use crate::shards::Shards;

/// What [`crate::router`] serves: an engine, who may come, and how many at once. Clones share.
#[derive(Clone, Debug)]
pub struct State(Arc<Shared>);

#[derive(Clone, Debug)]
struct Shared {
    anchor: Anchor,
    identify: Arc<dyn Identify>,
    origins: Origins,
    admission: Admission,
    shards: Arc<Shards<Connection>>,
}

impl State {
    /// Serves `anchor` to whomever `identify` lets in, at most `connections_max` at once.
    #[must_use]
    pub fn new(anchor: Anchor, identify: Arc<dyn Identify>, connections_max: usize) -> Self {
        let admission = Admission::new(connections_max);
        Self(Arc::new(Shared {
            anchor,
            identify,
            origins: Origins::default(),
            admission,
            shards: Arc::default(),
        }))
    }

    /// Also lets pages of these origins connect. Default: only pages of the host that the request names.
    #[must_use]
    pub fn allow_origins(self, allowed: Vec<Origin>) -> Self {
        let origins = self.0.origins.clone().allow(allowed);
        self.with_origins(origins)
    }

    /// Tells the address that the server listens on. On a loopback address a page's host must be `localhost`, an IP
    /// address or an allowed origin: any web site can point a name of its own at 127.0.0.1.
    #[must_use]
    pub fn listening_on(self, address: SocketAddr) -> Self {
        let origins = self.0.origins.clone().listening_on(address);
        self.with_origins(origins)
    }

    /// Ends what is served here, well: from now on nobody comes in and `/readyz` fails; every session is told to go and when
    /// to come back. Returns once all are gone, or after `within`, from where on those that are left are dropped; says how
    /// many those were.
    ///
    /// Everything acknowledged is on disk, before and after. The host then stops its listener and closes its store.
    ///
    /// # Cancellation
    /// Dropping the future leaves connections to themselves; a second call goes on waiting.
    pub async fn stop(&self, drain: Drain, within: Duration) -> usize {
        self.admission().advance(Phase::Draining);
        self.anchor().drain(drain);
        self.admission().end(within).await
    }

    fn with_origins(self, origins: Origins) -> Self {
        Self(Arc::new(Shared { origins, ..Shared::clone(&self.0) }))
    }

    pub(crate) fn anchor(&self) -> &Anchor {
        &self.0.anchor
    }

    pub(crate) fn identify(&self) -> Arc<dyn Identify> {
        self.0.identify.clone()
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.0.origins
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    pub(crate) fn shards(&self) -> &Shards<Connection> {
        &self.0.shards
    }
}
