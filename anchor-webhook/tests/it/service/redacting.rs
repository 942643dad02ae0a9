//! Redaction reaches what has not been sent yet, wherever it waits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anchor_core::session::frame::WebhookChange;
use anchor_store::RedbStore;
use anchor_system::System;

use crate::support::chat::{Chat, hook, json, keys, said, until};
use crate::support::{receiver, status};

#[tokio::test]
async fn what_is_redacted_while_it_waits_is_sent_without_its_body_and_stands_in_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = RedbStore::open(directory.path(), System).expect("a store");
    let mut chat = Chat::on(Arc::new(store.clone())).await;
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let (address, inbox) =
        receiver(move |_| status(if is_mended.load(Ordering::SeqCst) { 200 } else { 500 })).await;
    chat.put(format!("http://{address}/")).await;
    let retried = chat.say("lobby", "words-that-are-retried").await;
    let dead = chat.say("cellar", "words-that-are-dead").await;
    until("both failed", async || keys(&inbox).len() >= 4).await;
    let waiting = chat.say("lobby", "words-that-wait-behind").await;
    // One of them has failed for good by the time it is redacted, if it is quick; both ways lead to the same.
    chat.redact("lobby", retried.position().offset).await;
    chat.redact("lobby", waiting.position().offset).await;
    until("one is dead", async || !chat.dead().await.is_empty()).await;
    chat.redact("cellar", dead.position().offset).await;
    let before = inbox.lock().expect("nobody panicked").len();
    mended.store(true, Ordering::SeqCst);
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
    chat.change(WebhookChange::RetryDead(hook(), None)).await;
    until("none is dead", async || chat.dead().await.is_empty()).await;

    let after: Vec<_> = inbox.lock().expect("nobody panicked").iter().skip(before).cloned().collect();
    let told: Vec<_> =
        after.iter().filter(|got| json(got)["type"] == "events").flat_map(said).flatten().collect();
    assert!(told.iter().all(String::is_empty), "{told:?}");
    chat.webhooks.stop().await;
    drop(chat);
    // Files are free of what was redacted once they are made small, which is what an admin does who must be sure of it.
    let path = directory.path().to_owned();
    let made_small = tokio::task::spawn_blocking(move || {
        store.close();
        anchor_store::compact(path, System).map(drop)
    });
    made_small.await.expect("no panic").expect("made small");
    for words in ["words-that-are-retried", "words-that-are-dead", "words-that-wait-behind"] {
        assert_eq!(files_with(directory.path(), words), Vec::<String>::new());
    }
}

/// The files of a directory in which some words stand.
fn files_with(directory: &Path, words: &str) -> Vec<String> {
    let files =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let has = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).expect("a file");
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    };
    files.filter(|path| path.is_file() && has(path)).map(|path| path.display().to_string()).collect()
}
