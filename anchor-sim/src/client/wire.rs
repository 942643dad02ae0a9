//! What the client library stands on: a way to the servers, and a place for its state.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anchor_transport::client::{Dial, Io, ServerAddress, Storage};
use futures::future::BoxFuture;
use redb::StorageBackend;

use crate::clock::Clock;
use crate::disk::Disk;
use crate::network::{HostId, Network};

/// Connects to any of the servers, as a balancer does.
#[derive(Debug)]
pub(super) struct Dialler {
    network: Network,
    host: HostId,
    servers: Arc<[HostId]>,
    clock: Clock,
}

impl Dialler {
    pub(super) fn new(network: Network, host: HostId, servers: Arc<[HostId]>, clock: &Clock) -> Self {
        Self { network, host, servers, clock: clock.clone() }
    }
}

impl Dial for Dialler {
    fn dial(&self, _: &ServerAddress) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let server = self.servers[crate::kernel::index(self.clock.below(self.servers.len() as u64))];
        let (network, host) = (self.network.clone(), self.host);
        Box::pin(async move {
            let pipe = network.connect(host, server).await?;
            Ok(Box::new(pipe) as Box<dyn Io>)
        })
    }
}

/// A disk that takes its time.
#[derive(Debug)]
pub(super) struct Place {
    disk: Disk,
    clock: Clock,
}

impl Place {
    pub(super) const fn new(disk: Disk, clock: Clock) -> Self {
        Self { disk, clock }
    }
}

impl Storage for Place {
    fn path(&self) -> &Path {
        Path::new("client")
    }

    fn backend(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.disk.clone()))
    }

    fn turn(&self) -> BoxFuture<'static, ()> {
        Box::pin(self.clock.kernel().sleep(self.clock.between(COMMIT.0, COMMIT.1)))
    }
}

/// How long a commit takes. Source: chosen; from a cached disk to a busy one, so that a process may end while much waits.
const COMMIT: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(400));
