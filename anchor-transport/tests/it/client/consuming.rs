//! Durable consumers: who has one goes on over lost connections, who lost it does not come again, and what is done counts for the
//! series that it was given in.

use anchor::System;
use anchor_core::code::Code;
use anchor_core::engine::{Anchor, ConsumerId, ConsumerName};
use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::session::frame::From;
use anchor_core::store::Store;
use anchor_transport::client::{Client, Consumer, RequestError, Work};

use super::world::{World, answered, soon, text, user};

/// A node, and a way to it that can be cut.
fn node() -> (MemoryStore, Anchor, World) {
    let store = MemoryStore::new(System);
    let anchor = Anchor::builder(store.clone(), System).build();
    let world = way_to(&anchor);
    (store, anchor, world)
}

fn way_to(anchor: &Anchor) -> World {
    let world = World::default();
    world.up_with(anchor.clone());
    world
}

fn name() -> ConsumerName {
    ConsumerName::new("bot").unwrap()
}

fn consume(client: &Client) -> Consumer {
    client.consume(name(), Some(RoomId::lobby()), From::Start)
}

async fn say(client: &Client, text: &str) {
    answered(client.publish(&RoomId::lobby(), text)).await.unwrap();
}

/// The texts that come next, so many; done.
async fn done(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let work = soon(consumer.next()).await.unwrap();
        let Work::Events(events) = &work else { panic!("{work:?}") };
        texts.extend(events.events.iter().map(text));
        consumer.done(work.room(), work.position().unwrap());
    }
    texts
}

async fn refused(consumer: &mut Consumer) -> Code {
    match soon(consumer.next()).await {
        Err(RequestError::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_was_cut_off_does_not_take_it_from_who_has_it_now() {
    let (_, anchor, first_way) = node();
    let (first, second) = (first_way.client("bot"), way_to(&anchor).client("bot"));
    let mut former = consume(&first);
    // Nothing is there yet: it has the consumer, and waits.
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), former.next()).await.is_err());
    first_way.down();
    let mut latter = consume(&second);
    say(&second, "one").await;
    assert_eq!(done(&mut latter, 1).await, ["one"]);
    first_way.up_with(anchor.clone());
    for _ in 0..2 {
        assert_eq!(refused(&mut former).await, Code::Replaced);
    }
    say(&second, "two").await;
    assert_eq!(done(&mut latter, 1).await, ["two"], "undisturbed");
    // By a decision it changes hands.
    let mut again = consume(&first);
    latter.flush().await.unwrap();
    say(&second, "three").await;
    assert_eq!(done(&mut again, 1).await, ["three"]);
    assert_eq!(refused(&mut latter).await, Code::Replaced);
}

#[tokio::test]
async fn who_has_it_goes_on_over_a_lost_connection() {
    let (_, anchor, way) = node();
    let client = way.client("bot");
    let mut consumer = consume(&client);
    say(&client, "one").await;
    assert_eq!(done(&mut consumer, 1).await, ["one"]);
    way.down();
    way.up_with(anchor);
    say(&client, "two").await;
    assert_eq!(done(&mut consumer, 1).await, ["two"], "what is done is told on the next connection");
}

#[tokio::test]
async fn a_replay_stands_whatever_was_done_before_it() {
    let (_, anchor, way) = node();
    let client = way.client("bot");
    let mut consumer = consume(&client);
    say(&client, "one").await;
    let taken = soon(consumer.next()).await.unwrap();
    say(&client, "two").await;
    assert_eq!(done(&mut consumer, 1).await, ["two"]);
    way.down();
    let id = ConsumerId::of_user(user("bot"), name());
    anchor.replay_consumer(&id, From::Start).await.unwrap();
    way.up_with(anchor.clone());
    // It was away with all of it done, and is told of the replay by the answer to that.
    let again = soon(consumer.next()).await.unwrap();
    let Work::Events(events) = &again else { panic!("{again:?}") };
    assert_eq!(events.events.iter().map(text).collect::<Vec<_>>(), ["one", "two"]);
    // And again, with what is done only now of what was handed out before.
    way.down();
    anchor.replay_consumer(&id, From::Now).await.unwrap();
    way.up_with(anchor.clone());
    say(&client, "three").await;
    assert_eq!(done(&mut consumer, 1).await, ["three"]);
    anchor.replay_consumer(&id, From::Start).await.unwrap();
    soon(consumer.flush()).await.unwrap();
    consumer.done(taken.room(), taken.position().unwrap());
    soon(consumer.flush()).await.unwrap();
    assert_eq!(done(&mut consume(&client), 3).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn what_is_flushed_is_durable_over_whatever_it_was_told_on() {
    let (store, anchor, way) = node();
    let client = way.client("bot");
    let mut consumer = consume(&client);
    let kept = async || store.records("consumed/", None, 10).await.unwrap();
    say(&client, "one").await;
    assert_eq!(done(&mut consumer, 1).await, ["one"]);
    say(&client, "two").await;
    // With this question it is told, and the answer says nothing of whether it is kept.
    let second = soon(consumer.next()).await.unwrap();
    way.down();
    assert!(kept().await.is_empty(), "it went with the connection");
    way.up_with(anchor);
    soon(consumer.flush()).await.unwrap();
    let first = kept().await;
    assert_eq!(first.len(), 1);
    consumer.done(second.room(), second.position().unwrap());
    soon(consumer.flush()).await.unwrap();
    assert_ne!(kept().await, first);
}

#[tokio::test]
async fn a_consumer_that_was_removed_is_over() {
    let (_, anchor, way) = node();
    let client = way.client("bot");
    let mut consumer = consume(&client);
    say(&client, "one").await;
    assert_eq!(done(&mut consumer, 1).await, ["one"]);
    way.down();
    anchor.remove_consumer(&ConsumerId::of_user(user("bot"), name())).await.unwrap();
    way.up_with(anchor);
    assert_eq!(refused(&mut consumer).await, Code::NameUnknown);
    assert_eq!(done(&mut consume(&client), 1).await, ["one"], "another");
}
