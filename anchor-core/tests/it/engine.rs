//! The engine over a store and a bus, seen by a reader of another node: what the bus loses costs time, never an event.

use std::sync::{Mutex, Weak};
use std::task::Poll;

use anchor_core::bus::{Bus, BusListener};
use anchor_core::conformance::bus::Hub;
use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::store::room;
use anchor_core::engine::{Anchor, Delivery, Publisher, Subscription};
use anchor_core::event::{Draft, EventKind};
use anchor_core::id::{ClientId, RoomId, UserId};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::room::RoomKind;
use anchor_core::room::change::{RoomChange, Settings};
use anchor_core::run::Run;
use anchor_core::session::Identity;
use anchor_core::session::frame::From;
use async_trait::async_trait;
use futures::executor::block_on;
use futures::{StreamExt, poll};

/// Two nodes on one store, whose messages are held.
struct Cluster {
    hub: Hub,
    here: Anchor,
    there: Anchor,
}

impl Cluster {
    fn new() -> Self {
        let (hub, env) = (Hub::new(), TestEnvironment::new(1));
        let store = MemoryStore::new(env.clone());
        let here = Anchor::builder(store.node(), env.clone()).bus(hub.node()).build();
        let there = Anchor::builder(store, env).bus(hub.node()).build();
        hub.hold();
        Self { hub, here, there }
    }
}

async fn writer(anchor: &Anchor) -> Publisher {
    let user = UserId::new("ada").expect("a plain id");
    anchor.client(user, ClientId::from_bytes([1; 16])).await.expect("a client opens")
}

async fn write(anchor: &Anchor, room: &RoomId, texts: &[&str]) {
    let mut writer = writer(anchor).await;
    for text in texts {
        writer.publish(room, *text).await.expect("it is appended");
    }
}

/// Everything that a subscription yields without waiting; its events are contiguous.
async fn texts(subscription: &mut Subscription) -> Vec<String> {
    let mut texts = Vec::new();
    let mut cursor = subscription.position().offset;
    while let Poll::Ready(Some(delivery)) = poll!(subscription.next()) {
        let Ok(Delivery::Events(events)) = delivery else { panic!("{delivery:?}") };
        for event in events.iter() {
            let event = event.expect("what a store gives is an event");
            assert_eq!(event.offset, cursor.next(), "a hole that nobody named");
            cursor = event.offset;
            texts.extend(event.body.and_then(|body| body.as_text().map(str::to_owned)));
        }
    }
    texts
}

#[test]
pub(crate) fn what_the_bus_lost_is_read_from_the_store_once_the_next_message_shows_it() {
    block_on(async {
        let (Cluster { hub, here, there }, room) = (Cluster::new(), room("a"));
        let mut reader = there.subscribe(&room, From::Start).await.unwrap();
        write(&here, &room, &["1", "2", "3"]).await;
        assert!(texts(&mut reader).await.is_empty(), "the messages are held");
        hub.deliver(0);
        hub.lose(0);
        hub.deliver(0);
        assert_eq!(texts(&mut reader).await, ["1", "2", "3"]);
    });
}

#[test]
pub(crate) fn what_the_bus_repeats_and_reorders_is_read_once_and_in_order() {
    block_on(async {
        let (Cluster { hub, here, there }, room) = (Cluster::new(), room("a"));
        let mut reader = there.subscribe(&room, From::Start).await.unwrap();
        write(&here, &room, &["1", "2", "3", "4"]).await;
        let mut read = Vec::new();
        for message in [2, 0, 2, 3, 1, 0] {
            hub.repeat(message);
            read.extend(texts(&mut reader).await);
        }
        assert_eq!(read, ["1", "2", "3", "4"]);
    });
}

#[test]
pub(crate) fn a_last_message_that_the_bus_lost_is_made_up_by_the_next_look_at_the_heads() {
    block_on(async {
        let (Cluster { hub, here, there }, room) = (Cluster::new(), room("a"));
        let mut reader = there.subscribe(&room, From::Start).await.unwrap();
        write(&here, &room, &["1", "2"]).await;
        hub.lose(1);
        hub.deliver(0);
        assert_eq!(texts(&mut reader).await, ["1"], "nobody told this node of the last");
        there.poll_heads().await.unwrap();
        assert_eq!(texts(&mut reader).await, ["2"]);
    });
}

/// A bus on which something is said in every room while this node joins it.
#[derive(Debug)]
struct Talkative(Mutex<Option<Publisher>>);

#[async_trait]
impl Bus for Talkative {
    fn attach(&self, _listener: Weak<dyn BusListener>) {}

    async fn join(&self, room: &RoomId) {
        let publisher = self.0.lock().expect("no test panics while it holds the lock").take();
        if let Some(mut publisher) = publisher {
            publisher.publish(room, "said while the reader came").await.expect("it is appended");
        }
    }

    fn leave(&self, _room: &RoomId) {}

    fn publish(&self, _run: &Run) {}
}

#[test]
pub(crate) fn no_commit_falls_between_a_reader_and_the_head_that_it_begins_at() {
    block_on(async {
        let env = TestEnvironment::new(1);
        let store = MemoryStore::new(env.clone());
        let elsewhere = Anchor::builder(store.node(), env.clone()).build();
        let bus = Talkative(Mutex::new(Some(writer(&elsewhere).await)));
        let here = Anchor::builder(store, env).bus(bus).build();
        let mut reader = here.subscribe(&room("a"), From::Start).await.unwrap();
        assert_eq!(texts(&mut reader).await, ["said while the reader came"]);
    });
}

/// The node took what it had in its tail, and the bus had not told it yet that a part of that is gone.
#[test]
fn a_reader_who_comes_after_a_redaction_does_not_get_the_body_from_a_node_that_has_not_heard_of_it() {
    block_on(async {
        let (Cluster { hub, here, there }, room) = (Cluster::new(), room("a"));
        let mut ada = writer(&here).await;
        let create = RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None };
        let create = Draft { kind: EventKind::ROOM, target: None, body: create.to_body() };
        ada.publish(&room, create).await.expect("it is appended");
        let reader = Identity { user: UserId::new("ada").expect("a plain id"), admin: false };
        let mut early = there.subscribe_as(reader.clone(), &room, From::Now).await.unwrap();
        let secret = ada.publish(&room, "secret").await.expect("it is appended");
        while !hub.held().is_empty() {
            hub.deliver(0);
        }
        assert_eq!(texts(&mut early).await, ["secret"]);
        let redaction =
            Draft { kind: EventKind::REDACTION, target: Some(secret.mark.offset), body: "".into() };
        ada.publish(&room, redaction).await.expect("it is appended");
        let mut late = there.subscribe_as(reader, &room, From::Offset(Offset(1))).await.unwrap();
        assert!(!texts(&mut late).await.contains(&"secret".to_owned()), "its redaction was acked before");
        assert_eq!(late.position().offset, secret.mark.offset.next());
    });
}
