//! A dead letter, made by the library over a server's data: with the times of a server one takes half an hour.

use std::path::Path;
use std::time::Duration;

use anchor_core::engine::{Anchor, ConsumerName};
use anchor_core::event::{Body, Draft};
use anchor_core::id::{ClientId, RoomId, UserId};
use anchor_core::publish::Ack;
use anchor_core::session::frame::{Webhook, WebhookChange, WebhookSecret};
use anchor_core::webhooks::Webhooks;
use anchor_store::RedbStore;
use anchor_system::System;
use anchor_webhook::{Allowed, Poster, PosterOptions, Retry, WebhookService};

use super::soon;

/// Sets up a webhook and has `ada` say something in the lobby, which nobody takes. No server may hold the data.
pub(crate) async fn dead_letter(data: &Path, name: &str, url: &str, body: Body) -> Ack {
    let store = RedbStore::open(data, System).unwrap();
    let anchor = Anchor::builder(store.clone(), System).build();
    let allowed = Allowed::new(["127.0.0.1".parse().unwrap()]);
    let poster = Poster::new(PosterOptions { allowed, http: true, ..PosterOptions::default() });
    let rest = Duration::from_millis(10);
    let webhooks = WebhookService::new(poster, Retry { first: rest, max: rest, attempts: 2 });
    webhooks.start(&anchor).await.unwrap();
    webhooks.change(&anchor, put(name, url)).await.unwrap();
    let mut ada = anchor.client(UserId::new("ada").unwrap(), ClientId::random(&System)).await.unwrap();
    let ack = ada.publish(&RoomId::lobby(), Draft::message(body)).await.unwrap();
    let name = ConsumerName::new(name).unwrap();
    soon(async {
        while webhooks.dead_letters(&name, None, 10).await.unwrap().0.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    webhooks.stop().await;
    drop((ada, anchor));
    store.close();
    ack
}

/// The setting up of a webhook for all rooms.
pub(crate) fn put(name: &str, url: &str) -> WebhookChange {
    WebhookChange::Put(Webhook {
        name: ConsumerName::new(name).unwrap(),
        url: url.to_owned(),
        room: None,
        secret: Some(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())),
        kinds: Vec::new(),
    })
}
