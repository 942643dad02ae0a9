//! Membership: what each change makes of a place in a room, and the counts that follow.

use super::acting::{Drafted, House, role, user};
use crate::code::Code;
use crate::event::Draft;
use crate::id::RoomId;
use crate::position::Offset;
use crate::room::change::{MembershipChange, RoomChange};
use crate::room::{Membership, Role, RoomKind};

fn invite(name: &str) -> Draft {
    MembershipChange::Invite { user: user(name), role: None }.draft()
}

fn kick(name: &str) -> Draft {
    MembershipChange::Kick { user: user(name) }.draft()
}

fn ban(name: &str) -> Draft {
    MembershipChange::Ban { user: user(name) }.draft()
}

#[test]
fn a_place_knows_when_it_began_and_ended() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    house.must("owner", &room, kick("other"));
    let kicked = house.newest(&room);
    let member = house.member(&room, "other").expect("a place");
    assert_eq!((member.membership, member.ended_at), (Membership::Removed, kicked));
    house.must("owner", &room, invite("other"));
    let member = house.member(&room, "other").expect("a place");
    assert_eq!(
        (member.membership, member.ended_at),
        (Membership::Invited, kicked),
        "what was read stays readable"
    );
    house.must("other", &room, MembershipChange::Accept.draft());
    let member = house.member(&room, "other").expect("a place");
    assert_eq!((member.joined_at, member.ended_at), (house.newest(&room), Offset::ZERO));
}

#[test]
fn counts_are_those_of_the_rows() {
    for (kind, has_owner) in [(RoomKind::Group, true), (RoomKind::Public, true), (RoomKind::Public, false)] {
        let (house, room) = House::with_crew(kind, has_owner);
        let joined: Vec<_> = house.members.values().filter_map(|member| member.joined()).collect();
        assert_eq!(house.info(&room).members, joined.len() as u64);
        assert_eq!(
            house.info(&room).owners,
            joined.iter().filter(|role| **role == Role::Owner).count() as u64
        );
    }
}

#[test]
fn what_is_so_already_is_not_appended_again() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let again = [
        ("owner", invite("other")),
        ("owner", invite("invited")),
        ("member", MembershipChange::Accept.draft()),
        ("owner", role("reader", Role::ReadOnly)),
        ("owner", ban("banned")),
        ("owner", kick("stranger")),
        ("owner", MembershipChange::Unban { user: user("other") }.draft()),
        ("owner", MembershipChange::Unmute { user: user("other") }.draft()),
        ("stranger", MembershipChange::Leave.draft()),
        ("stranger", MembershipChange::Decline.draft()),
    ];
    let head = house.newest(&room);
    for (name, draft) in again {
        assert_eq!(
            house.publish(name, &room, draft.clone()),
            Err(Code::Unchanged),
            "{name}: {:?}",
            draft.body.as_text()
        );
    }
    assert_eq!(house.newest(&room), head);
}

#[test]
fn a_room_keeps_an_owner() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    assert_eq!(house.publish("owner", &room, MembershipChange::Leave.draft()), Err(Code::Denied));
    assert_eq!(house.publish("owner", &room, role("owner", Role::Member)), Err(Code::Denied));
    house.must("owner", &room, role("other", Role::Owner));
    assert_eq!(
        house.publish("owner", &room, kick("other")),
        Err(Code::Denied),
        "owners do not remove each other"
    );
    house.must("owner", &room, MembershipChange::Leave.draft());
    assert_eq!(house.info(&room).owners, 1);
    for name in ["member", "moderator", "reader"] {
        house.must("other", &room, kick(name));
    }
    house.must("other", &room, MembershipChange::Leave.draft());
    assert_eq!((house.info(&room).owners, house.info(&room).members), (0, 0));
}

#[test]
fn moderators_act_on_those_below_them() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    house.must("owner", &room, role("other", Role::Moderator));
    for name in ["other", "owner"] {
        assert_eq!(house.publish("moderator", &room, kick(name)), Err(Code::Denied), "{name}");
        assert_eq!(house.publish("moderator", &room, role(name, Role::Member)), Err(Code::Denied), "{name}");
    }
    house.must("moderator", &room, role("member", Role::ReadOnly));
    house.must("moderator", &room, role("member", Role::Member));
    house.must("moderator", &room, kick("member"));
}

#[test]
fn nobody_invites_above_their_own_role() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let invite = |role| MembershipChange::Invite { user: user("new"), role: Some(role) }.draft();
    for (name, given, may) in [
        ("other", Role::Member, true),
        ("other", Role::ReadOnly, false),
        ("other", Role::Moderator, false),
        ("moderator", Role::ReadOnly, true),
        ("moderator", Role::Moderator, false),
        ("owner", Role::Owner, true),
    ] {
        assert_eq!(house.ask(name, &room, &invite(given)).is_ok(), may, "{name} invites as {given:?}");
    }
    house.must("owner", &room, invite(Role::Moderator));
    let again = MembershipChange::Invite { user: user("new"), role: None }.draft();
    for name in ["other", "moderator"] {
        assert_eq!(house.publish(name, &room, again.clone()), Err(Code::Denied), "{name} takes a role away");
    }
    house.must("new", &room, MembershipChange::Accept.draft());
    assert_eq!(house.member(&room, "new").expect("a place").role, Role::Moderator);
}

#[test]
fn a_muted_member_stays_and_is_silent() {
    let (mut house, room) = House::with_crew(RoomKind::Public, true);
    house.must("moderator", &room, MembershipChange::Mute { user: user("other") }.draft());
    assert_eq!(house.publish("other", &room, Draft::message("hi")), Err(Code::Muted));
    assert_eq!(house.publish("other", &room, invite("new")), Err(Code::Muted));
    // Leaving and joining again does not undo it.
    house.must("other", &room, MembershipChange::Leave.draft());
    house.must("other", &room, MembershipChange::Join.draft());
    assert_eq!(house.publish("other", &room, Draft::message("hi")), Err(Code::Muted));
    house.must("moderator", &room, MembershipChange::Unmute { user: user("other") }.draft());
    house.must("other", &room, Draft::message("hi"));
}

#[test]
fn who_was_banned_comes_back_only_once_that_is_lifted() {
    let (mut house, room) = House::with_crew(RoomKind::Public, true);
    house.must("moderator", &room, ban("other"));
    for draft in [MembershipChange::Join.draft(), Draft::message("hi")] {
        assert_eq!(house.publish("other", &room, draft), Err(Code::RoomBanned));
    }
    assert_eq!(house.publish("owner", &room, invite("other")), Err(Code::Denied));
    house.must("moderator", &room, MembershipChange::Unban { user: user("other") }.draft());
    house.must("other", &room, MembershipChange::Join.draft());
}

#[test]
fn who_was_kicked_from_an_open_room_joins_before_speaking_again() {
    let (mut house, room) = House::with_crew(RoomKind::Public, false);
    house.must("stranger", &room, Draft::message("hi"));
    house.must("admin", &room, kick("other"));
    assert_eq!(house.publish("other", &room, Draft::message("hi")), Err(Code::NotAMember));
    house.must("other", &room, MembershipChange::Join.draft());
    house.must("other", &room, Draft::message("hi"));
}

#[test]
fn an_archived_room_can_be_left_and_not_joined() {
    let (mut house, room) = House::with_crew(RoomKind::Public, true);
    house.must("owner", &room, crate::room::change::RoomChange::Archive.draft());
    assert_eq!(house.publish("stranger", &room, MembershipChange::Join.draft()), Err(Code::RoomArchived));
    assert_eq!(house.publish("owner", &room, Draft::message("hi")), Err(Code::RoomArchived));
    house.must("other", &room, MembershipChange::Leave.draft());
    house.must("owner", &room, crate::room::change::RoomChange::Unarchive.draft());
    house.must("owner", &room, Draft::message("hi"));
}

#[test]
fn no_room_with_people_in_it_loses_its_only_owner() {
    for kind in [RoomKind::Group, RoomKind::Public] {
        let (mut house, room) = House::with_crew(kind, true);
        let owner = || user("owner");
        for change in [
            MembershipChange::Kick { user: owner() },
            MembershipChange::Ban { user: owner() },
            MembershipChange::Role { user: owner(), role: Role::Member },
        ] {
            assert_eq!(house.publish("admin", &room, change.draft()), Err(Code::Denied), "{change:?}");
        }
        assert_eq!(house.publish("owner", &room, MembershipChange::Leave.draft()), Err(Code::Denied));
        house.must("admin", &room, role("member", Role::Owner));
        house.must("admin", &room, MembershipChange::Kick { user: owner() }.draft());
        assert_eq!(house.info(&room).owners, 1);
    }
}

#[test]
fn who_is_invited_into_a_group_that_its_last_owner_left_owns_it() {
    let mut house = House::default();
    let room = RoomId::new("plans").unwrap();
    house.must("ada", &room, RoomChange::create(RoomKind::Group, None).draft());
    for name in ["bob", "cid"] {
        house.must("ada", &room, MembershipChange::Invite { user: user(name), role: None }.draft());
    }
    house.must("ada", &room, MembershipChange::Leave.draft());
    for (name, role) in [("bob", Role::Owner), ("cid", Role::Member)] {
        house.must(name, &room, MembershipChange::Accept.draft());
        assert_eq!(house.member(&room, name).unwrap().joined(), Some(role));
    }
    assert_eq!(house.info(&room).owners, 1);
}
