//! What a room is: creation, settings, the end; and reports.

use super::acting::{Drafted, House, user};
use crate::code::Code;
use crate::event::{Draft, EventKind};
use crate::id::RoomId;
use crate::room::change::{InvalidChange, MembershipChange, Report, RoomChange, Settings};
use crate::room::{HistoryAccess, Retention, Role, RoomKind, Standing, Title, Topic};

fn room(id: &str) -> RoomId {
    RoomId::new(id).expect("a room id")
}

fn titled(title: &str) -> Settings {
    Settings { title: Some(Some(Title::new(title).expect("a title"))), ..Settings::default() }
}

#[test]
fn a_room_is_created_once_and_owned() {
    let (mut house, plans) = (House::default(), room("plans"));
    let create = RoomChange::Create { kind: RoomKind::Group, settings: titled("Plans"), user: None };
    house.must("ada", &plans, create.draft());
    assert_eq!(house.publish("bob", &plans, create.draft()), Err(Code::RoomExists));
    let info = house.info(&plans);
    assert_eq!((info.kind, info.members, info.owners), (RoomKind::Group, 1, 1));
    assert_eq!(house.member(&plans, "ada").and_then(|member| member.joined()), Some(Role::Owner));
}

#[test]
fn an_admin_gives_a_room_without_owner_one() {
    let (mut house, lobby) = (House { admins: vec![user("root")], ..House::default() }, RoomId::lobby());
    house.must("ada", &lobby, Draft::message("first"));
    let create = RoomChange::create(RoomKind::Public, None);
    assert_eq!(house.publish("ada", &lobby, create.draft()), Err(Code::RoomExists));
    house.must("ada", &lobby, MembershipChange::Join.draft());
    house.must("root", &lobby, create.draft());
    assert_eq!((house.info(&lobby).owners, house.info(&lobby).members), (1, 2));
    assert_eq!(
        house.publish("eve", &lobby, Draft::message("hi")),
        Err(Code::NotAMember),
        "members write now"
    );
}

#[test]
fn nobody_makes_rooms_of_the_server() {
    let mut house = House { admins: vec![user("root")], ..House::default() };
    for id in [RoomId::announcements(), RoomId::reports_of(&RoomId::lobby()), room("@mine")] {
        for kind in [RoomKind::Public, RoomKind::Group, RoomKind::System] {
            let create = RoomChange::create(kind, None).draft();
            assert_eq!(house.publish("root", &id, create), Err(Code::Denied), "{id} {kind:?}");
        }
        assert!(house.publish("ada", &id, Draft::message("hi")).is_err(), "{id}");
    }
    for _ in 0..2 {
        assert_eq!(house.publish("ada", &RoomId::announcements(), Draft::message("hi")), Err(Code::Denied));
        house.must("root", &RoomId::announcements(), Draft::message("hear, hear"));
    }
}

#[test]
fn only_admins_change_rooms_of_the_server() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let reports = RoomId::reports_of(&room);
    let report = Report { room: room.clone(), offset: house.newest(&room), reason: None };
    let report = Draft { kind: EventKind::REPORT, target: None, body: report.to_body() };
    house.must("member", &reports, report);
    house.must("admin", &RoomId::announcements(), Draft::message("hear, hear"));
    for id in [reports.clone(), RoomId::announcements()] {
        for change in [RoomChange::Set(titled("Crew")), RoomChange::Archive, RoomChange::Delete] {
            assert_eq!(house.publish("owner", &id, change.draft()), Err(Code::Denied), "{id}");
        }
        assert_eq!(house.publish("admin", &id, MembershipChange::Join.draft()), Err(Code::Denied));
        house.must("admin", &id, RoomChange::Set(titled("Crew")).draft());
    }
    assert_eq!(house.publish("admin", &reports, Draft::message("seen")), Err(Code::Denied));
}

#[test]
fn settings_change_one_by_one() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let set = Settings {
        topic: Some(Some(Topic::new("what we do").expect("a topic"))),
        history: Some(HistoryAccess::SinceJoin),
        retention: Some(Retention::Count(1_000)),
        default_role: Some(Role::ReadOnly),
        ..titled("Crew")
    };
    house.must("owner", &room, RoomChange::Set(set.clone()).draft());
    let info = house.info(&room);
    assert_eq!((info.history, info.retention), (HistoryAccess::SinceJoin, Retention::Count(1_000)));
    assert_eq!(info.changed, house.newest(&room));
    assert_eq!(house.publish("owner", &room, RoomChange::Set(set).draft()), Err(Code::Unchanged));
    house.must(
        "moderator",
        &room,
        RoomChange::Set(Settings { title: Some(None), ..Settings::default() }).draft(),
    );
    let info = house.info(&room);
    assert_eq!((info.title, info.topic.is_some()), (None, true));
    house.must("owner", &room, MembershipChange::Invite { user: user("new"), role: None }.draft());
    house.must("new", &room, MembershipChange::Accept.draft());
    assert_eq!(house.publish("new", &room, Draft::message("hi")), Err(Code::Denied));
}

#[test]
fn what_is_appended_is_normalised() {
    let (mut house, plans) = (House::default(), room("plans"));
    let sent = r#"{"action":"create","kind":"group","title":"  Cafe\u0301  plans ","later":1}"#;
    let effect = house.must("ada", &plans, Draft { kind: EventKind::ROOM, ..Draft::message(sent) });
    let body = effect.body.expect("another body");
    assert_eq!(body.as_text(), Some("{\"action\":\"create\",\"kind\":\"group\",\"title\":\"Café plans\"}"));
    assert_eq!(RoomChange::from_body(&body).expect("a change").to_body(), body);
}

#[test]
fn a_deleted_room_is_no_more() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    assert_eq!(house.publish("moderator", &room, RoomChange::Delete.draft()), Err(Code::Denied));
    assert!(house.must("owner", &room, RoomChange::Delete.draft()).deletes);
    assert_eq!(house.publish("owner", &room, RoomChange::Delete.draft()), Err(Code::RoomUnknown));
}

#[test]
pub(super) fn a_report_lies_before_the_moderators() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let reports = RoomId::reports_of(&room);
    let report = |offset| {
        let body = Report { room: room.clone(), offset, reason: Some("rude".to_owned()) }.to_body();
        Draft { kind: EventKind::REPORT, target: None, body }
    };
    let message = house.newest(&room);
    assert_eq!(house.publish("stranger", &reports, report(message)), Err(Code::NotAMember));
    assert_eq!(house.publish("other", &reports, report(message.next())), Err(Code::TargetUnknown));
    assert_eq!(house.publish("other", &room, report(message)), Err(Code::Invalid));
    house.must("other", &reports, report(message));
    house.must("reader", &reports, report(message));
    let mut later = house.clone();
    later.must("owner", &room, RoomChange::Delete.draft());
    let create = RoomChange::create(RoomKind::Group, None).draft();
    assert_eq!(
        later.publish("stranger", &room, create),
        Err(Code::RoomExists),
        "to read what was reported before"
    );
    assert_eq!(house.publish("moderator", &reports, Draft::message("hi")), Err(Code::Denied));
    let standing = |house: &House, room: &RoomId, name| Standing {
        info: house.infos.get(room).cloned(),
        member: house.member(room, name),
        deleted: None,
    };
    for (name, may) in [("owner", true), ("moderator", true), ("other", false), ("stranger", false)] {
        let parent = standing(&house, &room, name);
        let permit = standing(&house, &reports, name).permit(&reports, false, Some(&parent));
        assert_eq!(permit.is_ok(), may, "{name}");
    }
}

#[test]
fn what_is_no_change_is_named() {
    let body = |text: &str| crate::event::Body::text(text);
    for (text, error) in [
        ("", InvalidChange::NotJson),
        ("[]", InvalidChange::NotJson),
        ("{}", InvalidChange::NotJson),
        (r#"{"action":"dance"}"#, InvalidChange::Value("action")),
        (r#"{"action":"invite"}"#, InvalidChange::Missing("user")),
        (r#"{"action":"role","user":"bob"}"#, InvalidChange::Missing("role")),
        (r#"{"action":"role","user":"bob","role":"king"}"#, InvalidChange::Value("role")),
    ] {
        assert_eq!(MembershipChange::from_body(&body(text)), Err(error), "{text}");
    }
    for (text, error) in [
        (r#"{"action":"create"}"#, InvalidChange::Missing("kind")),
        (r#"{"action":"create","kind":"secret"}"#, InvalidChange::Value("kind")),
        (r#"{"action":"set","history":"some"}"#, InvalidChange::Value("history")),
        (r#"{"action":"set","retention":{"count":0}}"#, InvalidChange::Value("retention")),
        (r#"{"action":"set","default_role":"owner"}"#, InvalidChange::Value("default_role")),
    ] {
        assert_eq!(RoomChange::from_body(&body(text)), Err(error), "{text}");
    }
    let typed = crate::event::Body::new(Some("text/plain"), "{\"action\":\"join\"}".into()).expect("a body");
    assert_eq!(MembershipChange::from_body(&typed), Err(InvalidChange::NotJson));
}

/// What somebody meant for a group would stand in a public room else.
#[test]
fn a_room_that_was_deleted_begins_anew_on_purpose_alone() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    house.must("owner", &room, RoomChange::Delete.draft());
    for draft in
        [Draft::message("between us"), MembershipChange::Join.draft(), MembershipChange::Accept.draft()]
    {
        for name in ["member", "stranger", "admin"] {
            assert_eq!(house.publish(name, &room, draft.clone()), Err(Code::RoomUnknown), "{name}");
        }
    }
    house.must("stranger", &room, RoomChange::create(RoomKind::Public, None).draft());
    house.must("stranger", &room, Draft::message("hello"));
}
