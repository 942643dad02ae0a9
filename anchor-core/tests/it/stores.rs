//! The store suite on the reference store, bare and behind an `Arc<dyn Store>`.

use std::sync::Arc;

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::store::{self as suite, Factory, Reopen, Restore};
use anchor_core::memory::MemoryStore;
use anchor_core::store::Store;
use async_trait::async_trait;
use futures::executor::block_on;

/// The reference store; a snapshot is what it leaves to the next process.
struct InMemory;

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

/// As everybody uses it.
struct Shared;

#[async_trait]
impl Factory for Shared {
    type Store = Arc<dyn Store>;

    async fn create(&self, env: &TestEnvironment) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(env.clone()))
    }
}

#[test]
fn memory() {
    block_on(suite::test_all(&InMemory));
}

#[test]
fn memory_opened_anew() {
    block_on(suite::test_reopen(&InMemory));
}

#[test]
fn memory_restored() {
    block_on(suite::test_restore(&InMemory));
}

#[test]
fn shared() {
    block_on(suite::test_all(&Shared));
}
