//! Webhooks that end: by what the receiver says, by a panic, by what is damaged; and how they go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::engine::ReadError;
use anchor_core::environment::{Environment, Monotonic};
use anchor_core::memory::MemoryStore;
use anchor_core::record::{RecordKey, RecordWrite, Written};
use anchor_core::session::frame::WebhookChange;
use anchor_core::store::Store;
use anchor_core::webhooks::Webhooks;
use anchor_system::System;
use futures::future::BoxFuture;

use crate::support::chat::{Chat, hook, json, keys, until, webhook};
use crate::support::{receiver, status};

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(System))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_word_of_an_old_receiver_does_not_undo_what_was_set_up_since() {
    let store = memory();
    let mut chat = Chat::on(store.clone()).await;
    let (old, asked) = receiver(|got| {
        if json(got)["room"] == "lobby" {
            return status(410);
        }
        // What is on its way holds up the end of the worker.
        std::thread::sleep(Duration::from_millis(700));
        status(200)
    })
    .await;
    let (new, _) = receiver(|_| status(200)).await;
    chat.put(format!("http://{old}/")).await;
    chat.say("cellar", "one").await;
    until("it is on its way", async || keys(&asked).len() == 1).await;
    chat.say("lobby", "two").await;
    until("it wants no more", async || chat.listing("hook").await.failures == 1).await;
    chat.put(format!("http://{new}/")).await;
    chat.webhooks.stop().await;
    drop(chat);
    let chat = Chat::on(store).await;
    assert_eq!(chat.listing("hook").await.url, format!("http://{new}/"));
}

#[tokio::test]
async fn a_webhook_that_was_resumed_says_no_more_why_it_was_stopped() {
    let store = memory();
    let mut chat = Chat::on(store.clone()).await;
    let gone = Arc::new(AtomicBool::new(true));
    let is_gone = gone.clone();
    let (address, inbox) =
        receiver(move |_| status(if is_gone.load(Ordering::SeqCst) { 410 } else { 200 })).await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "one").await;
    until("it is paused", async || chat.listing("hook").await.paused).await;
    gone.store(false, Ordering::SeqCst);
    chat.change(WebhookChange::Resume(hook())).await;
    until("it has come", async || keys(&inbox).len() == 2).await;
    chat.change(WebhookChange::Pause(hook())).await;
    chat.webhooks.stop().await;
    drop(chat);
    let listing = Chat::on(store).await.listing("hook").await;
    assert_eq!((listing.paused, listing.error), (true, None));
}

/// Time and chance as they are, but that chance panics once it is told to.
#[derive(Debug)]
struct Panicking(Arc<AtomicBool>);

impl Environment for Panicking {
    fn now(&self) -> Monotonic {
        System.now()
    }

    fn unix_ms(&self) -> u64 {
        System.unix_ms()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        assert!(!self.0.load(Ordering::SeqCst), "as it was told to");
        System.fill_random(bytes);
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        System.sleep_until(deadline)
    }
}

#[tokio::test]
async fn a_webhook_that_panics_says_so_and_goes_on() {
    let panics = Arc::new(AtomicBool::new(false));
    let mut chat = Chat::in_environment(memory(), Arc::new(Panicking(panics.clone()))).await;
    let (armed, asked) = (panics.clone(), Arc::new(AtomicBool::new(false)));
    let (address, inbox) = receiver(move |_| {
        let is_first = !asked.swap(true, Ordering::SeqCst);
        // The jitter of what is to be sent again needs chance.
        armed.store(is_first, Ordering::SeqCst);
        status(if is_first { 500 } else { 200 })
    })
    .await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "one").await;
    until("it says so", async || {
        chat.listing("hook").await.error.is_some_and(|error| error.contains("panic"))
    })
    .await;
    panics.store(false, Ordering::SeqCst);
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
    assert_eq!(keys(&inbox).last(), keys(&inbox).first());
    assert_eq!(chat.listing("hook").await.error, None);
}

#[tokio::test]
async fn a_webhook_whose_place_was_damaged_goes_on_once_that_is_mended() {
    let mut chat = Chat::new().await;
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "one").await;
    until("it has come", async || keys(&inbox).len() == 1).await;
    let found = chat.anchor.store().records("consum", None, 10).await.expect("records");
    let (key, value) =
        found.into_iter().find(|(key, _)| key.as_str().ends_with("webhook.hook")).expect("a head");
    let put = async |value: Vec<u8>| {
        let write = RecordWrite { guard: None, puts: vec![(key.clone(), Some(value))] };
        assert_eq!(chat.anchor.store().write_records(write).await.expect("a write"), Written::Done);
    };
    put(b"damaged".to_vec()).await;
    // Long enough to have been read, and found to be damaged.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    put(value).await;
    chat.say("lobby", "two").await;
    until("it goes on", async || keys(&inbox).last().is_some_and(|key| key.ends_with("/2"))).await;
    assert_eq!(chat.listing("hook").await.error, None);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_read_says_so_and_can_be_removed() {
    let store = memory();
    let chat = Chat::on(store.clone()).await;
    chat.put("http://127.0.0.1:9/").await;
    chat.webhooks.stop().await;
    drop(chat);
    let key = RecordKey::new("webhook/hook").expect("a key");
    let letter = RecordKey::new("webhook-dead/hook/lobby/0011223344556677/0000000000000005").expect("a key");
    let damaged = |key| (key, Some(b"damaged".to_vec()));
    let write = RecordWrite { guard: None, puts: vec![damaged(key), damaged(letter)] };
    assert_eq!(store.write_records(write).await.expect("a write"), Written::Done);

    let chat = Chat::on(store.clone()).await;
    let error = chat.listing("hook").await.error.expect("why");
    assert!(error.contains("damaged"), "{error}");
    let dead = chat.dead().await;
    assert!(dead.len() == 1 && dead[0].error.contains("damaged"), "{dead:?}");
    for change in [
        WebhookChange::Put(webhook("hook", "http://127.0.0.1:9/")),
        WebhookChange::Pause(hook()),
        WebhookChange::Replay(hook(), anchor_core::session::frame::From::Start),
    ] {
        let refused = chat.webhooks.change(&chat.anchor, change).await;
        assert!(matches!(&refused, Err(ReadError::Refused(refusal)) if refusal.code == Code::Invalid));
    }
    chat.change(WebhookChange::Remove(hook())).await;
    assert!(store.records("webhook", None, 10).await.expect("records").is_empty());
    chat.put("http://127.0.0.1:9/").await;
    assert_eq!(chat.listing("hook").await.error, None);
}
