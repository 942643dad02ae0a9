//! Direct rooms: one id for two users, and who may open one with whom.

use super::acting::{Drafted, House, user};
use crate::code::Code;
use crate::event::Draft;
use crate::id::RoomId;
use crate::room::change::{MembershipChange, RoomChange};
use crate::room::{RoomKind, Standing};
use crate::user::Direct;

fn create(other: &str) -> Draft {
    RoomChange::create(RoomKind::Direct, Some(user(other))).draft()
}

fn friends() -> (House, RoomId) {
    let mut house = House::default();
    let club = RoomId::new("club").expect("a room id");
    for name in ["ada", "bob"] {
        house.must(name, &club, MembershipChange::Join.draft());
    }
    (house, RoomId::direct(&user("ada"), &user("bob")))
}

#[test]
fn both_sides_come_to_the_same_id_and_nobody_else_does() {
    let room = RoomId::direct(&user("ada"), &user("bob"));
    assert_eq!(room, RoomId::direct(&user("bob"), &user("ada")));
    assert!(room.is_direct() && room.is_system());
    assert_eq!(RoomId::new(room.as_str()).expect("a room id"), room);
    // Lengths are part of it: no two pairs can be spelled alike.
    assert_ne!(RoomId::direct(&user("ab"), &user("c")), RoomId::direct(&user("a"), &user("bc")));
    assert!(!RoomId::announcements().is_direct() && !RoomId::reports_of(&room).is_direct());
}

#[test]
pub(super) fn the_second_to_create_it_finds_it_there() {
    let (mut house, room) = friends();
    house.must("ada", &room, create("bob"));
    assert_eq!(house.publish("bob", &room, create("ada")), Err(Code::RoomExists));
    for name in ["ada", "bob"] {
        house.must(name, &room, Draft::message("hi"));
    }
    assert_eq!(house.info(&room).members, 2);
    assert_eq!(house.publish("eve", &room, Draft::message("hi")), Err(Code::NotAMember));
    let eve = Standing { info: house.infos.get(&room).cloned(), member: None, deleted: None };
    assert!(eve.permit(&room, false, None).is_err());
}

#[test]
fn nobody_makes_the_room_of_two_others() {
    let (mut house, room) = friends();
    assert_eq!(house.publish("eve", &room, create("bob")), Err(Code::Invalid));
    assert_eq!(house.publish("eve", &room, Draft::message("hi")), Err(Code::RoomUnknown));
    assert_eq!(house.publish("eve", &room, MembershipChange::Join.draft()), Err(Code::Denied));
    let group = RoomChange::create(RoomKind::Group, None).draft();
    assert_eq!(house.publish("ada", &room, group), Err(Code::Denied));
}

#[test]
pub(super) fn who_shares_no_room_needs_leave_to_talk() {
    let (mut house, _) = friends();
    let room = RoomId::direct(&user("eve"), &user("bob"));
    assert_eq!(house.publish("eve", &room, create("bob")), Err(Code::Denied));
    house.contacts.entry(user("bob")).or_default().direct = Direct::Everyone;
    house.must("eve", &room, create("bob"));
    house.contacts.entry(user("bob")).or_default().direct = Direct::Nobody;
    // What stands, stands: who wants no more of it blocks.
    house.must("eve", &room, Draft::message("hi"));
    let ada = RoomId::direct(&user("ada"), &user("bob"));
    assert_eq!(house.publish("ada", &ada, create("bob")), Err(Code::Denied));
}

#[test]
fn a_direct_room_is_no_room_that_two_share() {
    let (mut house, _) = friends();
    for name in ["eve", "bob"] {
        house.contacts.entry(user(name)).or_default().direct = Direct::Everyone;
    }
    let room = RoomId::direct(&user("eve"), &user("bob"));
    house.must("eve", &room, create("bob"));
    house.contacts.clear();
    let again = RoomId::direct(&user("eve"), &user("eve"));
    house.must("eve", &again, create("eve"));
    assert_eq!(house.info(&again).members, 1);
    house.logs.remove(&room);
    house.infos.remove(&again);
    assert_eq!(house.publish("eve", &room, create("bob")), Err(Code::Denied));
}

#[test]
pub(super) fn a_blocked_user_neither_opens_nor_writes() {
    let (mut house, room) = friends();
    house.contacts.entry(user("bob")).or_default().blocked.insert(user("ada"));
    assert_eq!(house.publish("ada", &room, create("bob")), Err(Code::Denied));
    house.contacts.clear();
    house.must("ada", &room, create("bob"));
    house.must("ada", &room, Draft::message("hi"));
    house.contacts.entry(user("bob")).or_default().blocked.insert(user("ada"));
    assert_eq!(house.publish("ada", &room, Draft::message("hi")), Err(Code::Denied));
    house.must("bob", &room, Draft::message("no"));
}

#[test]
fn who_is_refused_is_told_what_may_help_and_not_whether_it_is_a_block() {
    let (mut house, room) = friends();
    let sentence = |house: &mut House, name| {
        let room = RoomId::direct(&user(name), &user("bob"));
        house.ask(name, &room, &create("bob")).expect_err("bob does not want it").message
    };
    let stranger = sentence(&mut house, "eve");
    assert!(
        stranger.contains("join") && stranger.contains("everyone") && stranger.contains("blocked"),
        "{stranger}"
    );
    house.contacts.entry(user("bob")).or_default().blocked.insert(user("ada"));
    assert_eq!(sentence(&mut house, "ada"), stranger, "they share a room: it is a block");
    house.contacts.entry(user("bob")).or_default().direct = Direct::Everyone;
    assert_eq!(sentence(&mut house, "ada"), stranger);
    house.contacts.entry(user("bob")).or_default().direct = Direct::Nobody;
    assert_eq!(sentence(&mut house, "eve"), stranger);
    assert!(!house.infos.contains_key(&room));
}
