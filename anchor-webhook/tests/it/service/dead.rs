//! Dead letters: what comes of an event that is never taken, and how it is sent again or given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anchor_core::code::Code;
use anchor_core::engine::ReadError;
use anchor_core::session::frame::WebhookChange;
use anchor_core::webhooks::Webhooks;

use crate::support::chat::{Chat, hook, keys, said, until};
use crate::support::{Inbox, receiver, status};

/// A receiver that takes nothing that says `poison`, until it is mended.
async fn choosy() -> (String, Inbox, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let (address, inbox) = receiver(move |got| {
        let poisoned = said(got).iter().flatten().any(|text| text.contains("poison"));
        status(if poisoned && !is_mended.load(Ordering::SeqCst) { 422 } else { 200 })
    })
    .await;
    (format!("http://{address}/"), inbox, mended)
}

#[tokio::test]
async fn an_event_that_is_never_taken_is_a_dead_letter_and_the_rest_goes_on() {
    let mut chat = Chat::new().await;
    let (url, inbox, mended) = choosy().await;
    chat.put(url).await;
    for text in ["one", "poison", "two"] {
        chat.say("lobby", text).await;
    }
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
    let dead = chat.dead().await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0].key.to_string().ends_with("/2"), "{:?}", dead[0]);
    assert_eq!((dead[0].attempts, dead[0].error.as_str()), (5, "status 422"));
    assert_eq!(chat.listing("hook").await.dead, 1);
    let taken: Vec<_> = inbox.lock().expect("nobody panicked").iter().flat_map(said).flatten().collect();
    assert!(taken.contains(&"one".to_owned()) && taken.last() == Some(&"two".to_owned()), "{taken:?}");

    // As long as the receiver does not take it, it stays where it is, and says so.
    chat.change(WebhookChange::RetryDead(hook(), None)).await;
    until("it was sent again", async || chat.dead().await.first().is_some_and(|dead| dead.attempts == 6))
        .await;
    mended.store(true, Ordering::SeqCst);
    // One that sends nothing says so, and forgets nothing.
    chat.change(WebhookChange::Pause(hook())).await;
    let refused = chat.webhooks.change(&chat.anchor, WebhookChange::RetryDead(hook(), None)).await;
    assert!(
        matches!(&refused, Err(ReadError::Refused(refusal)) if refusal.code == Code::Invalid),
        "{refused:?}"
    );
    chat.change(WebhookChange::Resume(hook())).await;
    assert_eq!(chat.dead().await.len(), 1);
    let before = keys(&inbox).len();
    chat.change(WebhookChange::RetryDead(hook(), Some(dead[0].key.clone()))).await;
    until("it was taken", async || chat.dead().await.is_empty()).await;
    assert_eq!(keys(&inbox)[before..], [dead[0].key.to_string()], "by the same key");
}

#[tokio::test]
async fn dead_letters_outlive_the_server_and_can_be_given_up() {
    let store: Arc<dyn anchor_core::store::Store> =
        Arc::new(anchor_core::memory::MemoryStore::new(anchor_system::System));
    let (url, _, _) = choosy().await;
    let mut chat = Chat::on(store.clone()).await;
    chat.put(url).await;
    for room in ["attic", "cellar", "lobby"] {
        chat.say(room, "poison").await;
    }
    until("all are dead", async || chat.dead().await.len() == 3).await;
    let dead = chat.dead().await;
    chat.webhooks.stop().await;
    drop(chat);

    let chat = Chat::on(store).await;
    assert_eq!(chat.dead().await, dead);
    let (page, next) = chat.webhooks.dead_letters(&hook(), Some(&dead[0].key), 1).await.expect("a page");
    assert_eq!((page, next), (vec![dead[1].clone()], Some(dead[1].key.clone())));
    chat.change(WebhookChange::DropDead(hook(), Some(dead[1].key.clone()))).await;
    assert_eq!(chat.dead().await.len(), 2);
    let again =
        chat.webhooks.change(&chat.anchor, WebhookChange::DropDead(hook(), Some(dead[1].key.clone()))).await;
    assert!(matches!(again, Err(ReadError::Refused(refusal)) if refusal.code == Code::NameUnknown));
    chat.change(WebhookChange::DropDead(hook(), None)).await;
    assert!(chat.dead().await.is_empty());
}
