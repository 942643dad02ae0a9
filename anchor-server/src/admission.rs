//! Who may come in, and who is still there: the bound on connections, the phase of the server, and the count of panics.
//!
//! A session holds its [`Admitted`] from the upgrade to its end. So all places free again means that nobody is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, watch};

/// The door of a server. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    places_max: u32,
    phase: watch::Sender<Phase>,
    panics: Arc<AtomicU64>,
}

/// How far a server is from its end. Only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Takes connections.
    Serving,
    /// Takes none; sessions say goodbye.
    Draining,
    /// Sessions that are still there are dropped.
    Aborting,
}

/// A place inside, given back when dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    _place: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// All places are taken.
    Full,
    /// The server stops.
    Stopping,
}

impl Admission {
    /// A door with so many places behind it; what exceeds the bound of a semaphore is cut to it.
    pub(crate) fn new(places_max: usize) -> Self {
        let places_max = u32::try_from(places_max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self {
            places: Arc::new(Semaphore::new(places_max as usize)),
            places_max,
            phase: watch::Sender::new(Phase::Serving),
            panics: Arc::default(),
        }
    }

    /// Takes a place.
    pub(crate) fn admit(&self) -> Result<Admitted, Turned> {
        if self.phase() != Phase::Serving {
            return Err(Turned::Stopping);
        }
        match self.places.clone().try_acquire_owned() {
            Ok(place) => Ok(Admitted { _place: place }),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => Err(Turned::Full),
        }
    }

    /// Moves on to `phase`; never back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let rises = phase > *current;
            *current = (*current).max(phase);
            rises
        });
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Ends once the server has come to `phase`.
    pub(crate) async fn reached(&self, phase: Phase) {
        // The sender lives in `self`, so the channel cannot close under it.
        let _ = self.phase.subscribe().wait_for(|current| *current >= phase).await;
    }

    /// Ends once nobody is inside. New ones may come meanwhile, unless the phase forbids it.
    pub(crate) async fn empty(&self) {
        // The semaphore is never closed.
        let _ = self.places.acquire_many(self.places_max).await;
    }

    /// Waits until nobody is inside, at most `within`; drops whoever is left then, and says how many that were.
    pub(crate) async fn end(&self, within: Duration) -> usize {
        let left = match tokio::time::timeout(within, self.empty()).await {
            Ok(()) => 0,
            Err(_) => self.inside(),
        };
        if left > 0 {
            tracing::warn!(connections = left, "connections that did not end in time are dropped");
        }
        self.advance(Phase::Aborting);
        self.empty().await;
        left
    }

    /// How many are inside.
    pub(crate) fn inside(&self) -> usize {
        (self.places_max as usize).saturating_sub(self.places.available_permits())
    }

    /// Counts a session that panicked; says how many there were.
    pub(crate) fn count_panic(&self) -> u64 {
        self.panics.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}
