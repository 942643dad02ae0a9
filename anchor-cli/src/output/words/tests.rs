//! What each kind of event says, and what nobody can make it say.

use anchor_core::event::{Body, Event, EventKind, Mentions};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Offset, Ordinal};
use anchor_core::room::change::{MembershipChange, Report, RoomChange};
use anchor_core::room::{Changes, Edit, Reaction, Role, Sign};

use super::{Words, now, of};

fn event(kind: EventKind, target: Option<u64>, body: impl Into<Body>) -> Event {
    Event {
        offset: Offset(12),
        ordinal: Ordinal(12),
        chain: Chain::ZERO,
        ts: 0,
        user: UserId::new("ada").unwrap(),
        client: ClientTag::from_bytes([1; 8]),
        seq: Seq::FIRST,
        nonce: Nonce(1),
        kind,
        target: target.map(Offset),
        body: Some(body.into()),
    }
}

fn said(kind: EventKind, target: Option<u64>, body: impl Into<Body>) -> (String, Option<String>) {
    let Words { what, text } = of(&RoomId::lobby(), &event(kind, target, body));
    (what, text)
}

fn deed(kind: EventKind, target: Option<u64>, body: impl Into<Body>) -> String {
    let (what, text) = said(kind, target, body);
    assert_eq!(text, None);
    what
}

#[test]
fn deeds_are_told_in_words() {
    let bob = UserId::new("bob").unwrap();
    let membership = |change: MembershipChange| deed(EventKind::MEMBERSHIP, None, change.to_body());
    let role = Some(Role::Moderator);
    assert_eq!(
        membership(MembershipChange::Invite { user: bob.clone(), role }),
        " [invited bob as moderator]"
    );
    assert_eq!(membership(MembershipChange::Leave), " [left]");
    assert_eq!(membership(MembershipChange::Unban { user: bob }), " [lifted the ban of bob]");
    let room = |text: &str| {
        let change = RoomChange::from_body(&Body::text(text)).unwrap();
        deed(EventKind::ROOM, None, change.to_body())
    };
    assert_eq!(
        room(r#"{"action":"set","title":"","retention":{"count":9}}"#),
        " [changed this room: no title, keeps the newest 9 events]"
    );
    assert_eq!(room(r#"{"action":"delete"}"#), " [deleted this room]");
    assert_eq!(deed(EventKind::REACTION, Some(3), "👍"), " [👍 on #3]");
    assert_eq!(deed(EventKind::PIN, Some(3), ""), " [pinned #3]");
    let report = Report { room: RoomId::lobby(), offset: Offset(3), reason: Some("spam".to_owned()) };
    assert_eq!(deed(EventKind::REPORT, None, report.to_body()), " [reported #3 of lobby: spam]");
}

#[test]
fn what_was_said_stands_behind_what_it_is() {
    assert_eq!(said(EventKind::MESSAGE, Some(3), "x"), (" [reply to #3]".to_owned(), Some("x".to_owned())));
    assert_eq!(
        said(EventKind::REDACTION, Some(3), "spam"),
        (" [redacted #3]".to_owned(), Some("spam".to_owned()))
    );
    let all = Mentions { room: true, users: vec![UserId::new("bob").unwrap()] };
    let called = said(EventKind::MESSAGE, None, Body::text("x").mentioning(all));
    assert_eq!(called.0, " [calls bob, everybody here]");
    let announced = of(&RoomId::announcements(), &event(EventKind::MESSAGE, None, "x"));
    assert_eq!(announced.what, " [announcement]");
    // Of a later version, or of nobody's making.
    assert_eq!(said(EventKind(999), None, "x"), (" [kind 999]".to_owned(), Some("x".to_owned())));
    assert_eq!(said(EventKind::MEMBERSHIP, None, "x"), (" [membership]".to_owned(), Some("x".to_owned())));
}

#[test]
fn a_message_is_what_became_of_it() {
    let sign = Sign::new("👍").unwrap();
    let edit = Edit { offset: Offset(20), ts: 0, body: Some("newer".into()) };
    let changes = Changes {
        target: Offset(12),
        edit: Some(edit),
        reactions: vec![Reaction { sign, count: 2, mine: true }],
        replies: 3,
        pinned: true,
        ..Changes::default()
    };
    let message = event(EventKind::MESSAGE, None, "older");
    let shown = now(&RoomId::lobby(), &message, &changes);
    assert_eq!(shown.what, " [edited] [👍 2 (you too), replies: 3, pinned]");
    assert_eq!(shown.text.as_deref(), Some("newer"));
    // A page may be older than its changes.
    let redacted = Changes { redacted_by: Some(Offset(30)), edit: None, ..changes };
    let shown = now(&RoomId::lobby(), &message, &redacted);
    assert_eq!((shown.what.as_str(), shown.text), (" [redacted] [👍 2 (you too), replies: 3, pinned]", None));
}

#[test]
fn nobody_makes_it_say_something_else() {
    let eve = UserId::new("bob] [left").unwrap();
    let invited = MembershipChange::Invite { user: eve, role: None }.to_body();
    assert_eq!(deed(EventKind::MEMBERSHIP, None, invited), " [invited \"bob] [left\"]");
    assert_eq!(deed(EventKind::REACTION, Some(3), "x on #4] [left"), " [\"x on #4] [left\" on #3]");
    let nasty = Body::text("{\"action\":\"set\",\"title\":\"a\\u001b[2Jb\"}");
    // No store takes it; were there one, it would be shown as it stands, escaped where it is printed.
    assert!(RoomChange::from_body(&nasty).is_err());
}
