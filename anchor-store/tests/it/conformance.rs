//! The public suites, with threads on directories and stepped by hand on disks in memory.

use std::sync::Mutex;

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::model;
use anchor_core::conformance::store::{self, Factory, Reopen, Restore};
use anchor_store::{Options, RedbStore};
use async_trait::async_trait;
use tempfile::TempDir;

use crate::support::lock;

/// Stores in directories of their own, which live as long as the factory.
struct Directories {
    options: Options,
    made: Mutex<Vec<TempDir>>,
}

impl Directories {
    fn new(options: Options) -> Self {
        Self { options, made: Mutex::default() }
    }

    /// The directory of the store that was made last: the suites use one store at a time.
    fn newest(&self) -> std::path::PathBuf {
        lock(&self.made).last().unwrap().path().to_owned()
    }
}

#[async_trait]
impl Factory for Directories {
    type Store = RedbStore;

    async fn create(&self, env: &TestEnvironment) -> RedbStore {
        let dir = tempfile::tempdir().unwrap();
        let store = self.options.clone().open(dir.path(), env.clone()).unwrap();
        lock(&self.made).push(dir);
        store
    }
}

#[async_trait]
impl Reopen for Directories {
    async fn reopen(&self, store: RedbStore, env: &TestEnvironment) -> RedbStore {
        store.close();
        self.options.clone().open(self.newest(), env.clone()).unwrap()
    }
}

#[async_trait]
impl Restore for Directories {
    async fn restore(&self, store: RedbStore, env: &TestEnvironment) -> RedbStore {
        store.close();
        anchor_store::restore(self.newest(), env.clone()).unwrap();
        self.options.clone().open(self.newest(), env.clone()).unwrap()
    }
}

/// Everything is moved into the pages at once, and nothing stays cached: reads and windows come from the pages.
fn hurried() -> Options {
    RedbStore::options().page_step(1, 1).cached(1, 1)
}

/// The usual sizes: what these tests write stays in memory and in the journal until the store is closed.
fn usual() -> Options {
    RedbStore::options()
}

#[tokio::test]
async fn every_rule_holds() {
    store::test_all(&Directories::new(usual())).await;
}

#[tokio::test]
async fn every_rule_holds_where_everything_is_paged_at_once() {
    store::test_all(&Directories::new(hurried())).await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_reopen() {
    store::test_reopen(&Directories::new(usual())).await;
    store::test_reopen(&Directories::new(hurried())).await;
}

#[tokio::test]
async fn a_restore_begins_new_histories() {
    store::test_restore(&Directories::new(usual())).await;
}

#[tokio::test]
async fn it_does_what_a_trivial_store_does() {
    for seed in 0..2 {
        model::check(&Directories::new(hurried()), seed, 120).await;
        model::check_reopening(&Directories::new(usual()), seed, 120).await;
    }
}
