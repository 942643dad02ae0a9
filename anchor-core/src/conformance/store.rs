//! The executable meaning of [`Store`]: one function for each rule, each on a fresh instance from a factory.
//!
//! A backend is done when it passes [`test_all`]; one that outlives its process also [`test_reopen`]; one that can be
//! restored from a backup also [`test_restore`]. What a backend cannot do is left out by its types, never in silence.
//! The rules need no runtime: any executor will do. A rule that is broken panics with a sentence.
//!
//! ```
//! use anchor_core::conformance::environment::TestEnvironment;
//! use anchor_core::conformance::store::{self, Factory};
//! use anchor_core::memory::MemoryStore;
//!
//! struct InMemory;
//!
//! #[async_trait::async_trait]
//! impl Factory for InMemory {
//!     type Store = MemoryStore;
//!
//!     async fn create(&self, env: &TestEnvironment) -> MemoryStore {
//!         MemoryStore::new(env.clone())
//!     }
//! }
//!
//! futures::executor::block_on(store::test_all(&InMemory));
//! ```

pub mod append;
mod author;
pub mod check;
mod club;
pub mod cursors;
pub mod decided;
pub mod deletion;
mod grounds;
pub mod index;
pub mod members;
pub mod read;
pub mod records;
pub mod redaction;
pub mod reopen;
pub mod repeat;
pub mod restore;
pub mod rooms;
pub mod rules;
pub mod sessions;
pub mod trim;
pub mod users;
pub mod visible;

use async_trait::async_trait;

pub use self::author::{Author, WRITE_BATCH, ack_of, append_one, refusal_of, room, user, write};
pub use self::grounds::{by_admin, informed, target_of};
use super::environment::TestEnvironment;
use crate::store::Store;

/// Makes the stores that a suite runs on.
#[async_trait]
pub trait Factory: Send + Sync {
    /// What is tested.
    type Store: Store;

    /// A fresh and empty store that takes its time and randomness from `env`.
    async fn create(&self, env: &TestEnvironment) -> Self::Store;
}

/// A factory of stores whose data outlive them.
#[async_trait]
pub trait Reopen: Factory {
    /// Ends `store` and opens what it left, as the next process does.
    async fn reopen(&self, store: Self::Store, env: &TestEnvironment) -> Self::Store;
}

/// A factory of stores that can be restored from a backup.
#[async_trait]
pub trait Restore: Reopen {
    /// Ends `store`, declares what it left a restored backup, and opens that.
    async fn restore(&self, store: Self::Store, env: &TestEnvironment) -> Self::Store;
}

/// Every rule that holds for every store.
pub async fn test_all(factory: &impl Factory) {
    append::test_all(factory).await;
    repeat::test_all(factory).await;
    sessions::test_all(factory).await;
    visible::test_all(factory).await;
    read::test_all(factory).await;
    rooms::test_all(factory).await;
    trim::test_all(factory).await;
    rules::test_all(factory).await;
    members::test_all(factory).await;
    deletion::test_all(factory).await;
    redaction::test_all(factory).await;
    index::test_all(factory).await;
    users::test_all(factory).await;
    decided::test_all(factory).await;
    cursors::test_all(factory).await;
    records::test_all(factory).await;
}

/// Every rule about what is there after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    reopen::test_all(factory).await;
    rules::test_reopen(factory).await;
    members::test_reopen(factory).await;
    deletion::test_reopen(factory).await;
    redaction::test_reopen(factory).await;
    index::test_reopen(factory).await;
    users::test_reopen(factory).await;
    decided::test_reopen(factory).await;
    cursors::test_reopen(factory).await;
    records::test_reopen(factory).await;
}

/// Every rule about what is there after a backup was restored.
pub async fn test_restore(factory: &impl Restore) {
    restore::test_all(factory).await;
    cursors::test_restore(factory).await;
}

/// A fresh store, and the environment that it lives in.
async fn start<F: Factory>(factory: &F) -> (F::Store, TestEnvironment) {
    let env = TestEnvironment::new(SEED);
    (factory.create(&env).await, env)
}

/// What the randomness of the suite follows from. Source: chosen, any number will do.
const SEED: u64 = 20_260_101;
