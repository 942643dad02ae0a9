//! Publishing and reading: whatever happens to the connection, everything comes once and in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchor::System;
use anchor_core::code::Code;
use anchor_core::engine::Anchor;
use anchor_core::id::{RoomId, UserId};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::session::frame::{From, HistoryRange, Which};
use anchor_transport::client::{Client, ClientConfig, ConnectionState, Delivery, PublishError};
use anchor_transport::codec::Encoding;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::world::{Fast, World, accept, next, soon, take, text};

#[tokio::test]
async fn what_is_published_is_read() {
    for encoding in [Encoding::MessagePack, Encoding::Json] {
        let world = World::new();
        let config = world.config("ada").encoding(encoding);
        let client = Client::open(config, Fast).unwrap();
        let lobby = RoomId::lobby();
        let mut read = client.subscribe(&lobby, From::Start).await;
        assert!(matches!(next(&mut read).await, Delivery::Started { head: Offset(0), .. }));
        let publishing = soon(client.publish(&lobby, "hello")).await.unwrap();
        let ack = soon(publishing).await.unwrap();
        assert_eq!((ack.mark.offset, ack.duplicate), (Offset(1), false));
        assert_eq!(text(&take(&mut read, 1).await[0]), "hello");
        client.close().await;
        assert!(soon(futures::StreamExt::next(&mut read)).await.is_none(), "closing ends the streams");
    }
}

/// A reader that had just come to a room was once told that it had everything of it, by a beat of before.
#[tokio::test]
async fn who_comes_to_a_room_is_not_current_by_what_was_told_of_others() {
    let world = World::beating();
    let client = Client::open(world.config("ada"), System).unwrap();
    let mut rooms = Vec::new();
    for room in ["one", "two", "three"] {
        rooms.push(client.subscribe(&RoomId::new(room).unwrap(), From::Start).await);
        assert_eq!(client.current_as_of(), None, "nobody has said anything of {room} yet");
        let told = async {
            while client.current_as_of().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(told).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cuts_lose_repeat_and_reorder_nothing() {
    const LINES: usize = 1_500;
    let world = World::new();
    let lobby = RoomId::lobby();
    let reader = world.client("bob");
    let mut read = reader.subscribe(&lobby, From::Start).await;
    let writer = world.client("ada");
    let lines: Vec<String> = (0..LINES).map(|line| format!("line {line}")).collect();
    let sent = lines.clone();
    let writing = tokio::spawn(async move {
        let lobby = RoomId::lobby();
        let mut publishing = Vec::new();
        for line in sent {
            publishing.push(writer.publish(&lobby, line).await.unwrap());
        }
        let mut acks = Vec::new();
        for publishing in publishing {
            acks.push(publishing.await.unwrap().mark.offset.0);
        }
        acks
    });
    let mut taken = Vec::new();
    while taken.len() < LINES {
        taken.extend(take(&mut read, 1).await);
        if taken.len() % 97 < 5 {
            world.cut();
        }
        if taken.len() % 411 < 5 {
            world.down();
            world.again();
        }
    }
    assert_eq!(taken.iter().map(text).collect::<Vec<_>>(), lines);
    let acks = soon(writing).await.unwrap();
    assert_eq!(acks, (1..=LINES as u64).collect::<Vec<_>>());
    assert_eq!(world.texts().await, lines);
    assert!(world.dialled() > 4);
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let world = World::new();
    let store = world.store();
    world.down();
    let client = world.client("ada");
    let lobby = RoomId::lobby();
    let publishing = soon(client.publish(&lobby, "early")).await.unwrap();
    assert_eq!(client.pending(), 1);
    let mut states = client.states();
    loop {
        if let ConnectionState::Waiting { reason, .. } = next(&mut states).await {
            assert_eq!(reason, "connection refused");
            break;
        }
    }
    world.up(store);
    assert_eq!(soon(publishing).await.unwrap().mark.offset, Offset(1));
    soon(client.flushed()).await.unwrap();
    assert_eq!(client.pending(), 0);
    while !matches!(client.state(), ConnectionState::Connected { .. }) {
        next(&mut states).await;
    }
}

#[tokio::test]
async fn questions_are_answered_across_a_cut() {
    let world = World::new();
    let lobby = RoomId::lobby();
    let client = world.client("ada");
    for line in 0..5 {
        soon(soon(client.publish(&lobby, format!("{line}"))).await.unwrap()).await.unwrap();
    }
    world.cut();
    let page = soon(client.history(&lobby, HistoryRange::Newest, 2)).await.unwrap();
    assert_eq!(page.events.iter().map(text).collect::<Vec<_>>(), ["3", "4"]);
    let rooms = soon(client.rooms(Which::Readable, None, 10)).await.unwrap();
    assert_eq!(
        rooms.rooms.iter().map(|room| (room.entry.room.as_str(), room.entry.head)).collect::<Vec<_>>(),
        [("lobby", Offset(5))]
    );
    let mut read = client.subscribe(&lobby, From::Now).await;
    next(&mut read).await;
    let present = soon(client.who(&lobby)).await.unwrap();
    assert_eq!((present.users[0].as_str(), present.total), ("ada", 1));
}

#[tokio::test]
async fn a_room_has_one_reader_at_a_time() {
    let world = World::new();
    let lobby = RoomId::lobby();
    let client = world.client("ada");
    let mut first = client.subscribe(&lobby, From::Start).await;
    next(&mut first).await;
    let mut second = client.subscribe(&lobby, From::Start).await;
    assert!(matches!(next(&mut second).await, Delivery::Ended { code: Code::AlreadySubscribed, .. }));
    assert!(soon(futures::StreamExt::next(&mut second)).await.is_none());
    drop(first);
    let mut third = client.subscribe(&lobby, From::Start).await;
    soon(soon(client.publish(&lobby, "x")).await.unwrap()).await.unwrap();
    assert_eq!(text(&take(&mut third, 1).await[0]), "x");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_stops_the_reading_and_then_gets_all() {
    const LINES: usize = 4_000;
    let world = World::new();
    let lobby = RoomId::lobby();
    let mut config = world.config("bob");
    config.subscription_buffer = 1;
    let reader = Client::open(config, Fast).unwrap();
    let mut read = reader.subscribe(&lobby, From::Start).await;
    next(&mut read).await;
    let writer = world.client("ada");
    let body = "x".repeat(500);
    for line in 0..LINES {
        drop(soon(writer.publish(&lobby, format!("{line} {body}"))).await.unwrap());
    }
    soon(writer.flushed()).await.unwrap();
    world.cut();
    let taken = take(&mut read, LINES).await;
    let offsets: Vec<u64> = taken.iter().map(|event| event.offset.0).collect();
    assert_eq!(offsets, (1..=LINES as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn acks_and_answers_come_although_a_reader_takes_nothing() {
    let world = World::new();
    let lobby = RoomId::lobby();
    let mut config = world.config("ada");
    config.subscription_buffer = 1;
    let client = Client::open(config, Fast).unwrap();
    let mut read = client.subscribe(&lobby, From::Start).await;
    for line in 0..100 {
        soon(soon(client.publish(&lobby, format!("{line}"))).await.unwrap()).await.unwrap();
    }
    assert_eq!(soon(client.history(&lobby, HistoryRange::Newest, 1)).await.unwrap().head, Offset(100));
    let taken: Vec<_> = take(&mut read, 100).await.iter().map(|event| event.offset.0).collect();
    assert_eq!(taken, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_body_that_no_server_takes_is_refused_at_once() {
    let world = World::new();
    let client = world.client("ada");
    let error = soon(client.publish(&RoomId::lobby(), "x".repeat(70_000))).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused(refusal) if refusal.code == Code::BodyTooLarge));
    assert_eq!(client.pending(), 0);
}

#[tokio::test]
async fn a_refusal_reaches_who_published_and_the_rest_goes_on() {
    let world = World::new();
    let client = world.client("ada");
    let system = RoomId::new("@system").unwrap();
    let refused = soon(client.publish(&system, "no")).await.unwrap();
    let taken = soon(client.publish(&RoomId::lobby(), "yes")).await.unwrap();
    assert!(matches!(soon(refused).await, Err(PublishError::Refused(_))));
    assert_eq!(soon(taken).await.unwrap().mark.offset, Offset(1));
}

#[tokio::test]
async fn dropping_every_handle_ends_the_client() {
    let world = World::new();
    let client = world.client("ada");
    let mut states = client.states();
    let read = client.subscribe(&RoomId::lobby(), From::Start).await;
    drop(client);
    drop(read);
    loop {
        if next(&mut states).await == ConnectionState::Closed {
            break;
        }
    }
}

#[tokio::test]
async fn a_socket_is_the_same_as_a_pipe() {
    let anchor = Anchor::builder(MemoryStore::new(System), System).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let is_server = Arc::new(AtomicBool::new(false));
    let serves = is_server.clone();
    let serving = tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            if serves.load(Ordering::SeqCst) {
                tokio::spawn(accept(io, anchor.clone()));
            } else {
                // Something else answers at this address: the client says so and comes again.
                let _ = io.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    });
    let config = ClientConfig::new(format!("ws://{address}")).user(UserId::new("ada").unwrap());
    let client = Client::open(config, Fast).unwrap();
    let mut states = client.states();
    let reason = loop {
        if let ConnectionState::Waiting { reason, .. } = next(&mut states).await {
            break reason;
        }
    };
    assert!(reason.contains("does not speak anchor.v1.msgpack") && reason.contains("404"), "{reason}");
    is_server.store(true, Ordering::SeqCst);
    let publishing = soon(client.publish(&RoomId::lobby(), "by wire")).await.unwrap();
    assert_eq!(soon(publishing).await.unwrap().mark.offset, Offset(1));
    soon(client.close()).await;
    serving.abort();
}
