//! A disk that is full: writes wait, and nothing else does. A start, a stop and a look at the list are no writes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anchor_core::session::frame::WebhookChange;
use anchor_core::webhooks::Webhooks;
use anchor_store::RedbStore;
use anchor_system::System;

use crate::support::chat::{Chat, hook, keys, until};
use crate::support::{receiver, status};

/// A store whose disk has as much room as it is told.
fn open(directory: &Path, free: &Arc<AtomicU64>) -> RedbStore {
    let free = free.clone();
    let options = RedbStore::options().free_bytes(move || Ok(free.load(Ordering::SeqCst)));
    options.open(directory, System).expect("a store")
}

/// Sooner than any write on a full disk.
async fn soon<T>(what: &str, is_done: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(6), is_done).await.unwrap_or_else(|_| panic!("waits: {what}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_webhooks_stop_start_and_are_listed() {
    let directory = tempfile::tempdir().expect("a directory");
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let store = open(directory.path(), &free);
    let mut chat = Chat::on(Arc::new(store.clone())).await;
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "one").await;
    until("it has come", async || keys(&inbox).len() == 1).await;

    free.store(0, Ordering::SeqCst);
    // One change that waits for room, of somebody who waits for it.
    let changing = tokio::spawn({
        let (webhooks, anchor) = (chat.webhooks.clone(), chat.anchor.clone());
        async move { webhooks.change(&anchor, WebhookChange::Pause(hook())).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(soon("the list", chat.listing("hook")).await.dead, 0);
    assert!(soon("the dead letters", chat.dead()).await.is_empty());
    soon("the stop", chat.webhooks.stop()).await;
    changing.abort();
    drop(chat);
    store.close();

    let store = open(directory.path(), &free);
    let mut chat = soon("the start", Chat::on(Arc::new(store.clone()))).await;
    assert_eq!(soon("the list", chat.listing("hook")).await.error, None);
    soon("the stop", chat.webhooks.stop()).await;
    chat.webhooks.start(&chat.anchor).await.expect("a start");
    free.store(u64::MAX, Ordering::SeqCst);
    chat.say("lobby", "two").await;
    until("it goes on by itself", async || keys(&inbox).last().is_some_and(|key| key.ends_with("/2"))).await;
    chat.webhooks.stop().await;
    store.close();
}
