//! What a receiver gets: all of it, in the order of each room, signed, and in the form that the guide tells.

use anchor_core::engine::ConsumerName;
use anchor_core::event::{Body, Draft, EventKind, Mentions};
use anchor_core::id::{ClientId, RoomId};
use anchor_core::record::{RecordKey, RecordWrite, Written};
use anchor_core::room::RoomKind;
use anchor_core::room::change::{RoomChange, Settings};
use anchor_core::session::frame::{From, Webhook, WebhookChange};
use anchor_webhook::Secret;

use crate::poster::SECRET;
use crate::support::chat::{Chat, hook, json, keys, said, until, user, webhook};
use crate::support::{receiver, status};

#[tokio::test]
async fn what_is_said_is_told_in_the_order_of_each_room() {
    let mut chat = Chat::new().await;
    chat.say("lobby", "before there was a webhook").await;
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.put(format!("http://{address}/")).await;
    let mut expected = Vec::new();
    for round in 0..20 {
        for room in ["lobby", "garden.of", "attic"] {
            let ack = chat.say(room, &format!("{round}")).await;
            expected.push(format!(
                "{room}/{}/{}",
                ack.position().epoch.expect("an epoch"),
                ack.position().offset
            ));
        }
    }
    until("all has come", async || keys(&inbox).len() >= expected.len()).await;
    let got = keys(&inbox);
    assert_eq!(got.len(), expected.len(), "once");
    for room in ["lobby/", "garden.of/", "attic/"] {
        let of = |all: &[String]| all.iter().filter(|key| key.starts_with(room)).cloned().collect::<Vec<_>>();
        assert_eq!(of(&got), of(&expected));
    }
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
}

#[tokio::test]
async fn a_post_has_the_form_that_the_guide_tells() {
    let mut chat = Chat::new().await;
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.put(format!("http://{address}/")).await;
    let ack = chat.say("garden.of", "hello").await;
    until("it has come", async || !keys(&inbox).is_empty()).await;

    let got = inbox.lock().expect("nobody panicked")[0].clone();
    let (body, epoch) = (json(&got), ack.position().epoch.expect("an epoch").to_string());
    assert_eq!((&body["type"], &body["webhook"]), (&"events".into(), &"hook".into()));
    assert_eq!((&body["room"], &body["epoch"]), (&"garden.of".into(), &epoch.clone().into()));
    let event = &body["events"][0]["event"];
    assert_eq!(body["events"][0]["key"], format!("garden.of/{epoch}/1"));
    assert_eq!((&event[0], &event[4], &event[8]), (&1.into(), &"ada".into(), &1.into()));
    assert_eq!((&event[10], &event[11]), (&serde_json::Value::Null, &"hello".into()));
    assert_eq!(got.header("webhook-id"), format!("garden~of/{epoch}/1-1"));
    let timestamp: u64 = got.header("webhook-timestamp").parse().expect("a number");
    let secret: Secret = SECRET.parse().expect("a secret");
    assert_eq!(got.header("webhook-signature"), secret.sign(got.header("webhook-id"), timestamp, &got.body));
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let mut chat = Chat::new().await;
    let (address, inbox) = receiver(|_| status(200)).await;
    let room = Some(RoomId::new("lobby").expect("a room"));
    let kinds = vec![EventKind::EDIT];
    let url = format!("http://{address}/");
    chat.change(WebhookChange::Put(Webhook { room, kinds, ..webhook("hook", url) })).await;
    let first = chat.say("lobby", "a message").await;
    let edit = |body: &str| Draft {
        kind: EventKind::EDIT,
        target: Some(first.position().offset),
        body: Body::text(body),
    };
    chat.publish("lobby", edit("an edit")).await;
    chat.say("garden", "elsewhere").await;
    chat.publish("lobby", edit("another")).await;
    until("both have come", async || keys(&inbox).len() == 2).await;
    let said: Vec<_> = inbox.lock().expect("nobody panicked").iter().flat_map(said).collect();
    assert_eq!(said, [Some("an edit".to_owned()), Some("another".to_owned())]);
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
}

#[tokio::test]
async fn what_two_say_to_each_other_is_told_to_nobody() {
    let mut chat = Chat::new().await;
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.put(format!("http://{address}/")).await;
    let direct = RoomId::direct(&user("ada"), &user("ada"));
    let (settings, with) = (Settings::default(), Some(user("ada")));
    let create = RoomChange::Create { kind: RoomKind::Direct, settings, user: with };
    let create = Draft { kind: EventKind::ROOM, target: None, body: create.to_body() };
    chat.publish(direct.as_str(), create).await;
    chat.say(direct.as_str(), "between us").await;
    chat.say("lobby", "to all").await;
    until("it has come", async || keys(&inbox).iter().any(|key| key.starts_with("lobby/"))).await;
    until("all is done", async || chat.listing("hook").await.lag == Some(0)).await;
    assert!(keys(&inbox).iter().all(|key| !key.starts_with('@')), "{:?}", keys(&inbox));
}

#[tokio::test]
async fn a_server_that_begins_anew_goes_on_where_it_was() {
    let store: std::sync::Arc<dyn anchor_core::store::Store> =
        std::sync::Arc::new(anchor_core::memory::MemoryStore::new(anchor_system::System));
    let (address, inbox) = receiver(|_| status(200)).await;
    let mut chat = Chat::on(store.clone()).await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "one").await;
    until("it has come", async || keys(&inbox).len() == 1).await;
    chat.webhooks.stop().await;
    chat.say("lobby", "two").await;
    drop(chat);
    let mut chat = Chat::on(store).await;
    chat.say("lobby", "three").await;
    until("the rest has come", async || keys(&inbox).len() >= 3).await;
    let said: Vec<_> = inbox.lock().expect("nobody panicked").iter().flat_map(said).flatten().collect();
    assert_eq!(said, ["one", "two", "three"]);
}

#[tokio::test]
async fn everything_is_told_again_when_it_is_asked_for() {
    let mut chat = Chat::new().await;
    let (address, inbox) = receiver(|_| status(200)).await;
    chat.say("lobby", "before there was a webhook").await;
    chat.put(format!("http://{address}/")).await;
    chat.say("lobby", "one").await;
    until("it has come", async || keys(&inbox).len() == 1).await;
    chat.change(WebhookChange::Replay(hook(), From::Start)).await;
    until("all has come", async || keys(&inbox).len() == 3).await;
    assert_eq!(keys(&inbox)[0], keys(&inbox)[2], "by the same key");
}

#[tokio::test]
async fn what_concerns_a_user_alone_is_told_to_nobody() {
    let store: std::sync::Arc<dyn anchor_core::store::Store> =
        std::sync::Arc::new(anchor_core::memory::MemoryStore::new(anchor_system::System));
    let own = RoomId::own_log(&user("bob"));
    let (address, inbox) = receiver(|_| status(200)).await;
    let url = format!("http://{address}/");
    // As no admin can set it up.
    let row =
        serde_json::json!({"url": url, "room": own.as_str(), "kinds": [], "secret": SECRET, "stopped": null});
    let key = RecordKey::new("webhook/hook").expect("a key");
    let write = RecordWrite { guard: None, puts: vec![(key, Some(serde_json::to_vec(&row).expect("JSON")))] };
    assert_eq!(store.write_records(write).await.expect("a write"), Written::Done);
    let mut chat = Chat::on(store).await;
    let anchor = chat.anchor.clone();
    let maintenance = tokio::spawn(async move { anchor.maintain().await });
    let other = Webhook { name: ConsumerName::new("other").expect("a name"), ..webhook("hook", url) };
    chat.change(WebhookChange::Put(other)).await;
    let mut bob = chat.anchor.client(user("bob"), ClientId::from_bytes([7; 16])).await.expect("a client");
    bob.publish(&RoomId::lobby(), Draft::message("here I am")).await.expect("an ack");
    let mentions = Mentions::new(false, [user("bob")]).expect("mentions");
    chat.publish("lobby", Draft::message(Body::text("hello @bob").mentioning(mentions))).await;
    until("it was entered", async || chat.anchor.store().room(&own).await.expect("a room").is_some()).await;
    until("both are done", async || {
        let other = chat.listing("other").await.lag == Some(0) && !keys(&inbox).is_empty();
        other && chat.listing("hook").await.lag == Some(0)
    })
    .await;
    assert!(keys(&inbox).iter().all(|key| key.starts_with("lobby/")), "{:?}", keys(&inbox));
    maintenance.abort();
}
