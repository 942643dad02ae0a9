//! What comes beside the rooms: announcements, which are durable; signals and new profiles, which are not.

use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::event::Body;
use anchor_core::id::RoomId;
use anchor_core::position::Position;
use anchor_core::room::RoomKind;
use anchor_core::room::change::Settings;
use anchor_core::session::frame::{From, HistoryRange, Signal};
use anchor_core::user::{Direct, Profile, ProfileText};
use anchor_transport::client::{Client, ConnectionState, Delivery, PublishError, RequestError};

use super::world::{Fast, World, answered, next, soon, text, user};

/// Waits until `client` is connected and what it then asks for is answered.
async fn settled(client: &Client) {
    let mut states = client.states();
    while !matches!(next(&mut states).await, ConnectionState::Connected { .. }) {}
    // Answered behind what the client asks for by itself.
    soon(client.who(&RoomId::lobby())).await.unwrap();
}

#[tokio::test]
async fn what_an_admin_announces_reaches_everybody_once_and_apart_from_the_rooms() {
    let world = World::new();
    let (root, ada) = (world.client("root"), world.client("ada"));
    answered(root.announce("long ago")).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let bob = world.client_in("bob", home.path());
    let (mut to_ada, mut to_bob) = (ada.announcements(), bob.announcements());
    settled(&ada).await;
    settled(&bob).await;
    let denied = answered(ada.announce("me, too")).await;
    assert!(matches!(denied, Err(PublishError::Refused(refusal)) if refusal.code == Code::Denied));
    answered(root.announce("one")).await.unwrap();
    answered(root.announce("two")).await.unwrap();
    world.cut();
    answered(root.announce("three")).await.unwrap();
    for expected in ["one", "two", "three"] {
        assert_eq!(text(&next(&mut to_ada).await.event), expected);
    }
    for expected in ["one", "two"] {
        assert_eq!(text(&next(&mut to_bob).await.event), expected);
    }
    // Who asks for the third has taken the second, and ends before having taken the third.
    assert_eq!(text(&next(&mut to_bob).await.event), "three");
    soon(bob.close()).await;
    assert!(soon(futures::StreamExt::next(&mut to_bob)).await.is_none());
    answered(root.announce("four")).await.unwrap();
    let bob = world.client_in("bob", home.path());
    let mut to_bob = bob.announcements();
    for expected in ["three", "four"] {
        assert_eq!(text(&next(&mut to_bob).await.event), expected);
    }
    let page = soon(ada.history(&RoomId::announcements(), HistoryRange::Newest, 10)).await.unwrap();
    assert_eq!(page.events.len(), 5);
}

#[tokio::test]
async fn announcements_are_heard_again_though_their_room_was_deleted() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let root = world.client("root");
    let ada = world.client_in("ada", home.path());
    settled(&ada).await;
    let mut heard = ada.announcements();
    answered(root.announce("one")).await.unwrap();
    assert_eq!(text(&next(&mut heard).await.event), "one");
    // Who waits for the next has taken the one before, and hears of the end of the room.
    let waiting = tokio::spawn(async move { futures::StreamExt::next(&mut heard).await.is_some() });
    let room = RoomId::announcements();
    let saved = async |is_wanted: fn(Position) -> bool| {
        while !ada.saved_cursor("anchor.announcements", &room).await.unwrap().is_some_and(is_wanted) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(saved(|position| position != Position::START)).await;
    answered(root.delete_room(&room)).await.unwrap();
    soon(saved(|position| position == Position::START)).await;
    soon(ada.close()).await;
    assert!(!soon(waiting).await.unwrap());
    // It goes on before there is another.
    let ada = world.client_in("ada", home.path());
    settled(&ada).await;
    answered(root.announce("two")).await.unwrap();
    assert_eq!(text(&next(&mut ada.announcements()).await.event), "two");
}

#[tokio::test]
async fn who_wants_no_announcements_reads_their_room_as_any_other() {
    let world = World::new();
    let root = world.client("root");
    answered(root.announce("hear, hear")).await.unwrap();
    let ada = Client::open(world.config("ada").without_announcements(), Fast).unwrap();
    assert!(soon(futures::StreamExt::next(&mut ada.announcements())).await.is_none());
    let mut read = ada.subscribe(&RoomId::announcements(), From::Start).await;
    assert!(matches!(next(&mut read).await, Delivery::Started { .. }));
    assert!(matches!(next(&mut read).await, Delivery::Events(_)));
}

#[tokio::test]
async fn a_signal_reaches_those_who_are_there() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let lobby = RoomId::lobby();
    answered(ada.publish(&lobby, "here")).await.unwrap();
    let mut read = bob.subscribe(&lobby, From::Now).await;
    next(&mut read).await;
    let mut heard = bob.signals();
    let signal =
        |text: &str| Signal { room: lobby.clone(), user: None, client: None, body: Body::text(text) };
    soon(ada.signal(signal("ring"))).await.unwrap();
    let ring = next(&mut heard).await;
    assert_eq!((ring.user, ring.body.as_text()), (Some(user("ada")), Some("ring")));
    assert!(ring.client.is_some());
    assert!(soon(ada.signal(signal(&"x".repeat(5_000)))).await.is_err(), "too long for any server");
    assert!(world.log().await.len() == 1, "nothing of it is kept");
}

#[tokio::test]
async fn a_refused_signal_is_told_by_name_to_who_wants_to_know() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let lobby = RoomId::lobby();
    let room = RoomId::new("plaza").unwrap();
    let of =
        |room: &RoomId| Signal { room: room.clone(), user: None, client: None, body: Body::text("ring") };
    answered(ada.create_room(&room, RoomKind::Public, Settings::default())).await.unwrap();
    let refused = soon(bob.signal_taken(of(&room))).await.unwrap_err();
    assert!(matches!(refused, RequestError::Refused { code: Code::NotAMember, .. }), "{refused:?}");
    soon(bob.signal_taken(of(&lobby))).await.unwrap();
    answered(bob.join(&room)).await.unwrap();
    soon(bob.signal_taken(of(&room))).await.unwrap();
}

#[tokio::test]
async fn a_new_profile_is_told_to_those_who_share_a_room() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let lobby = RoomId::lobby();
    for client in [&ada, &bob] {
        answered(client.join(&lobby)).await.unwrap();
    }
    let mut read = bob.subscribe(&lobby, From::Now).await;
    next(&mut read).await;
    let mut told = bob.profile_changes();
    let profile = Profile { name: Some(ProfileText::new("Ada L.").unwrap()), ..Profile::default() };
    soon(ada.set_profile(profile.clone())).await.unwrap();
    assert_eq!(next(&mut told).await, (user("ada"), profile.clone()));
    let known = soon(bob.profiles(&[user("bob"), user("ada")])).await.unwrap();
    assert_eq!(known, [(user("bob"), Profile::default()), (user("ada"), profile)]);
    soon(ada.allow_direct(Direct::Nobody)).await.unwrap();
    assert_eq!(soon(ada.contact()).await.unwrap().direct, Direct::Nobody);
    assert_eq!(soon(bob.contact()).await.unwrap().direct, Direct::Shared);
}
