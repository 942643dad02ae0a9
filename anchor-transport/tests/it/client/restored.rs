//! A server that was restored to an earlier day: what it lost is told, by name, to readers and to writers.

use anchor::System;
use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::resume::GapReason;
use anchor_core::session::frame::From;
use anchor_transport::client::{Client, Delivery, Notice, UndecidedReason};

use super::world::{Fast, World, next, notice, soon, take, text};

#[tokio::test]
async fn acknowledged_publishes_that_are_gone_are_offered() {
    let world = World::new();
    let home = tempfile::tempdir().unwrap();
    let lobby = RoomId::lobby();
    let mut config = world.config("ada").directory(home.path());
    config.kept_acks = 4;
    let client = Client::open(config.clone(), Fast).unwrap();
    let mut read = client.subscribe(&lobby, From::Start).await;
    for line in 0..4 {
        soon(soon(client.publish(&lobby, format!("{line}"))).await.unwrap()).await.unwrap();
    }
    let backup = world.store().snapshot();
    for line in 4..10 {
        soon(soon(client.publish(&lobby, format!("{line}"))).await.unwrap()).await.unwrap();
    }
    take(&mut read, 10).await;
    world.down();
    let restored = MemoryStore::new(System);
    restored.restore_from(backup);
    world.up(restored);

    let Delivery::Gap(gap) = next(&mut read).await else { panic!("a gap comes first") };
    assert_eq!((gap.reason, gap.from, gap.to), (GapReason::Restored, Offset(5), Offset(10)));
    let mut notices = client.notices();
    let lost = |notice| match notice {
        Notice::LostAcks { offered, older } => Some((offered, older)),
        _ => None,
    };
    let (offered, older) = notice(&mut notices, lost).await;
    let texts: Vec<_> = offered.iter().map(|lost| lost.draft.body.as_text().unwrap()).collect();
    assert_eq!((texts, older), (vec!["6", "7", "8", "9"], 2));
    assert!(matches!(offered[0].reason, UndecidedReason::Lost { position } if position.offset == Offset(7)));

    soon(soon(client.resend(offered[0].id)).await.unwrap()).await.unwrap();
    soon(client.discard(offered[1].id)).await.unwrap();
    assert_eq!(take(&mut read, 1).await.iter().map(text).collect::<Vec<_>>(), ["6"]);
    soon(client.close()).await;

    let client = Client::open(config, Fast).unwrap();
    let (offered, _) = notice(&mut client.notices(), lost).await;
    assert_eq!(offered.len(), 2, "what is undecided is told again");
    assert_eq!(soon(client.undecided()).await.unwrap(), offered);
    let ack = soon(soon(client.publish(&lobby, "new")).await.unwrap()).await.unwrap();
    assert_eq!((ack.mark.offset, ack.duplicate), (Offset(6), false));
    assert!(ack.seq.get() > 10, "seqs go on above both");
}

#[tokio::test]
async fn what_is_queued_goes_to_the_restored_server_once() {
    let world = World::new();
    let home = tempfile::tempdir().unwrap();
    let lobby = RoomId::lobby();
    let client = world.client_in("ada", home.path());
    soon(soon(client.publish(&lobby, "kept")).await.unwrap()).await.unwrap();
    let backup = world.store().snapshot();
    soon(soon(client.publish(&lobby, "lost")).await.unwrap()).await.unwrap();
    world.down();
    drop(soon(client.publish(&lobby, "queued")).await.unwrap());
    let restored = MemoryStore::new(System);
    restored.restore_from(backup);
    world.up(restored);
    soon(client.flushed()).await.unwrap();
    assert_eq!(world.texts().await, ["kept", "queued"]);
}
