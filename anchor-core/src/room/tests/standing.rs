//! Permits: which events a user may read.

use super::acting::{Drafted, House, since_join, user};
use crate::code::Code;
use crate::event::Draft;
use crate::id::RoomId;
use crate::position::Offset;
use crate::room::change::MembershipChange;
use crate::room::{Permit, RoomKind, Standing};

fn permit(house: &House, room: &RoomId, name: &str) -> Result<Permit, Code> {
    let standing =
        Standing { info: house.infos.get(room).cloned(), member: house.member(room, name), deleted: None };
    standing.permit(room, house.admins.contains(&user(name)), None).map_err(|refusal| refusal.code)
}

fn leave_and_come_back(house: &mut House, room: &RoomId) -> (Offset, Offset) {
    house.must("other", room, MembershipChange::Leave.draft());
    let left = house.newest(room);
    house.must("owner", room, Draft::message("between"));
    house.must("owner", room, MembershipChange::Invite { user: user("other"), role: None }.draft());
    house.must("other", room, MembershipChange::Accept.draft());
    (left, house.newest(room))
}

#[test]
fn who_left_reads_up_to_that() {
    for kind in [RoomKind::Group, RoomKind::Public] {
        let (mut house, room) = House::with_crew(kind, true);
        house.must("owner", &room, since_join());
        let joined = house.member(&room, "other").expect("a place").joined_at;
        let after = joined.previous();
        assert_eq!(permit(&house, &room, "other"), Ok(Permit { after, until: None }));
        house.must("owner", &room, MembershipChange::Kick { user: user("other") }.draft());
        let until = Some(house.newest(&room));
        house.must("owner", &room, Draft::message("without you"));
        assert_eq!(permit(&house, &room, "other"), Ok(Permit { after, until }));
        assert_eq!(permit(&house, &room, "stranger"), Err(Code::NotAMember));
    }
}

#[test]
fn a_ban_opens_nothing_that_was_closed() {
    for (kind, closes) in [(RoomKind::Group, "kick"), (RoomKind::Group, "leave"), (RoomKind::Public, "leave")]
    {
        let (mut house, room) = House::with_crew(kind, true);
        if kind == RoomKind::Public {
            house.must("owner", &room, since_join());
        }
        match closes {
            "kick" => house.must("owner", &room, MembershipChange::Kick { user: user("other") }.draft()),
            _ => house.must("other", &room, MembershipChange::Leave.draft()),
        };
        let before = permit(&house, &room, "other").expect("a permit");
        house.must("owner", &room, Draft::message("about you"));
        house.must("owner", &room, MembershipChange::Ban { user: user("other") }.draft());
        assert_eq!(permit(&house, &room, "other"), Ok(before), "{kind:?}, {closes}");
        house.must("owner", &room, MembershipChange::Unban { user: user("other") }.draft());
        assert_eq!(permit(&house, &room, "other"), Ok(before), "{kind:?}, {closes}");
    }
}

#[test]
fn who_comes_back_reads_what_the_room_lets_newcomers_read() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    leave_and_come_back(&mut house, &room);
    assert_eq!(permit(&house, &room, "other"), Ok(Permit::ALL));
    house.must("owner", &room, since_join());
    let (_, back) = leave_and_come_back(&mut house, &room);
    assert_eq!(permit(&house, &room, "other"), Ok(Permit { after: back.previous(), until: None }));
}

#[test]
fn a_public_room_is_closed_to_the_banned_alone() {
    let (mut house, room) = House::with_crew(RoomKind::Public, true);
    let banned = house.member(&room, "banned").expect("a place").ended_at;
    assert_eq!(permit(&house, &room, "banned"), Ok(Permit { after: Offset::ZERO, until: Some(banned) }));
    house.must("owner", &room, MembershipChange::Kick { user: user("other") }.draft());
    for name in ["other", "stranger", "invited", "admin"] {
        assert_eq!(permit(&house, &room, name), Ok(Permit::ALL), "{name}");
    }
    house.must("owner", &room, MembershipChange::Unban { user: user("banned") }.draft());
    assert_eq!(permit(&house, &room, "banned"), Ok(Permit::ALL));
}

#[test]
fn rooms_of_the_server_are_not_for_everybody() {
    let house = House { admins: vec![user("admin")], ..House::default() };
    assert_eq!(permit(&house, &RoomId::announcements(), "ada"), Ok(Permit::ALL));
    let reports = RoomId::reports_of(&RoomId::lobby());
    let of_others = RoomId::direct(&user("bob"), &user("eve"));
    for (room, of_admin) in [(&reports, Ok(Permit::ALL)), (&of_others, Err(Code::NotAMember))] {
        assert_eq!(permit(&house, room, "ada"), Err(Code::NotAMember));
        assert_eq!(permit(&house, room, "admin"), of_admin);
    }
}

#[test]
fn a_permit_is_a_range() {
    let permit = Permit { after: Offset(3), until: Some(Offset(5)) };
    let allowed: Vec<_> = (1..8).map(Offset).filter(|offset| permit.allows(*offset)).collect();
    assert_eq!(allowed, [Offset(4), Offset(5)]);
}
