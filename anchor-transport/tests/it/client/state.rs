//! The state directory: what it keeps, who may hold it.

use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Chain, Epoch, Offset, Position};
use anchor_core::session::frame::From;
use anchor_transport::client::{Client, Notice, OpenError};

use super::world::{Fast, World, next, notice, soon, take, text};

#[tokio::test]
async fn what_was_queued_goes_out_with_the_next_start_once_and_first() {
    let world = World::new();
    let store = world.store();
    world.down();
    let directory = tempfile::tempdir().unwrap();
    let lobby = RoomId::lobby();
    let client = world.client_in("ada", directory.path());
    for line in ["one", "two", "three"] {
        drop(soon(client.publish(&lobby, line)).await.unwrap());
    }
    soon(client.close()).await;
    world.up(store);

    let client = world.client_in("ada", directory.path());
    let mut notices = client.notices();
    drop(soon(client.publish(&lobby, "four")).await.unwrap());
    for expected in ["one", "two", "three"] {
        let draft = notice(&mut notices, |notice| match notice {
            Notice::Settled { draft, .. } => Some(draft),
            other => panic!("unexpected: {other:?}"),
        });
        assert_eq!(draft.await.body.as_text(), Some(expected));
    }
    soon(client.flushed()).await.unwrap();
    assert_eq!(world.texts().await, ["one", "two", "three", "four"]);
    let log = world.log().await;
    assert!(log.iter().all(|event| event.client == log[0].client), "it is one client");
    soon(client.close()).await;

    let client = world.client_in("ada", directory.path());
    assert_eq!(client.pending(), 0, "nothing is sent again");
    assert_eq!(
        soon(soon(client.publish(&lobby, "five")).await.unwrap()).await.unwrap().mark.offset,
        Offset(5)
    );
    assert_eq!(world.log().await[4].client, log[0].client);
}

#[tokio::test]
async fn a_client_that_vanishes_with_publishes_on_their_way_delivers_them_once() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let lobby = RoomId::lobby();
    let mut expected = Vec::new();
    for round in 0..6 {
        let client = world.client_in("ada", directory.path());
        for line in 0..40 {
            let line = format!("{round}.{line}");
            drop(soon(client.publish(&lobby, line.clone())).await.unwrap());
            expected.push(line);
        }
        // Closed in the middle: some are acknowledged, some appended, some only queued.
        soon(client.close()).await;
        world.cut();
    }
    let client = world.client_in("ada", directory.path());
    soon(client.flushed()).await.unwrap();
    assert_eq!(world.texts().await, expected);
}

#[tokio::test]
async fn a_directory_has_one_holder() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let first = world.client_in("ada", directory.path());
    let second = Client::open(world.config("ada").directory(directory.path()), Fast);
    assert!(matches!(second, Err(OpenError::Held { .. })));
    soon(first.close()).await;
    soon(world.client_in("ada", directory.path()).close()).await;
}

#[tokio::test]
async fn a_directory_belongs_to_a_user_and_its_messages_to_a_server() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let client = world.client_in("ada", directory.path());
    soon(soon(client.publish(&RoomId::lobby(), "x")).await.unwrap()).await.unwrap();
    soon(client.close()).await;
    let other = Client::open(world.config("bob").directory(directory.path()), Fast);
    assert!(matches!(other, Err(OpenError::OtherUser { found, .. }) if found == UserId::new("ada").unwrap()));

    world.down();
    let client = world.client_in("ada", directory.path());
    drop(soon(client.publish(&RoomId::lobby(), "y")).await.unwrap());
    soon(client.close()).await;
    let mut elsewhere = world.config("ada").directory(directory.path());
    elsewhere.server = "ws://elsewhere".to_owned();
    let error = Client::open(elsewhere.clone(), Fast).unwrap_err();
    assert!(matches!(error, OpenError::OtherServer { pending: 1, .. }), "{error}");

    world.again();
    let client = world.client_in("ada", directory.path());
    soon(client.flushed()).await.unwrap();
    soon(client.close()).await;
    let before = world.log().await[0].client;
    let client = Client::open(elsewhere, Fast).unwrap();
    soon(soon(client.publish(&RoomId::lobby(), "z")).await.unwrap()).await.unwrap();
    assert_ne!(world.log().await[2].client, before, "another server, another client");
}

#[tokio::test]
async fn without_a_directory_each_start_is_a_new_client() {
    let world = World::new();
    for _ in 0..2 {
        let client = world.client("ada");
        soon(soon(client.publish(&RoomId::lobby(), "x")).await.unwrap()).await.unwrap();
        soon(client.close()).await;
    }
    let log = world.log().await;
    assert_ne!(log[0].client, log[1].client);
}

#[tokio::test]
async fn a_saved_cursor_goes_on_where_it_stood() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let lobby = RoomId::lobby();
    let client = world.client_in("ada", directory.path());
    assert_eq!(soon(client.saved_cursor("tail", &lobby)).await.unwrap(), None);
    for line in 0..4 {
        soon(soon(client.publish(&lobby, format!("{line}"))).await.unwrap()).await.unwrap();
    }
    let mut read = client.subscribe(&lobby, From::Start).await;
    let mut position = Position::START;
    while position.offset < Offset(2) {
        position = next(&mut read).await.position().unwrap();
    }
    soon(client.save_cursor("tail", &lobby, position)).await.unwrap();
    let elsewhere = Position {
        epoch: Some(Epoch::from_bytes([1; 8])),
        offset: Offset(9),
        chain: Chain::from_bytes([2; 8]),
    };
    soon(client.save_cursor("other", &lobby, elsewhere)).await.unwrap();
    soon(client.close()).await;

    let client = world.client_in("ada", directory.path());
    assert_eq!(soon(client.saved_cursor("other", &lobby)).await.unwrap(), Some(elsewhere));
    let saved = soon(client.saved_cursor("tail", &lobby)).await.unwrap().unwrap();
    assert_eq!(saved, position);
    soon(soon(client.publish(&lobby, "new")).await.unwrap()).await.unwrap();
    let mut read = client.subscribe(&lobby, From::After(saved)).await;
    let rest = 5 - usize::try_from(saved.offset.0).unwrap();
    assert_eq!(text(take(&mut read, rest).await.last().unwrap()), "new");
}
