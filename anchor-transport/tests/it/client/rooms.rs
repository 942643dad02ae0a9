//! Rooms and who belongs to them, as an application has them.

use anchor::System;
use anchor_core::code::Code;
use anchor_core::engine::Anchor;
use anchor_core::event::{Draft, EventKind};
use anchor_core::id::{ClientId, RoomId};
use anchor_core::position::Offset;
use anchor_core::resume::GapReason;
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::room::{HistoryAccess, Membership, Role, RoomKind, Title};
use anchor_core::session::frame::{From, HistoryRange, Which};
use anchor_transport::client::{Changed, Delivery, Hide, PublishError, RequestError, SubscribeOptions};

use super::world::{World, answered, next, room, soon, take, text, user};

fn title(title: &str) -> Settings {
    Settings { title: Some(Some(Title::new(title).unwrap())), ..Settings::default() }
}

fn refused<T: std::fmt::Debug>(result: Result<T, PublishError>) -> Code {
    match result {
        Err(PublishError::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_group_is_made_changed_and_asked_for() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let plans = room("plans");
    let made = answered(ada.create_room(&plans, RoomKind::Group, title("Plans"))).await.unwrap();
    assert!(matches!(made, Changed::Now(ack) if ack.mark.offset == Offset(1)));
    let again = answered(ada.create_room(&plans, RoomKind::Group, title("Others"))).await.unwrap();
    assert_eq!(again, Changed::Already, "there is a room of this id");
    assert_eq!(answered(ada.set_room(&plans, title("Plans"))).await.unwrap(), Changed::Already);
    assert_eq!(refused(answered(bob.set_room(&plans, title("Mine"))).await), Code::NotAMember);
    // To a stranger there is no such room.
    assert!(matches!(
        soon(bob.room(&plans)).await,
        Err(RequestError::Refused { code: Code::RoomUnknown, .. })
    ));

    let invited = answered(ada.invite(&plans, &user("bob"), None)).await.unwrap();
    assert!(matches!(invited, Changed::Now(_)));
    assert_eq!(soon(bob.room(&plans)).await.unwrap().member.unwrap().membership, Membership::Invited);
    assert_eq!(answered(ada.invite(&plans, &user("bob"), None)).await.unwrap(), Changed::Already);
    answered(bob.accept(&plans)).await.unwrap();
    assert_eq!(answered(bob.accept(&plans)).await.unwrap(), Changed::Already);
    answered(ada.set_role(&plans, &user("bob"), Role::Moderator)).await.unwrap();

    let listing = soon(bob.room(&plans)).await.unwrap();
    let info = listing.info.unwrap();
    assert_eq!((info.title.as_ref().unwrap().as_str(), info.members, info.owners), ("Plans", 2, 1));
    let member = listing.member.unwrap();
    assert_eq!((member.membership, member.role), (Membership::Joined, Role::Moderator));
    let page = soon(bob.members(&plans, None, 1)).await.unwrap();
    assert_eq!((page.members[0].0.as_str(), page.next.as_ref()), ("ada", Some(&user("ada"))));
    let page = soon(bob.members(&plans, page.next.as_ref(), 10)).await.unwrap();
    assert_eq!((page.members[0].0.as_str(), page.members.len(), page.next), ("bob", 1, None));
    let mine = soon(bob.rooms(Which::Mine, None, 10)).await.unwrap();
    assert_eq!(mine.rooms.iter().map(|room| room.entry.room.as_str()).collect::<Vec<_>>(), ["plans"]);
    assert!(soon(bob.rooms(Which::Public(String::new()), None, 10)).await.unwrap().rooms.is_empty());

    answered(ada.archive_room(&plans)).await.unwrap();
    assert_eq!(refused(answered(bob.publish(&plans, "late")).await), Code::RoomArchived);
    assert_eq!(answered(ada.archive_room(&plans)).await.unwrap(), Changed::Already);
    answered(ada.unarchive_room(&plans)).await.unwrap();
    answered(bob.publish(&plans, "in time")).await.unwrap();
}

#[tokio::test]
async fn public_rooms_are_joined_and_left() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let club = room("club");
    answered(ada.create_room(&club, RoomKind::Public, Settings::default())).await.unwrap();
    assert_eq!(refused(answered(bob.publish(&club, "hey")).await), Code::NotAMember);
    answered(bob.join(&club)).await.unwrap();
    answered(bob.publish(&club, "hey")).await.unwrap();
    answered(ada.mute(&club, &user("bob"))).await.unwrap();
    assert_eq!(refused(answered(bob.publish(&club, "hey!")).await), Code::Muted);
    answered(ada.unmute(&club, &user("bob"))).await.unwrap();
    answered(bob.leave(&club)).await.unwrap();
    assert_eq!(answered(bob.leave(&club)).await.unwrap(), Changed::Already);
    assert_eq!(refused(answered(bob.publish(&club, "bye")).await), Code::NotAMember);
    answered(ada.ban(&club, &user("bob"))).await.unwrap();
    assert_eq!(refused(answered(bob.join(&club)).await), Code::RoomBanned);
    answered(ada.unban(&club, &user("bob"))).await.unwrap();
    answered(bob.join(&club)).await.unwrap();
}

#[tokio::test]
async fn who_is_removed_reads_that_and_nothing_behind_it() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let plans = room("plans");
    answered(ada.create_room(&plans, RoomKind::Group, Settings::default())).await.unwrap();
    answered(ada.invite(&plans, &user("bob"), None)).await.unwrap();
    answered(bob.accept(&plans)).await.unwrap();
    let mut read = bob.subscribe(&plans, From::Start).await;
    assert_eq!(take(&mut read, 3).await.len(), 3);
    answered(ada.kick(&plans, &user("bob"))).await.unwrap();
    answered(ada.publish(&plans, "among ourselves")).await.unwrap();
    let removal = take(&mut read, 1).await.remove(0);
    assert_eq!((removal.offset, removal.kind), (Offset(4), EventKind::MEMBERSHIP));
    assert!(matches!(next(&mut read).await, Delivery::Ended { code: Code::NotAMember, .. }));
    assert!(soon(futures::StreamExt::next(&mut read)).await.is_none());
    let page = soon(bob.history(&plans, HistoryRange::Newest, 10)).await.unwrap();
    assert_eq!((page.head, page.events.len()), (Offset(4), 4), "what was read may be read again");

    // Not resumed, not forgotten: with a new invitation it goes on where it ended.
    world.cut();
    answered(ada.invite(&plans, &user("bob"), None)).await.unwrap();
    answered(bob.accept(&plans)).await.unwrap();
    let mut read = bob.subscribe(&plans, From::Offset(removal.offset)).await;
    let taken = take(&mut read, 3).await;
    assert_eq!(text(&taken[0]), "among ourselves");
    assert_eq!(taken[2].kind, EventKind::MEMBERSHIP);
}

/// What happens while a reader is away is told when it resumes: each room for itself.
#[tokio::test]
async fn who_was_removed_while_away_is_told_and_the_other_rooms_go_on() {
    let world = World::new();
    let store = world.store();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let (plans, club, lobby) = (room("plans"), room("club"), RoomId::lobby());
    answered(ada.create_room(&plans, RoomKind::Group, Settings::default())).await.unwrap();
    answered(ada.invite(&plans, &user("bob"), None)).await.unwrap();
    answered(bob.accept(&plans)).await.unwrap();
    answered(ada.create_room(&club, RoomKind::Public, Settings::default())).await.unwrap();
    answered(ada.publish(&lobby, "one")).await.unwrap();
    let mut of_plans = bob.subscribe(&plans, From::Start).await;
    let mut of_club = bob.subscribe(&club, From::Start).await;
    let mut of_lobby = bob.subscribe(&lobby, From::Start).await;
    assert_eq!(take(&mut of_plans, 3).await.len(), 3);
    assert_eq!(take(&mut of_club, 1).await.len(), 1);
    assert_eq!(text(&take(&mut of_lobby, 1).await[0]), "one");
    soon(ada.close()).await;
    world.down();

    let anchor = Anchor::builder(store.clone(), System).build();
    let mut ada = anchor.client(user("ada"), ClientId::random(&System)).await.unwrap();
    let kick = MembershipChange::Kick { user: user("bob") }.to_body();
    let kick = Draft { kind: EventKind::MEMBERSHIP, target: None, body: kick };
    soon(ada.publish(&plans, kick)).await.unwrap();
    soon(ada.publish(&plans, "among ourselves")).await.unwrap();
    let delete = Draft { kind: EventKind::ROOM, target: None, body: RoomChange::Delete.to_body() };
    soon(ada.publish(&club, delete)).await.unwrap();
    soon(ada.publish(&lobby, "two")).await.unwrap();
    world.up(store);

    assert_eq!(text(&take(&mut of_lobby, 1).await[0]), "two");
    assert_eq!(take(&mut of_plans, 1).await[0].offset, Offset(4));
    assert!(matches!(next(&mut of_plans).await, Delivery::Ended { code: Code::NotAMember, .. }));
    assert!(matches!(next(&mut of_club).await, Delivery::Gap(gap) if gap.reason == GapReason::Deleted));
    assert!(matches!(next(&mut of_club).await, Delivery::Ended { code: Code::RoomUnknown, .. }));
}

#[tokio::test]
async fn who_joins_late_is_told_that_something_is_hidden() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let club = room("club");
    let settings = Settings { history: Some(HistoryAccess::SinceJoin), ..Settings::default() };
    answered(ada.create_room(&club, RoomKind::Public, settings)).await.unwrap();
    answered(ada.publish(&club, "among ourselves")).await.unwrap();
    answered(bob.join(&club)).await.unwrap();
    answered(ada.publish(&club, "welcome")).await.unwrap();
    let mut read = bob.subscribe(&club, From::Start).await;
    assert!(matches!(next(&mut read).await, Delivery::Started { gap_follows: true, .. }));
    match next(&mut read).await {
        Delivery::Gap(gap) => {
            assert_eq!((gap.from, gap.to, gap.reason), (Offset(1), Offset(2), GapReason::Hidden));
        }
        other => panic!("unexpected: {other:?}"),
    }
    let taken = take(&mut read, 2).await;
    assert_eq!((taken[0].offset, text(&taken[1]).as_str()), (Offset(3), "welcome"));
}

#[tokio::test]
async fn a_deleted_room_ends_its_readers_and_may_begin_anew() {
    let world = World::new();
    let (ada, bob) = (world.client("ada"), world.client("bob"));
    let club = room("club");
    answered(ada.create_room(&club, RoomKind::Public, Settings::default())).await.unwrap();
    let mut read = bob.subscribe(&club, From::Start).await;
    let old = take(&mut read, 1).await;
    let Delivery::Started { position, .. } = next(&mut ada.subscribe(&club, From::Now).await).await else {
        panic!("it starts");
    };
    bob.save_cursor("reader", &club, position).await.unwrap();
    answered(ada.delete_room(&club)).await.unwrap();
    assert!(matches!(next(&mut read).await, Delivery::Gap(gap) if gap.reason == GapReason::Deleted));
    assert!(matches!(next(&mut read).await, Delivery::Ended { code: Code::RoomUnknown, .. }));
    // Who was away hears of it, too.
    let mut late = bob.subscribe(&club, From::After(position)).await;
    assert!(matches!(next(&mut late).await, Delivery::Started { gap_follows: true, .. }));
    assert!(matches!(next(&mut late).await, Delivery::Gap(gap) if gap.reason == GapReason::Deleted));
    assert!(matches!(next(&mut late).await, Delivery::Ended { code: Code::RoomUnknown, .. }));
    soon(bob.forget_cursor("reader", &club)).await.unwrap();
    assert_eq!(soon(bob.saved_cursor("reader", &club)).await.unwrap(), None);

    answered(ada.create_room(&club, RoomKind::Public, title("Again"))).await.unwrap();
    let mut read = bob.subscribe(&club, From::Start).await;
    let new = take(&mut read, 1).await;
    assert_eq!(new[0].offset, Offset(1));
    assert_ne!(new[0].chain, old[0].chain);
}

#[tokio::test]
async fn both_come_to_the_same_direct_room_at_once() {
    let world = World::new();
    let (ada, bob, eve) = (world.client("ada"), world.client("bob"), world.client("eve"));
    let club = room("club");
    for client in [&ada, &bob] {
        answered(client.join(&club)).await.unwrap();
    }
    let (to_bob, to_ada) = (user("bob"), user("ada"));
    let (one, other) = soon(async { tokio::join!(ada.direct(&to_bob), bob.direct(&to_ada)) }).await;
    let direct = one.unwrap();
    assert_eq!((&direct, direct.is_direct()), (&other.unwrap(), true));
    answered(ada.publish(&direct, "just us")).await.unwrap();
    assert_eq!(soon(ada.direct(&to_bob)).await.unwrap(), direct);
    assert_eq!(refused(soon(eve.direct(&to_ada)).await), Code::Denied, "they share no room");
    let mut read = eve.subscribe(&direct, From::Start).await;
    assert!(matches!(next(&mut read).await, Delivery::Ended { code: Code::NotAMember, .. }));

    soon(bob.block(&to_ada)).await.unwrap();
    assert_eq!(soon(bob.contact()).await.unwrap().blocked.into_iter().collect::<Vec<_>>(), [user("ada")]);
    assert_eq!(refused(answered(ada.publish(&direct, "are you there?")).await), Code::Denied);
    soon(bob.unblock(&to_ada)).await.unwrap();
    answered(ada.publish(&direct, "hello again")).await.unwrap();
}

/// Without a name of its own, a client learns from the server who it is; direct rooms wait for that.
#[tokio::test]
async fn a_direct_room_is_asked_for_before_there_is_a_server() {
    let world = World::new();
    let store = world.store();
    world.down();
    let ada = world.client("ada");
    assert_eq!(ada.user(), Some(user("ada")));
    let (oneself, to_oneself) = (user("ada"), ada.clone());
    let asking = tokio::spawn(async move { to_oneself.direct(&oneself).await });
    while ada.pending() == 0 {
        tokio::task::yield_now().await;
    }
    world.up(store);
    assert_eq!(soon(asking).await.unwrap().unwrap(), RoomId::direct(&user("ada"), &user("ada")));
}

#[tokio::test]
async fn own_events_are_hidden_on_request_and_the_cursor_knows() {
    let world = World::new();
    let lobby = RoomId::lobby();
    let (ada, also, bob) = (world.client("ada"), world.client("ada"), world.client("bob"));
    for (client, text) in [(&ada, "one"), (&also, "two"), (&bob, "three"), (&ada, "four")] {
        answered(client.publish(&lobby, text)).await.unwrap();
    }
    for (hide, seen) in [
        (Hide::Nothing, &["one", "two", "three", "four"][..]),
        (Hide::ThisClient, &["two", "three"]),
        (Hide::ThisUser, &["three"]),
    ] {
        let mut read = ada.subscribe(&lobby, SubscribeOptions::from(From::Start).hide(hide)).await;
        let (mut texts, mut reached) = (Vec::new(), Offset::ZERO);
        while reached < Offset(4) {
            let delivery = next(&mut read).await;
            let position = delivery.position().unwrap();
            match delivery {
                Delivery::Events(events) => {
                    assert_eq!(events.first, reached.next());
                    texts.extend(events.events.iter().map(text));
                }
                Delivery::Hidden { first, .. } => assert_eq!(first, reached.next()),
                Delivery::Started { .. } => {}
                other => panic!("unexpected: {other:?}"),
            }
            reached = position.offset;
        }
        assert_eq!(texts, seen);
    }
}
