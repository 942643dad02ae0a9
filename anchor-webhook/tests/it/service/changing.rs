//! Setting webhooks up, pausing and removing them; and what is refused.

use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::engine::{ConsumerName, ReadError};
use anchor_core::id::RoomId;
use anchor_core::session::frame::{Webhook, WebhookChange, WebhookSecret};
use anchor_core::webhooks::Webhooks;

use crate::support::chat::{Chat, hook, keys, until, user, webhook};
use crate::support::{receiver, status};

async fn refused(chat: &Chat, change: WebhookChange) -> Code {
    match chat.webhooks.change(&chat.anchor, change).await {
        Err(ReadError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused() {
    let chat = Chat::new().await;
    let good = "http://127.0.0.1:9/";
    let put = |url: &str| WebhookChange::Put(webhook("hook", url));
    for url in [
        "",
        "nowhere",
        "ftp://127.0.0.1/",
        "https://ada@127.0.0.1/",
        "http://10.0.0.1/",
        "https://[::1]/",
        "https://192.168.1.1/",
    ] {
        assert_eq!(refused(&chat, put(url)).await, Code::Invalid, "{url}");
    }
    let changed = |change: fn(&mut Webhook)| {
        let mut webhook = webhook("hook", good);
        change(&mut webhook);
        WebhookChange::Put(webhook)
    };
    assert_eq!(refused(&chat, changed(|webhook| webhook.secret = None)).await, Code::Invalid);
    let weak = changed(|webhook| webhook.secret = Some(WebhookSecret("sesame".to_owned())));
    assert_eq!(refused(&chat, weak).await, Code::Invalid);
    let long = changed(|webhook| webhook.name = ConsumerName::new("x".repeat(60)).expect("a name"));
    assert_eq!(refused(&chat, long).await, Code::Invalid);
    let direct = changed(|webhook| webhook.room = Some(RoomId::direct(&user("ada"), &user("bob"))));
    assert_eq!(refused(&chat, direct).await, Code::Denied);
    let own = changed(|webhook| webhook.room = Some(RoomId::own_log(&user("ada"))));
    assert_eq!(refused(&chat, own).await, Code::Denied);
    assert!(chat.webhooks.list(&chat.anchor, None, 10).await.expect("a list").0.is_empty());

    chat.put(good).await;
    let moved = changed(|webhook| webhook.room = Some(RoomId::lobby()));
    assert_eq!(refused(&chat, moved).await, Code::Invalid);
    let other = ConsumerName::new("other").expect("a name");
    assert_eq!(refused(&chat, WebhookChange::Pause(other.clone())).await, Code::NameUnknown);
    assert_eq!(refused(&chat, WebhookChange::Remove(other)).await, Code::NameUnknown);
}

#[tokio::test]
async fn another_of_the_same_name_goes_on_where_it_was() {
    let mut chat = Chat::new().await;
    let (old, first) = receiver(|_| status(200)).await;
    let (new, second) = receiver(|_| status(200)).await;
    chat.put(format!("http://{old}/")).await;
    chat.say("lobby", "one").await;
    until("it has come", async || keys(&first).len() == 1).await;
    // Without a secret it keeps its own.
    let moved = Webhook { secret: None, ..webhook("hook", format!("http://{new}/")) };
    chat.change(WebhookChange::Put(moved)).await;
    chat.say("lobby", "two").await;
    until("it has come", async || keys(&second).len() == 1).await;
    assert!(keys(&second)[0].ends_with("/2"));
    assert_eq!(keys(&first).len(), 1);
    assert_eq!(chat.listing("hook").await.url, format!("http://{new}/"));
}

#[tokio::test]
async fn a_paused_webhook_sends_nothing_until_it_is_resumed() {
    let mut chat = Chat::new().await;
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.put(format!("http://{address}/")).await;
    chat.change(WebhookChange::Pause(hook())).await;
    chat.say("lobby", "one").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(keys(&inbox).is_empty());
    let listing = chat.listing("hook").await;
    assert!(listing.paused && listing.lag == Some(1), "{listing:?}");
    chat.change(WebhookChange::Resume(hook())).await;
    until("it has come", async || keys(&inbox).len() == 1).await;
}

#[tokio::test]
async fn a_webhook_that_is_removed_leaves_nothing() {
    let mut chat = Chat::new().await;
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "one").await;
    until("it has come", async || keys(&inbox).len() == 1).await;
    chat.change(WebhookChange::Remove(hook())).await;
    chat.say("lobby", "two").await;
    for prefix in ["webhook", "consum"] {
        assert!(chat.anchor.store().records(prefix, None, 10).await.expect("records").is_empty(), "{prefix}");
    }
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "three").await;
    until("it has come", async || keys(&inbox).len() == 2).await;
    assert!(keys(&inbox)[1].ends_with("/3"), "one of that name begins with what comes");
}
