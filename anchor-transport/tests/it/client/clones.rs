//! Copies of one state: what was queued before the copy is in the log once, what each queued afterwards once for each.

use anchor_core::event::{Body, EventKind, Mentions};
use anchor_core::id::RoomId;
use anchor_core::room::change::Settings;
use anchor_core::room::{RoomKind, Sign};
use anchor_core::session::frame::HistoryRange;
use anchor_transport::client::{Client, Notice};

use super::world::{World, answered, copy_state, notice, room, soon, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_copies_at_once() {
    for round in 0..6 {
        let world = World::new();
        let store = world.store();
        let home = tempfile::tempdir().unwrap();
        let (one, two) = (home.path().join("one"), home.path().join("two"));
        let lobby = RoomId::lobby();
        let client = world.client_in("ada", &one);
        soon(soon(client.publish(&lobby, "acked")).await.unwrap()).await.unwrap();
        world.down();
        for line in 0..20 {
            drop(soon(client.publish(&lobby, format!("before {line}"))).await.unwrap());
        }
        soon(client.close()).await;
        copy_state(&one, &two);
        if round % 2 == 0 {
            world.up(store.clone());
        }
        let (one, two) = (world.client_in("ada", &one), world.client_in("ada", &two));
        let write = |client: Client, cuts: bool| {
            let world = world.clone();
            async move {
                for line in 0..20 {
                    drop(client.publish(&RoomId::lobby(), format!("after {line}")).await.unwrap());
                    if cuts && line % 6 == round {
                        world.cut();
                    }
                }
                client
            }
        };
        let (one, two) = soon(async { tokio::join!(write(one, true), write(two, false)) }).await;
        world.up(store);
        soon(one.flushed()).await.unwrap();
        soon(two.flushed()).await.unwrap();
        let texts = world.texts().await;
        let count = |text: String| texts.iter().filter(|found| **found == text).count();
        for line in 0..20 {
            assert_eq!(count(format!("before {line}")), 1, "round {round}, line {line}: {texts:?}");
            assert_eq!(count(format!("after {line}")), 2, "round {round}, line {line}: {texts:?}");
        }
        assert_eq!(texts.len(), 61);
    }
}

#[tokio::test]
async fn a_day_old_copy() {
    for queued_more in [0, 3] {
        let world = World::new();
        let store = world.store();
        let home = tempfile::tempdir().unwrap();
        let (today, yesterday) = (home.path().join("today"), home.path().join("yesterday"));
        let lobby = RoomId::lobby();
        let client = world.client_in("ada", &today);
        for line in 0..10 {
            soon(soon(client.publish(&lobby, format!("acked {line}"))).await.unwrap()).await.unwrap();
        }
        world.down();
        for line in 0..5 {
            drop(soon(client.publish(&lobby, format!("queued {line}"))).await.unwrap());
        }
        soon(client.close()).await;
        copy_state(&today, &yesterday);
        world.up(store.clone());
        let client = world.client_in("ada", &today);
        for line in 0..600 {
            drop(soon(client.publish(&lobby, format!("later {line}"))).await.unwrap());
        }
        soon(client.flushed()).await.unwrap();
        // The floor has passed what the copy waits for: only the log can tell.
        soon(soon(client.publish(&lobby, "last")).await.unwrap()).await.unwrap();
        soon(client.close()).await;
        world.down();

        let copy = world.client_in("ada", &yesterday);
        let mut notices = copy.notices();
        for line in 0..queued_more {
            drop(soon(copy.publish(&lobby, format!("more {line}"))).await.unwrap());
        }
        assert_eq!(copy.pending(), 5 + queued_more);
        world.up(store);
        let unsettled = notice(&mut notices, |notice| match notice {
            Notice::Cloned { unsettled } => Some(unsettled),
            _ => None,
        });
        assert_eq!(unsettled.await, 5 + queued_more);
        soon(copy.flushed()).await.unwrap();
        soon(soon(copy.publish(&lobby, "new")).await.unwrap()).await.unwrap();
        let mut expected: Vec<String> = (0..10).map(|line| format!("acked {line}")).collect();
        expected.extend((0..5).map(|line| format!("queued {line}")));
        expected.extend((0..600).map(|line| format!("later {line}")));
        expected.push("last".to_owned());
        expected.extend((0..queued_more).map(|line| format!("more {line}")));
        expected.push("new".to_owned());
        assert_eq!(world.texts().await, expected);
        let log = world.log().await;
        assert_ne!(log.last().unwrap().client, log[0].client, "what is new goes under a new id");
    }
}

/// Two copies settle what changes rooms, members and messages as they settle what is said: each of it happened once.
#[tokio::test]
async fn whatever_was_queued_is_done_once() {
    let world = World::new();
    let store = world.store();
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    let (lobby, plans) = (RoomId::lobby(), room("plans"));
    let client = world.client_in("ada", &one);
    let message = answered(client.publish(&lobby, "helo")).await.unwrap().mark.offset;
    world.down();
    let mentions = Mentions::new(false, [user("bob")]).unwrap();
    drop(soon(client.edit(&lobby, message, Body::text("hello").mentioning(mentions.clone()))).await.unwrap());
    drop(soon(client.react(&lobby, message, &Sign::new("👍").unwrap())).await.unwrap());
    drop(soon(client.pin(&lobby, message)).await.unwrap());
    drop(soon(client.reply(&lobby, message, "to oneself")).await.unwrap());
    drop(soon(client.redact(&lobby, message)).await.unwrap());
    drop(soon(client.create_room(&plans, RoomKind::Group, Settings::default())).await.unwrap());
    drop(soon(client.invite(&plans, &user("bob"), None)).await.unwrap());
    soon(client.close()).await;
    copy_state(&one, &two);
    world.up(store);
    let (one, two) = (world.client_in("ada", &one), world.client_in("ada", &two));
    soon(one.flushed()).await.unwrap();
    soon(two.flushed()).await.unwrap();

    let page = soon(one.history(&lobby, HistoryRange::Newest, 50)).await.unwrap();
    let kinds: Vec<_> = page.events.iter().map(|event| event.kind).collect();
    let expected = [
        EventKind::MESSAGE,
        EventKind::EDIT,
        EventKind::REACTION,
        EventKind::PIN,
        EventKind::MESSAGE,
        EventKind::REDACTION,
    ];
    assert_eq!(kinds, expected);
    assert!(page.events[1..].iter().all(|event| event.target == Some(message)));
    let page = soon(two.history(&plans, HistoryRange::Newest, 50)).await.unwrap();
    let kinds: Vec<_> = page.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::ROOM, EventKind::MEMBERSHIP]);
}
