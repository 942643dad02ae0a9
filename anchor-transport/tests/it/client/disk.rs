//! A server whose store is on disk: what clients made of it is there after a restart.

use std::path::Path;

use anchor::System;
use anchor_core::engine::Anchor;
use anchor_core::event::{Body, Mentions};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::room::change::Settings;
use anchor_core::room::{Role, RoomKind, Sign, Title};
use anchor_core::session::frame::{From, HistoryRange, Which};
use anchor_core::store::Direction;
use anchor_core::user::{Direct, Profile, ProfileText};
use anchor_store::RedbStore;
use anchor_transport::client::{Client, Timeline};

use super::world::{World, answered, next, room, soon, user};

/// What a client sees of everything.
async fn seen(client: &Client, room: &RoomId) -> String {
    let listing = soon(client.room(room)).await.unwrap();
    let rooms = soon(client.rooms(Which::Mine, None, 10)).await.unwrap();
    let members = soon(client.members(room, None, 10)).await.unwrap();
    let page = soon(client.history(room, HistoryRange::Newest, 200)).await.unwrap();
    let (events, changes) = (page.events, page.changes);
    let said: Vec<_> = events.iter().map(|event| event.body.as_ref().map(Body::bytes)).collect();
    let thread = soon(client.thread(room, Offset(4), Direction::Before(Offset(1_000)), 10)).await.unwrap();
    let thread = (thread.root, thread.replies, thread.total, thread.changes);
    let profiles = soon(client.profiles(&[user("ada"), user("bob")])).await.unwrap();
    let contact = soon(client.contact()).await.unwrap();
    let announced = soon(client.history(&RoomId::announcements(), HistoryRange::Newest, 10)).await.unwrap();
    let announced = announced.events;
    format!(
        "{listing:#?}{rooms:#?}{members:#?}{events:#?}{said:?}{changes:#?}{thread:#?}{profiles:#?}{contact:#?}{announced:#?}"
    )
}

fn up(world: &World, path: &Path) -> RedbStore {
    let store = RedbStore::open(path, System).unwrap();
    world.up_with(Anchor::builder(store.clone(), System).build());
    store
}

#[tokio::test]
async fn a_chat_is_the_same_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let world = World::default();
    let store = up(&world, home.path());
    let (ada, bob, root) = (world.client("ada"), world.client("bob"), world.client("root"));
    let plans = room("plans");
    let title = Some(Some(Title::new("Plans").unwrap()));
    answered(ada.create_room(&plans, RoomKind::Group, Settings { title, ..Settings::default() }))
        .await
        .unwrap();
    answered(ada.invite(&plans, &user("bob"), None)).await.unwrap();
    answered(bob.accept(&plans)).await.unwrap();
    let mentions = Mentions::new(true, [user("bob")]).unwrap();
    let body = Body::text("where do we meet?").mentioning(mentions);
    let message = answered(ada.publish(&plans, body)).await.unwrap().mark.offset;
    assert_eq!(message, Offset(4));
    answered(ada.set_role(&plans, &user("bob"), Role::Moderator)).await.unwrap();
    answered(bob.reply(&plans, message, "here")).await.unwrap();
    answered(bob.react(&plans, message, &Sign::new("👍").unwrap())).await.unwrap();
    answered(ada.edit(&plans, message, "where do we meet today?")).await.unwrap();
    answered(bob.pin(&plans, message)).await.unwrap();
    let secret = answered(ada.publish(&plans, "a secret")).await.unwrap().mark.offset;
    answered(bob.redact(&plans, secret)).await.unwrap();
    let name = Some(ProfileText::new("Ada L.").unwrap());
    soon(ada.set_profile(Profile { name, ..Profile::default() })).await.unwrap();
    soon(bob.block(&user("eve"))).await.unwrap();
    soon(bob.allow_direct(Direct::Nobody)).await.unwrap();
    answered(root.announce("tomorrow all is well")).await.unwrap();
    let before = seen(&bob, &plans).await;

    world.down();
    store.close();
    drop(store);
    up(&world, home.path());
    assert_eq!(seen(&bob, &plans).await, before);
    answered(ada.publish(&plans, "good morning")).await.unwrap();

    // Who begins with the newest page sees what reading everything shows.
    let mut timeline = Timeline::new(bob.user());
    timeline.add(soon(bob.history(&plans, HistoryRange::Newest, 200)).await.unwrap()).unwrap();
    let mut whole = Timeline::new(bob.user());
    let mut read = bob.subscribe(&plans, From::Start).await;
    while whole.position() != timeline.position() {
        let _ = whole.apply(&next(&mut read).await);
    }
    let shown = |timeline: &Timeline| {
        timeline.posts().map(|post| (post.event().clone(), post.changes().clone())).collect::<Vec<_>>()
    };
    assert_eq!(shown(&timeline), shown(&whole));
}
