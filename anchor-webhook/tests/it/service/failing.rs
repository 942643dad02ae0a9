//! Receivers that fail: what is repeated, when, and what waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::session::frame::WebhookChange;
use anchor_core::store::Store;
use anchor_system::System;
use anchor_webhook::Retry;

use crate::support::chat::{Chat, hook, json, keys, said, until, webhook};
use crate::support::{receiver, status};

#[tokio::test]
async fn what_failed_is_sent_again_in_order() {
    let mut chat = Chat::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let (address, inbox) =
        receiver(move |_| status(if counted.fetch_add(1, Ordering::SeqCst) < 3 { 500 } else { 200 })).await;
    chat.put(format!("http://{address}/")).await;
    for text in ["one", "two", "three"] {
        chat.say("lobby", text).await;
    }
    until("all is done", async || {
        asked.load(Ordering::SeqCst) >= 6 && chat.listing("hook").await.lag == Some(0)
    })
    .await;
    let all: Vec<_> =
        inbox.lock().expect("nobody panicked").iter().skip(3).flat_map(said).flatten().collect();
    assert_eq!(all, ["one", "two", "three"]);
    let got = inbox.lock().expect("nobody panicked").clone();
    let same = |one: usize, other: usize| {
        (got[one].header("webhook-id"), &got[one].body) == (got[other].header("webhook-id"), &got[other].body)
    };
    assert!(same(1, 2) && same(2, 3), "what is sent again is the same under the same id: {got:?}");
    let listing = chat.listing("hook").await;
    assert_eq!((listing.failures, listing.error), (0, None));
}

#[tokio::test]
async fn a_room_that_fails_holds_up_no_other_room() {
    let mut chat = Chat::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let (address, inbox) = receiver(move |got| {
        let fails = json(got)["room"] == "cellar" && !is_mended.load(Ordering::SeqCst);
        status(if fails { 503 } else { 200 })
    })
    .await;
    chat.put(format!("http://{address}/")).await;
    for round in 0..5 {
        chat.say("cellar", &format!("{round}")).await;
        chat.say("lobby", &format!("{round}")).await;
    }
    let of = |room: &'static str| keys(&inbox).iter().filter(|key| key.starts_with(room)).count();
    until("the other room has come", async || of("lobby/") == 5).await;
    until("it is told how it fails", async || {
        chat.listing("hook").await.error == Some("status 503".to_owned())
    })
    .await;
    mended.store(true, Ordering::SeqCst);
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
}

#[tokio::test]
async fn many_rooms_that_fail_with_much_behind_them_hold_up_no_other_room() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(System));
    let rest = Duration::from_secs(3);
    let retry = Retry { first: rest, max: rest, attempts: 1_000 };
    let mut chat = Chat::repeating(store, Arc::new(System), retry).await;
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let (address, inbox) = receiver(move |got| {
        let fails = json(got)["room"] != "lobby" && !is_mended.load(Ordering::SeqCst);
        status(if fails { 503 } else { 200 })
    })
    .await;
    chat.put(format!("http://{address}/")).await;
    for room in 0..40 {
        chat.say(&format!("cellar-{room}"), "one").await;
    }
    until("all fail", async || chat.listing("hook").await.failures >= 40).await;
    for _ in 0..10 {
        for room in 0..40 {
            chat.say(&format!("cellar-{room}"), "more").await;
        }
        // A moment for the consumer, so that each is a part of its own.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    chat.say("lobby", "hello").await;
    let begun = std::time::Instant::now();
    until("the other room has come", async || keys(&inbox).iter().any(|key| key.starts_with("lobby/"))).await;
    assert!(begun.elapsed() < rest, "{:?}", begun.elapsed());
    mended.store(true, Ordering::SeqCst);
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
    let all = keys(&inbox);
    let of = |room: usize| all.iter().filter(move |key| key.starts_with(&format!("cellar-{room}/")));
    for room in 0..40 {
        let mut known = std::collections::BTreeSet::new();
        let offsets = of(room).filter(|key| known.insert((*key).clone()));
        let offsets: Vec<u64> = offsets
            .map(|key| key.rsplit('/').next().expect("an offset").parse().expect("a number"))
            .collect();
        assert_eq!(offsets, (1..=11).collect::<Vec<_>>(), "all of the room, in its order");
    }
    assert!(chat.anchor.store().records("webhook-failing/", None, 10).await.expect("records").is_empty());
}

#[tokio::test]
async fn a_crash_does_not_begin_to_count_attempts_anew() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(System));
    let (address, inbox) = receiver(|_| status(500)).await;
    let retry = |ms, attempts| {
        let rest = Duration::from_millis(ms);
        Retry { first: rest, max: rest, attempts }
    };
    let mut chat = Chat::repeating(store.clone(), Arc::new(System), retry(20, 1_000)).await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "poison").await;
    until("it has failed often", async || keys(&inbox).len() >= 6).await;
    drop(chat);
    tokio::time::sleep(Duration::from_millis(100)).await;

    let before = keys(&inbox).len();
    let chat = Chat::repeating(store, Arc::new(System), retry(20, 10)).await;
    until("it is a dead letter", async || chat.dead().await.len() == 1).await;
    let (attempts, sent) = (chat.dead().await[0].attempts, keys(&inbox).len() - before);
    assert!(attempts >= 10 && sent < 6, "{attempts} attempts, of which {sent} since the crash");
    assert!(chat.anchor.store().records("webhook-failing/", None, 10).await.expect("records").is_empty());
}

#[tokio::test]
async fn a_webhook_that_is_down_holds_up_no_other() {
    let mut chat = Chat::new().await;
    let (address, inbox) = receiver(|_| status(200)).await;
    let silent = crate::support::listen(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    chat.change(WebhookChange::Put(webhook("silent", format!("http://{silent}/")))).await;
    chat.change(WebhookChange::Put(webhook("hook", format!("http://{address}/")))).await;
    for round in 0..10 {
        chat.say(&format!("room-{round}"), "hello").await;
    }
    until("all has come", async || keys(&inbox).len() == 10).await;
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_gets_no_more() {
    let mut chat = Chat::new().await;
    let gone = Arc::new(AtomicBool::new(true));
    let is_gone = gone.clone();
    let (address, inbox) =
        receiver(move |_| status(if is_gone.load(Ordering::SeqCst) { 410 } else { 200 })).await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "one").await;
    until("it is paused", async || chat.listing("hook").await.paused).await;
    let error = chat.listing("hook").await.error.expect("why");
    assert!(error.contains("410"), "{error}");
    chat.say("lobby", "two").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(keys(&inbox).len(), 1, "asked once");

    gone.store(false, Ordering::SeqCst);
    chat.change(WebhookChange::Resume(hook())).await;
    until("all has come", async || keys(&inbox).len() == 3).await;
    let listing = chat.listing("hook").await;
    assert_eq!((listing.paused, listing.error), (false, None));
}

#[tokio::test]
async fn what_is_trimmed_before_it_was_taken_is_told_as_a_gap() {
    let mut chat = Chat::new().await;
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let (address, inbox) =
        receiver(move |_| status(if is_mended.load(Ordering::SeqCst) { 200 } else { 500 })).await;
    chat.put(format!("http://{address}/")).await;
    for text in ["one", "two", "three"] {
        chat.say("lobby", text).await;
    }
    until("it was asked", async || !keys(&inbox).is_empty()).await;
    let room = anchor_core::id::RoomId::lobby();
    chat.anchor.trim(&room, Offset(3)).await.expect("trimmed");
    mended.store(true, Ordering::SeqCst);
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
    let bodies: Vec<_> = inbox.lock().expect("nobody panicked").iter().map(json).collect();
    let missing = |offset: u64| {
        bodies.iter().any(|body| {
            let number = |name: &str| body[name].as_u64().unwrap_or(0);
            body["type"] == "gap"
                && (number("from")..=number("to")).contains(&offset)
                && body["reason"] == "trimmed"
        })
    };
    assert!(missing(1) && missing(2) && !missing(3), "{bodies:?}");
    assert_eq!(bodies.last().expect("a body")["events"][0]["event"][11], "three");
}
