//! The file store against the public suite: every rule of the trait, on a fresh store and on one that was opened anew.

#[path = "file_store.rs"]
mod file_store;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use anchor::core::conformance::environment::TestEnvironment;
use anchor::core::conformance::store::{Factory, Reopen, test_all, test_reopen};
use anchor::store::StoreExt;
use anchor::{Anchor, ClientId, RoomId, System, UserId, async_trait};
use tempfile::TempDir;

use crate::file_store::FileStore;

/// Each store in a folder of its own; the newest is the one that is opened anew.
#[derive(Default)]
struct Files(Mutex<Vec<TempDir>>);

impl Files {
    fn newest(&self) -> PathBuf {
        let folders = self.0.lock().expect("no test panics while it holds the lock");
        folders.last().expect("a store was made").path().join("chat.jsonl")
    }
}

#[async_trait]
impl Factory for Files {
    type Store = FileStore;

    async fn create(&self, env: &TestEnvironment) -> FileStore {
        let folder = tempfile::tempdir().expect("a folder can be made");
        self.0.lock().expect("no test panics while it holds the lock").push(folder);
        FileStore::open(&self.newest(), env.clone()).expect("a new file can be opened")
    }
}

#[async_trait]
impl Reopen for Files {
    async fn reopen(&self, store: FileStore, env: &TestEnvironment) -> FileStore {
        drop(store);
        FileStore::open(&self.newest(), env.clone()).expect("what was written can be read")
    }
}

#[tokio::test]
async fn every_rule_holds() {
    test_all(&Files::default()).await;
}

#[tokio::test]
async fn every_rule_holds_after_a_restart() {
    test_reopen(&Files::default()).await;
}

/// What the end of a process cut off was never acknowledged: it goes. What is damaged is not passed over.
#[tokio::test]
async fn half_a_line_goes_and_a_wrong_one_is_told() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("chat.jsonl");
    let say = async |text: &str| {
        let store = FileStore::open(&path, System).expect("the file can be opened");
        let anchor = Anchor::builder(store.clone(), System).build();
        let user = UserId::new("ada").expect("a name");
        let mut ada = anchor.client(user, ClientId::random(&System)).await.expect("the store takes a client");
        ada.publish(&RoomId::lobby(), text).await.expect("the store takes a message");
        store.read_all(&RoomId::lobby()).await.expect("the store can be read").len()
    };
    let append = |bytes: &[u8]| {
        let mut file = OpenOptions::new().append(true).open(&path).expect("the file is there");
        file.write_all(bytes).expect("the file can be written");
    };
    assert_eq!(say("one").await, 1);
    append(br#"{"unix_ms":17,"rand"#);
    assert_eq!(say("two").await, 2);
    append(&"{\"Zoë".as_bytes()[..5]);
    assert_eq!(say("three").await, 3, "also where it ends within a character");
    assert_eq!(say("four").await, 4);
    append(b"{}\n");
    let error = FileStore::open(&path, System).expect_err("a line that is no step");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}
