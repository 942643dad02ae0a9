//! A thread that is followed: from what it is to what comes, whatever happens to the connection and the log.

use std::collections::BTreeMap;

use anchor::System;
use anchor_core::event::EventKind;
use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::resume::GapReason;
use anchor_core::room::change::Settings;
use anchor_core::room::{RoomKind, Sign};
use anchor_core::store::Direction;
use anchor_transport::client::{Client, Post, ThreadDelivery, ThreadSubscription};

use super::world::{World, answered, next, room, soon, text, user};

async fn say(client: &Client, room: &RoomId, text: &str) -> Offset {
    answered(client.publish(room, text)).await.unwrap().mark.offset
}

async fn reply(client: &Client, room: &RoomId, root: Offset, text: &str) -> Offset {
    answered(client.reply(room, root, text)).await.unwrap().mark.offset
}

/// The next thing, in a few words.
async fn told(thread: &mut ThreadSubscription) -> String {
    match next(thread).await {
        ThreadDelivery::Post(post) => format!("post {}: {}", post.event().offset, text(post.event())),
        ThreadDelivery::Current => "current".to_owned(),
        ThreadDelivery::Event { event, .. } => match event.kind {
            EventKind::MESSAGE => format!("reply {}: {}", event.offset, text(&event)),
            kind => format!("{} {} on {}", kind.name().unwrap(), event.offset, event.target.unwrap()),
        },
        ThreadDelivery::Gap(gap) => format!("gap {}", gap.reason.name()),
        ThreadDelivery::Ended { code, .. } => format!("ended {code}"),
    }
}

#[tokio::test]
async fn a_thread_is_told_as_it_is_and_then_as_it_goes_on() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let lobby = RoomId::lobby();
    let root = say(&ada, &lobby, "question").await;
    let first = reply(&bob, &lobby, root, "answer").await;
    say(&ada, &lobby, "else").await;
    let reader = world.client("cyd");
    let mut thread = reader.follow_thread(&lobby, root).await;
    for line in ["post 1: question", "post 2: answer", "current"] {
        assert_eq!(told(&mut thread).await, line);
    }
    world.cut();
    reply(&ada, &lobby, root, "thanks").await;
    world.down();
    world.again();
    answered(bob.react(&lobby, first, &Sign::new("👍").unwrap())).await.unwrap();
    say(&ada, &lobby, "beside it").await;
    answered(ada.edit(&lobby, root, "questions")).await.unwrap();
    answered(bob.redact(&lobby, first)).await.unwrap();
    answered(ada.pin(&lobby, root)).await.unwrap();
    for line in ["reply 4: thanks", "reaction 5 on 2", "edit 7 on 1", "redaction 8 on 2", "pin 9 on 1"] {
        assert_eq!(told(&mut thread).await, line);
    }
    // The room is free for another reader once nobody follows.
    drop(thread);
    let mut thread = reader.follow_thread(&lobby, root).await;
    let ThreadDelivery::Post(post) = next(&mut thread).await else { panic!("the root comes first") };
    assert_eq!(post.body().and_then(|body| body.as_text()), Some("questions"));
    assert!(post.changes().pinned);
}

#[tokio::test]
async fn a_second_reader_of_a_room_and_a_thread_that_is_not_there_are_told_so() {
    let world = World::new();
    let ada = world.client("ada");
    let lobby = RoomId::lobby();
    let root = say(&ada, &lobby, "question").await;
    let mut thread = ada.follow_thread(&lobby, root).await;
    assert_eq!(told(&mut thread).await, "post 1: question");
    let mut second = ada.follow_thread(&lobby, root).await;
    assert_eq!(told(&mut second).await, "ended already_subscribed");
    assert!(soon(futures::StreamExt::next(&mut second)).await.is_none());
    let mut nothing = world.client("bob").follow_thread(&lobby, Offset(99)).await;
    assert_eq!(told(&mut nothing).await, "ended target_unknown");
}

#[tokio::test]
async fn a_thread_ends_for_who_is_removed_and_with_its_room() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let plans = room("plans");
    answered(ada.create_room(&plans, RoomKind::Group, Settings::default())).await.unwrap();
    answered(ada.invite(&plans, &user("bob"), Default::default())).await.unwrap();
    answered(bob.accept(&plans)).await.unwrap();
    let root = say(&ada, &plans, "where to?").await;
    let mut of_bob = bob.follow_thread(&plans, root).await;
    let mut of_ada = ada.follow_thread(&plans, root).await;
    for thread in [&mut of_bob, &mut of_ada] {
        assert_eq!(told(thread).await, "post 4: where to?");
        assert_eq!(told(thread).await, "current");
    }
    reply(&ada, &plans, root, "to the sea").await;
    answered(ada.kick(&plans, &user("bob"))).await.unwrap();
    reply(&ada, &plans, root, "without bob").await;
    assert_eq!(told(&mut of_bob).await, "reply 5: to the sea");
    assert_eq!(told(&mut of_bob).await, "ended not_a_member");
    answered(ada.delete_room(&plans)).await.unwrap();
    for line in ["reply 5: to the sea", "reply 7: without bob", "gap deleted", "ended room_unknown"] {
        assert_eq!(told(&mut of_ada).await, line);
    }
}

#[tokio::test]
async fn a_thread_goes_on_where_a_restored_log_does() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let lobby = RoomId::lobby();
    let root = say(&ada, &lobby, "question").await;
    let backup = world.store().snapshot();
    reply(&ada, &lobby, root, "lost").await;
    let late = say(&ada, &lobby, "lost, too").await;
    let mut thread = bob.follow_thread(&lobby, root).await;
    for line in ["post 1: question", "post 2: lost", "current"] {
        assert_eq!(told(&mut thread).await, line);
    }
    let cyd = world.client("cyd");
    let mut without_root = cyd.follow_thread(&lobby, late).await;
    assert_eq!(told(&mut without_root).await, "post 3: lost, too");
    assert_eq!(told(&mut without_root).await, "current");
    world.down();
    let restored = MemoryStore::new(System);
    restored.restore_from(backup);
    world.up(restored);
    let ThreadDelivery::Gap(gap) = next(&mut thread).await else { panic!("a gap comes first") };
    assert_eq!((gap.reason, gap.position.unwrap().offset), (GapReason::Restored, Offset(1)));
    // What stands there now is no reply, and what is said of it no matter of the thread.
    let dan = world.client("dan");
    let other = say(&dan, &lobby, "else").await;
    answered(dan.edit(&lobby, other, "something else")).await.unwrap();
    reply(&dan, &lobby, root, "again").await;
    assert_eq!(told(&mut thread).await, "reply 4: again");
    assert_eq!(told(&mut without_root).await, "gap restored");
    assert_eq!(told(&mut without_root).await, "ended target_unknown");
}

/// Whoever begins in the midst of it, and whatever is cut, has in the end what the pages say of the whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_told_makes_the_thread() {
    const ROUNDS: u64 = 300;
    let world = World::new();
    let (ada, bob, reader) = (world.client("ada"), world.client("bob"), world.client("cyd"));
    let lobby = RoomId::lobby();
    let root = say(&ada, &lobby, "question").await;
    let sign = Sign::new("👍").unwrap();
    let writing = {
        let (world, lobby) = (world.clone(), lobby.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                drop(bob.reply(&lobby, root, format!("{round}")).await.unwrap());
                match round % 5 {
                    0 => drop(bob.react(&lobby, root, &sign).await.unwrap()),
                    1 => drop(bob.unreact(&lobby, root, &sign).await.unwrap()),
                    2 => drop(bob.publish(&lobby, "beside it").await.unwrap()),
                    3 => drop(ada.edit(&lobby, root, format!("question {round}")).await.unwrap()),
                    _ => {}
                }
                if round % 40 == 39 {
                    bob.flushed().await.unwrap();
                    world.cut();
                }
            }
            let last = bob.reply(&lobby, root, "the end").await.unwrap();
            ada.flushed().await.unwrap();
            last.await.unwrap();
        })
    };
    let mut thread = reader.follow_thread(&lobby, root).await;
    let mut posts: BTreeMap<Offset, Post> = BTreeMap::new();
    let mut is_written = false;
    let mut writing = Box::pin(soon(writing));
    let mut until = None;
    while until.is_none_or(|until| posts.last_key_value().is_none_or(|(last, _)| *last < until)) {
        let delivery = tokio::select! {
            delivery = next(&mut thread) => delivery,
            written = &mut writing, if !is_written => {
                written.unwrap();
                is_written = true;
                // Behind everything else of the thread.
                until = Some(reply(&world.client("dan"), &lobby, root, "really").await);
                continue;
            }
        };
        match delivery {
            ThreadDelivery::Post(post) => {
                assert!(posts.insert(post.event().offset, post).is_none(), "told twice");
            }
            ThreadDelivery::Event { event, .. } if event.kind == EventKind::MESSAGE => {
                posts.get_mut(&root).unwrap().change(&event, None);
                assert!(posts.insert(event.offset, Post::live(event)).is_none(), "told twice");
            }
            ThreadDelivery::Event { event, .. } => {
                posts.get_mut(&event.target.unwrap()).unwrap().change(&event, None);
            }
            ThreadDelivery::Current => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    // With all the time there is: questions of the fast clock are soon too late.
    let checker = Client::open(world.config("eve"), System).unwrap();
    let (mut replies, mut after) = (Vec::new(), Offset::ZERO);
    let whole = loop {
        let page = soon(checker.thread(&lobby, root, Direction::After(after), 200)).await.unwrap();
        replies.extend(page.replies.iter().map(|reply| reply.offset));
        match page.next {
            Some(next) => after = next,
            None => break page,
        }
    };
    assert_eq!(replies.len(), usize::try_from(ROUNDS).unwrap() + 2);
    assert_eq!(posts.keys().skip(1).copied().collect::<Vec<_>>(), replies);
    let of_root = whole.changes.iter().find(|changes| changes.target == root).unwrap();
    assert_eq!(posts[&root].changes(), of_root);
}
