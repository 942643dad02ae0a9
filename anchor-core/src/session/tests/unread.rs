//! What is unread, told with the rooms that answers name: subtracted, never counted.

use std::time::Duration;

use futures::executor::block_on;

use super::peer::{House, Peer, hello, membership, position, room_change, room_id, user_id};
use super::watching::{Maintained, cursor, group, told};
use crate::conformance::faults::FailingStore;
use crate::id::RoomId;
use crate::limits::{CURSORS_EVERY, PRESENCE_SETTLES};
use crate::position::Position;
use crate::room::RoomKind;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::session::Identity;
use crate::session::frame::{ClientFrame, Hello, RequestId, ResumeRoom, RoomEntry, ServerFrame, Which};
use crate::store::StoreExt;

/// A session that asks for what is unread; and the rooms of its `welcome`.
fn resumed(house: &House, user: &str, rooms: &[(&str, Position)]) -> (Peer, Vec<RoomEntry>) {
    let mut peer = house.connect();
    let features = vec!["unread".to_owned()];
    peer.send(ClientFrame::Hello(Hello { features, ..hello(user, rooms) }));
    match peer.frames().into_iter().next() {
        Some(ServerFrame::Welcome(welcome)) => {
            assert_eq!(welcome.features, ["unread"]);
            (peer, welcome.rooms)
        }
        other => panic!("no welcome: {other:?}"),
    }
}

/// How far a user has read, and what is unread, as `welcome` says it.
fn unread(house: &House, user: &str) -> Option<(u64, u64)> {
    let (mut peer, rooms) = resumed(house, user, &[("plans", Position::START)]);
    let in_welcome = rooms[0].unread;
    peer.send(ClientFrame::Rooms { id: RequestId(5), after: None, limit: 9, which: Which::Mine });
    let listed = peer.frames().into_iter().find_map(|frame| match frame {
        ServerFrame::RoomList { rooms, .. } => {
            rooms.into_iter().find(|room| room.entry.room.as_str() == "plans")
        }
        _ => None,
    });
    if let Some(listed) = listed {
        assert_eq!(listed.entry.unread, in_welcome, "every answer says the same");
    }
    let reader = Identity { user: user_id(user), admin: false };
    assert_eq!(block_on(house.anchor.unread(&reader, &[room_id("plans")])).unwrap(), [in_welcome]);
    in_welcome.map(|unread| (unread.read.0, unread.messages))
}

#[test]
pub(super) fn own_messages_and_those_from_before_joining_are_never_unread() {
    let house = House::new();
    group(&house, &[]);
    house.say("olga", "plans", 4);
    assert_eq!(unread(&house, "olga"), Some((5, 0)), "whoever writes has read");
    house.act("olga", "plans", membership(&MembershipChange::Invite { user: user_id("bob"), role: None }));
    house.act("bob", "plans", membership(&MembershipChange::Accept));
    assert_eq!(unread(&house, "bob"), Some((7, 0)), "what was there before is not unread");
    house.say("olga", "plans", 3);
    assert_eq!(unread(&house, "bob"), Some((7, 3)));
    house.say("bob", "plans", 1);
    assert_eq!(unread(&house, "bob"), Some((11, 0)));
    assert_eq!(unread(&house, "olga"), Some((10, 1)));
    assert_eq!(unread(&house, "eve"), None);
    let direct = RoomId::direct(&user_id("olga"), &user_id("bob"));
    let user = Some(user_id("bob"));
    let create = RoomChange::Create { kind: RoomKind::Direct, settings: Settings::default(), user };
    house.act("olga", direct.as_str(), room_change(&create));
    house.say("olga", direct.as_str(), 2);
    let reader = Identity { user: user_id("bob"), admin: false };
    let in_direct = block_on(house.anchor.unread(&reader, &[direct])).unwrap()[0];
    assert_eq!(
        in_direct.map(|unread| (unread.read.0, unread.messages)),
        Some((1, 2)),
        "made a member by another"
    );
}

#[test]
pub(super) fn what_was_told_to_be_read_is_read_after_a_crash() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 5);
    let mut bob = house.visit("bob");
    bob.send(cursor(&house, "plans", 5));
    let mut time = Maintained::new(&house);
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), ["bob 5 5 #2"]);
    bob.send(cursor(&house, "plans", 7));
    assert_eq!(told(&mut bob), [""; 0]);
    let house = house.restarted();
    assert_eq!(unread(&house, "bob"), Some((5, 3)), "what was not told is to be said again");
    assert_eq!(unread(&house, "olga"), Some((8, 0)));
}

#[test]
pub(super) fn a_store_that_is_away_gets_it_later_and_nobody_is_told_before() {
    let mut failing = None;
    let house = House::behind(|store| {
        let store = FailingStore::new(store);
        failing = Some(store.clone());
        store
    });
    let failing = failing.unwrap();
    group(&house, &["bob"]);
    house.say("olga", "plans", 2);
    let mut bob = house.visit("bob");
    let mut time = Maintained::new(&house);
    bob.send(cursor(&house, "plans", 5));
    failing.go_away();
    time.pass(CURSORS_EVERY * 3);
    assert_eq!(told(&mut bob), [""; 0], "nothing is durable");
    failing.come_back();
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), ["bob 5 5 #2"]);
}

#[test]
fn a_host_that_stops_loses_nothing_that_it_flushes() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 2);
    let mut bob = house.visit("bob");
    Maintained::new(&house).pass(PRESENCE_SETTLES);
    bob.send(cursor(&house, "plans", 5));
    drop(bob);
    block_on(house.anchor.flush()).unwrap();
    let house = house.restarted();
    assert_eq!(unread(&house, "bob"), Some((5, 0)));
    let seen = block_on(house.anchor.presence(&user_id("bob"))).unwrap().seen;
    assert!(seen.is_some(), "who was there when the host stopped was seen then");
}

#[test]
fn nothing_behind_the_end_of_membership_and_nothing_that_was_trimmed_is_unread() {
    let house = House::new();
    group(&house, &["bob", "cleo"]);
    house.say("olga", "plans", 3);
    house.act("olga", "plans", membership(&MembershipChange::Kick { user: user_id("bob") }));
    house.say("olga", "plans", 4);
    let reader = Identity { user: user_id("bob"), admin: false };
    let unread_of_bob = block_on(house.anchor.unread(&reader, &[room_id("plans")])).unwrap()[0];
    assert_eq!(unread_of_bob.map(|unread| unread.messages), Some(3));
    block_on(house.store.trim_newest(&room_id("plans"), crate::position::Offset(8))).unwrap();
    assert_eq!(unread(&house, "cleo").map(|(_, messages)| messages), Some(5));
}

#[test]
fn a_plain_room_has_nothing_unread_until_something_of_it_was_read() {
    let house = House::new();
    house.write("plans", ["one".to_owned(), "two".to_owned()]);
    assert_eq!(unread(&house, "bob"), None);
    let mut bob = house.visit("bob");
    bob.send(cursor(&house, "plans", 1));
    block_on(house.anchor.flush()).unwrap();
    assert_eq!(unread(&house, "bob"), Some((1, 1)));
}

#[test]
fn who_does_not_ask_is_told_nothing() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 2);
    let mut old = house.session("bob", &[("plans", Position::START)]);
    let Some(ServerFrame::Welcome(welcome)) = old.frames().into_iter().next() else { panic!("no welcome") };
    assert_eq!((welcome.features.len(), welcome.rooms[0].unread), (0, None));
    house.visit("bob").send(cursor(&house, "plans", 5));
    Maintained::new(&house).pass(CURSORS_EVERY);
    assert_eq!(told(&mut old), [""; 0]);
}

#[test]
fn a_later_resume_says_it_too_and_its_events_follow() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 2);
    let (mut bob, _) = resumed(&house, "bob", &[]);
    let room = ResumeRoom::after(room_id("plans"), position(&house, "plans", 3));
    bob.send(ClientFrame::Resume { id: RequestId(7), rooms: vec![room] });
    assert_eq!(bob.texts("plans", 3), ["1", "2"]);
    let Some(ServerFrame::Resumed { rooms, .. }) = bob.frames().into_iter().next() else {
        panic!("no answer")
    };
    assert_eq!(rooms[0].unread.map(|unread| (unread.read.0, unread.messages)), Some((3, 2)));
}

#[test]
pub(super) fn rooms_in_which_something_was_said_last_are_caught_up_with_first() {
    let house = House::new();
    let rooms = ["amber", "beryl", "coral", "dolomite"];
    for room in ["coral", "amber", "dolomite", "beryl"] {
        house.env.advance(Duration::from_secs(60));
        house.write(room, ["hello".to_owned()]);
    }
    // Another process: nothing of it is in a tail.
    let house = house.restarted();
    let mut bob = house.session("bob", &rooms.map(|room| (room, Position::START)));
    let runs = bob.sent.drain(..).filter_map(|sent| match sent {
        super::peer::Sent::Run(run) => Some(run.room().as_str().to_owned()),
        super::peer::Sent::Frame(_) => None,
    });
    assert_eq!(runs.collect::<Vec<_>>(), ["beryl", "dolomite", "amber", "coral"]);
}
