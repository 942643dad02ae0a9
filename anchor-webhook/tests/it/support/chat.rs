//! A chat with webhooks, in one process.

use std::sync::Arc;
use std::time::Duration;

use anchor_core::engine::{Anchor, ConsumerName, Publisher};
use anchor_core::environment::Environment;
use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::{ClientId, RoomId, UserId};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::publish::Ack;
use anchor_core::session::frame::{DeadLetter, Webhook, WebhookChange, WebhookListing, WebhookSecret};
use anchor_core::store::Store;
use anchor_core::webhooks::Webhooks;
use anchor_system::System;
use anchor_webhook::{Poster, Retry, WebhookService};
use serde_json::Value;

use super::{Got, Inbox};
use crate::poster::{SECRET, local};

pub(crate) struct Chat {
    pub(crate) anchor: Anchor,
    pub(crate) webhooks: WebhookService,
    ada: Publisher,
}

impl Chat {
    /// A chat in memory.
    pub(crate) async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new(System))).await
    }

    /// A chat on a store, with whatever webhooks are kept there.
    pub(crate) async fn on(store: Arc<dyn Store>) -> Self {
        Self::in_environment(store, Arc::new(System)).await
    }

    /// The same, by another clock and other dice.
    pub(crate) async fn in_environment(store: Arc<dyn Store>, env: Arc<dyn Environment>) -> Self {
        let retry = Retry { first: Duration::from_millis(20), max: Duration::from_millis(200), attempts: 5 };
        Self::repeating(store, env, retry).await
    }

    /// The same, with webhooks that repeat as `retry` says.
    pub(crate) async fn repeating(store: Arc<dyn Store>, env: Arc<dyn Environment>, retry: Retry) -> Self {
        let webhooks = WebhookService::new(Poster::new(local()), retry);
        let anchor = Anchor::builder_shared(store, env).build();
        webhooks.start(&anchor).await.expect("webhooks");
        let mut id = [0; 16];
        anchor.env().fill_random(&mut id);
        let ada = anchor.client(user("ada"), ClientId::from_bytes(id)).await.expect("a client");
        Self { anchor, webhooks, ada }
    }

    pub(crate) async fn say(&mut self, room: &str, text: &str) -> Ack {
        self.publish(room, Draft::message(text)).await
    }

    pub(crate) async fn redact(&mut self, room: &str, target: Offset) -> Ack {
        let draft = Draft { kind: EventKind::REDACTION, target: Some(target), body: Body::text("") };
        self.publish(room, draft).await
    }

    pub(crate) async fn publish(&mut self, room: &str, draft: Draft) -> Ack {
        self.ada.publish(&RoomId::new(room).expect("a room"), draft).await.expect("an ack")
    }

    pub(crate) async fn change(&self, change: WebhookChange) {
        self.webhooks.change(&self.anchor, change).await.expect("a change");
    }

    /// Sets up a webhook called `hook`.
    pub(crate) async fn put(&self, url: impl Into<String>) {
        self.change(WebhookChange::Put(webhook("hook", url))).await;
    }

    pub(crate) async fn listing(&self, name: &str) -> WebhookListing {
        let (all, _) = self.webhooks.list(&self.anchor, None, 100).await.expect("a list");
        all.into_iter().find(|listing| listing.name.as_str() == name).expect("a webhook of that name")
    }

    pub(crate) async fn dead(&self) -> Vec<DeadLetter> {
        self.webhooks.dead_letters(&hook(), None, 100).await.expect("a list").0
    }
}

pub(crate) fn hook() -> ConsumerName {
    ConsumerName::new("hook").expect("a name")
}

pub(crate) fn webhook(name: &str, url: impl Into<String>) -> Webhook {
    let secret = Some(WebhookSecret(SECRET.to_owned()));
    let name = ConsumerName::new(name).expect("a name");
    Webhook { name, url: url.into(), room: None, secret, kinds: Vec::new() }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user")
}

/// The body of a request.
pub(crate) fn json(got: &Got) -> Value {
    serde_json::from_slice(&got.body).expect("JSON")
}

/// What was said in a request, message by message; `None` where the body is gone.
pub(crate) fn said(got: &Got) -> Vec<Option<String>> {
    let body = json(got);
    let events = body["events"].as_array().cloned().unwrap_or_default();
    events.iter().map(|event| event["event"][11].as_str().map(str::to_owned)).collect()
}

/// All keys that came, in the order of their coming.
pub(crate) fn keys(inbox: &Inbox) -> Vec<String> {
    let all = inbox.lock().expect("nobody panicked");
    let of = |got: &Got| {
        let body = json(got);
        let events = body["events"].as_array().cloned().unwrap_or_default();
        events.iter().map(|event| event["key"].as_str().expect("a key").to_owned()).collect::<Vec<_>>()
    };
    all.iter().flat_map(of).collect()
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "never: {what}");
}
