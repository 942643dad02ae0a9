//! Drives many connections with few tasks: one for each worker of the runtime.
//!
//! What a commit wakes, it wakes by the thousand. A task of its own for each connection costs two to three microseconds a
//! wake-up; here it is an entry in the list of those that are due, and one task writes to one socket after the other. A
//! connection that is due twice before its turn is written to once, with all there is: the busier the server, the larger
//! its writes.

use std::num::NonZero;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream};
use futures::task::AtomicWaker;

use crate::admission::{Admission, Phase};

/// The connections of a server, spread over its shards. The shards end once this is dropped and the last of their
/// connections has ended, or when the server aborts.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    /// Begun by the first connection, which comes on a runtime.
    shards: OnceLock<Vec<Arc<Shard>>>,
    next: AtomicUsize,
}

/// What a shard shares with those that bring it connections.
#[derive(Debug, Default)]
struct Shard {
    arriving: Mutex<Arriving>,
    arrived: AtomicWaker,
    is_closed: AtomicBool,
}

/// Connections that the shard has yet to take. Bounded by the places of [`Admission`].
#[derive(Default)]
struct Arriving(Vec<BoxFuture<'static, ()>>);

impl Shards {
    /// Drives `connection` to its end, or until the server aborts.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn spawn(&self, admission: &Admission, connection: impl Future<Output = ()> + Send + 'static) {
        let shards = self.shards.get_or_init(|| {
            let count = std::thread::available_parallelism().map_or(1, NonZero::get);
            (0..count).map(|_| Shard::start(admission.clone())).collect()
        });
        let shard = &shards[self.next.fetch_add(1, Ordering::Relaxed) % shards.len()];
        // Whatever panics outside of a session, it ends its own connection.
        let contained = AssertUnwindSafe(connection).catch_unwind().map(|ended| {
            if ended.is_err() {
                tracing::error!("a connection ended in a panic; the others go on");
            }
        });
        shard.arriving.lock().unwrap_or_else(PoisonError::into_inner).0.push(contained.boxed());
        shard.arrived.wake();
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        for shard in self.shards.get().into_iter().flatten() {
            shard.is_closed.store(true, Ordering::Release);
            shard.arrived.wake();
        }
    }
}

impl Shard {
    fn start(admission: Admission) -> Arc<Self> {
        let shard = Arc::new(Self::default());
        let driven = Driven { shard: shard.clone(), connections: FuturesUnordered::new() };
        // The budget that tokio gives a task is meant for one connection; here each has bounds of its own.
        let driven = tokio::task::coop::unconstrained(driven);
        tokio::spawn(async move {
            tokio::select! {
                () = driven => {}
                () = admission.reached(Phase::Aborting) => {}
            }
        });
        shard
    }
}

/// A shard's task. Ends once it is closed and has no connection left.
struct Driven {
    shard: Arc<Shard>,
    connections: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Future for Driven {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shard, connections } = &mut *self;
        shard.arrived.register(cx.waker());
        let is_closed = shard.is_closed.load(Ordering::Acquire);
        let arriving = std::mem::take(&mut *shard.arriving.lock().unwrap_or_else(PoisonError::into_inner));
        connections.extend(arriving.0);
        let mut connections = pin!(connections);
        while let Poll::Ready(Some(())) = connections.as_mut().poll_next(cx) {}
        if is_closed && connections.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl std::fmt::Debug for Arriving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Arriving").field(&self.0.len()).finish()
    }
}
