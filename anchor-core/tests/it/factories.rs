//! The stores that the suites run on here.

use std::sync::{Arc, Mutex};

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::faults::{FailingStore, SlowStore};
use anchor_core::conformance::store::{Factory, Reopen, Restore};
use anchor_core::conformance::yield_now;
use anchor_core::memory::MemoryStore;
use anchor_core::store::Store;
use async_trait::async_trait;
use futures::future::{Either, select};

/// The reference store; a snapshot is what it leaves to the next process.
pub(crate) struct InMemory;

#[async_trait]
impl Factory for InMemory {
    type Store = MemoryStore;

    async fn create(&self, env: &TestEnvironment) -> MemoryStore {
        MemoryStore::new(env.clone())
    }
}

#[async_trait]
impl Reopen for InMemory {
    async fn reopen(&self, store: MemoryStore, env: &TestEnvironment) -> MemoryStore {
        MemoryStore::open(env.clone(), store.snapshot())
    }
}

#[async_trait]
impl Restore for InMemory {
    async fn restore(&self, store: MemoryStore, env: &TestEnvironment) -> MemoryStore {
        let restored = MemoryStore::new(env.clone());
        restored.restore_from(store.snapshot());
        restored
    }
}

/// Another node of a reference store: an observer of its own, the same logs.
pub(crate) struct Node;

#[async_trait]
impl Factory for Node {
    type Store = MemoryStore;

    async fn create(&self, env: &TestEnvironment) -> MemoryStore {
        MemoryStore::new(env.clone()).node()
    }
}

/// Behind an `Arc<dyn Store>` as everybody uses it, and behind both wrappers, which do nothing.
pub(crate) struct Wrapped;

#[async_trait]
impl Factory for Wrapped {
    type Store = Arc<dyn Store>;

    async fn create(&self, env: &TestEnvironment) -> Arc<dyn Store> {
        let inside: Arc<dyn Store> = Arc::new(MemoryStore::new(env.clone()));
        Arc::new(FailingStore::new(SlowStore::new(inside)))
    }
}

/// A slow store whose every append waits until [`Held::releasing`] lets it go.
#[derive(Default)]
pub(crate) struct Held(Mutex<Vec<SlowStore<MemoryStore>>>);

#[async_trait]
impl Factory for Held {
    type Store = SlowStore<MemoryStore>;

    async fn create(&self, env: &TestEnvironment) -> SlowStore<MemoryStore> {
        let store = SlowStore::new(MemoryStore::new(env.clone()));
        store.hold();
        *self.0.lock().expect("no test panics while it holds the lock") = vec![store.clone()];
        store
    }
}

impl Held {
    /// Runs `test`, letting an append go whenever the test waits.
    pub(crate) async fn releasing(&self, test: impl Future<Output = ()>) {
        let release = async {
            loop {
                let stores = self.0.lock().expect("no test panics while it holds the lock").clone();
                for store in stores {
                    store.release_one();
                }
                yield_now().await;
            }
        };
        match select(Box::pin(test), Box::pin(release)).await {
            Either::Left(((), _)) => {}
            Either::Right((never, _)) => never,
        }
    }
}
