//! Work that somebody began and that nobody may be waiting for any more: driven by whoever maintains the engine.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use futures::task::AtomicWaker;

use super::joint::Joint;

/// What is to be driven, as long as somebody does.
#[derive(Debug, Default)]
pub(super) struct Errands {
    inner: Mutex<Inner>,
    waker: AtomicWaker,
}

/// Work of which all that wait for it poll the same.
pub(super) type Errand = Joint<()>;

#[derive(Debug, Default)]
struct Inner {
    /// How many drive.
    drivers: usize,
    new: Vec<Errand>,
}

impl Errands {
    /// Has `errand` driven by whoever drives now. Where nobody does it is left to those who wait for it.
    pub(super) fn add(&self, errand: &Errand) {
        let mut inner = self.lock();
        if inner.drivers > 0 {
            inner.new.push(errand.clone());
            drop(inner);
            self.waker.wake();
        }
    }

    /// Drives, for ever.
    pub(super) async fn run(&self) {
        self.lock().drivers += 1;
        let _guard = Guard(self);
        let mut driven = FuturesUnordered::new();
        std::future::poll_fn(|cx| {
            self.waker.register(cx.waker());
            driven.extend(std::mem::take(&mut self.lock().new));
            while let Poll::Ready(Some(())) = driven.poll_next_unpin(cx) {}
            Poll::Pending
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody drives any more: what is left would keep the engine, which keeps it.
struct Guard<'a>(&'a Errands);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.drivers -= 1;
        if inner.drivers == 0 {
            let left = std::mem::take(&mut inner.new);
            drop(inner);
            drop(left);
        }
    }
}
