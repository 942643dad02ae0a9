//! Messages about messages: whose, to what, and what they change.

use super::acting::{Drafted, House, about, mentioning_all};
use crate::code::Code;
use crate::event::{Draft, EventKind, Mentions};
use crate::limits::{EDITS_MAX, PINS_MAX, SIGN_CHANGES_MAX, USER_SIGNS_MAX};
use crate::position::Offset;
use crate::room::change::{MembershipChange, RoomChange};
use crate::room::{HistoryAccess, RoomKind};

#[test]
fn a_redaction_takes_the_edits_with_it() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let message = house.newest(&room);
    house.must("member", &room, about(EventKind::EDIT, message, "better"));
    let edit = house.newest(&room);
    house.must("moderator", &room, about(EventKind::REACTION, message, "👍"));
    let effect = house.must("moderator", &room, about(EventKind::REDACTION, message, "rude"));
    assert_eq!(effect.redacts, [message, edit]);
    let again = [(EventKind::REDACTION, Code::Unchanged), (EventKind::EDIT, Code::TargetUnknown)];
    for (kind, code) in again {
        assert_eq!(house.publish("member", &room, about(kind, message, "x")), Err(code));
    }
}

#[test]
fn a_message_is_edited_so_often_and_no_more() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let message = house.newest(&room);
    for _ in 0..EDITS_MAX {
        house.must("member", &room, about(EventKind::EDIT, message, "better"));
    }
    assert_eq!(house.publish("member", &room, about(EventKind::EDIT, message, "best")), Err(Code::Full));
    assert_eq!(
        house.must("member", &room, about(EventKind::REDACTION, message, "")).redacts.len(),
        EDITS_MAX + 1
    );
}

#[test]
fn only_messages_are_answered_changed_and_pinned() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let head = house.newest(&room);
    for target in [Offset(1), head.next(), Offset(1_000)] {
        for kind in
            [EventKind::MESSAGE, EventKind::EDIT, EventKind::REDACTION, EventKind::REACTION, EventKind::PIN]
        {
            let refused = house.publish("owner", &room, about(kind, target, "👍"));
            assert_eq!(refused, Err(Code::TargetUnknown), "{kind:?} of {target:?}");
        }
    }
    let without = Draft { kind: EventKind::REACTION, ..Draft::message("👍") };
    assert_eq!(house.publish("owner", &room, without), Err(Code::Invalid));
}

#[test]
fn a_reply_names_the_root_of_its_thread() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let root = house.newest(&room);
    house.must("other", &room, about(EventKind::MESSAGE, root, "yes"));
    let reply = house.newest(&room);
    assert_eq!(house.publish("member", &room, about(EventKind::MESSAGE, reply, "no")), Err(Code::Invalid));
    house.must("member", &room, about(EventKind::MESSAGE, root, "no"));
}

#[test]
fn a_sign_is_normalised_and_a_text_is_none() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let message = house.newest(&room);
    let effect = house.must("other", &room, about(EventKind::REACTION, message, " 👍 "));
    assert_eq!(effect.body.expect("another body").as_text(), Some("👍"));
    for text in ["", &"x".repeat(65)] {
        assert_eq!(
            house.publish("other", &room, about(EventKind::REACTION, message, text)),
            Err(Code::Invalid)
        );
    }
}

#[test]
fn a_sign_is_set_once_and_taken_back_once() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let message = house.newest(&room);
    let (set, take_back) = (EventKind::REACTION, EventKind::REACTION_REMOVED);
    let mut act = |name: &str, kind, sign: &str| house.publish(name, &room, about(kind, message, sign)).err();
    assert_eq!(act("other", take_back, "👍"), Some(Code::Unchanged));
    assert_eq!(act("other", set, "👍"), None);
    assert_eq!(act("other", set, " 👍"), Some(Code::Unchanged));
    assert_eq!(act("other", set, "👎"), None);
    assert_eq!(act("member", set, "👍"), None);
    assert_eq!(act("other", take_back, "👍"), None);
    assert_eq!(act("other", take_back, "👍"), Some(Code::Unchanged));
    assert_eq!(act("member", set, "👍"), Some(Code::Unchanged));
    assert_eq!(act("other", set, "👍"), None);
}

#[test]
fn a_user_sets_so_many_signs_on_a_message_and_changes_them_so_often() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let message = house.newest(&room);
    let (set, take_back) = (EventKind::REACTION, EventKind::REACTION_REMOVED);
    let mut act = |name: &str, kind, sign: &str| house.publish(name, &room, about(kind, message, sign)).err();
    for n in 0..USER_SIGNS_MAX {
        assert_eq!(act("other", set, &n.to_string()), None);
    }
    assert_eq!(act("other", set, "one more"), Some(Code::Full));
    assert_eq!(act("member", set, "one more"), None);
    let changes = USER_SIGNS_MAX as u64..SIGN_CHANGES_MAX;
    changes.zip([take_back, set].into_iter().cycle()).for_each(|(_, kind)| {
        assert_eq!(act("other", kind, "0"), None);
    });
    assert_eq!(act("other", take_back, "1"), None);
    assert_eq!(act("other", set, "1"), Some(Code::Full));
    assert_eq!(act("other", take_back, "0"), None);
}

#[test]
fn pins_are_few_and_go_with_their_message() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let mut messages = Vec::new();
    for _ in 0..=PINS_MAX {
        house.must("member", &room, Draft::message("pin me"));
        messages.push(house.newest(&room));
    }
    for message in &messages[..PINS_MAX] {
        house.must("moderator", &room, about(EventKind::PIN, *message, ""));
    }
    let last = messages[PINS_MAX];
    assert_eq!(house.publish("owner", &room, about(EventKind::PIN, last, "")), Err(Code::Full));
    assert_eq!(house.publish("owner", &room, about(EventKind::PIN, messages[0], "")), Err(Code::Unchanged));
    assert_eq!(house.publish("owner", &room, about(EventKind::UNPIN, last, "")), Err(Code::Unchanged));
    house.must("member", &room, about(EventKind::REDACTION, messages[0], ""));
    assert_eq!(house.info(&room).pins, messages[1..PINS_MAX]);
    house.must("owner", &room, about(EventKind::UNPIN, messages[1], ""));
    house.must("owner", &room, about(EventKind::PIN, last, ""));
    assert_eq!(house.info(&room).pins.last(), Some(&last));
}

#[test]
fn the_whole_room_is_called_by_few() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    assert_eq!(house.publish("other", &room, mentioning_all()), Err(Code::Denied));
    let message = house.newest(&room);
    let edit = Draft { kind: EventKind::EDIT, target: Some(message), ..mentioning_all() };
    assert_eq!(house.publish("member", &room, edit), Err(Code::Denied), "nor by an edit");
    house.must("moderator", &room, mentioning_all());
    let (mut house, room) = House::with_crew(RoomKind::Public, false);
    house.must("stranger", &room, mentioning_all());
}

#[test]
fn only_messages_and_edits_call_somebody() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let message = house.newest(&room);
    let calling =
        |draft: Draft| Draft { body: draft.body.mentioning(Mentions::new(true, []).unwrap()), ..draft };
    for kind in [EventKind::REDACTION, EventKind::REACTION, EventKind::REACTION_REMOVED, EventKind::PIN] {
        let refused = house.publish("owner", &room, calling(about(kind, message, "👍")));
        assert_eq!(refused, Err(Code::Invalid), "{kind:?}");
    }
    assert_eq!(house.publish("owner", &room, calling(MembershipChange::Leave.draft())), Err(Code::Invalid));
    assert_eq!(house.publish("owner", &room, calling(RoomChange::Archive.draft())), Err(Code::Invalid));
}

#[test]
fn what_is_about_the_room_is_about_no_message() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let target = Some(house.newest(&room));
    let leaving = Draft { target, ..MembershipChange::Leave.draft() };
    assert_eq!(house.publish("member", &room, leaving), Err(Code::Invalid));
    let archiving = Draft { target, ..RoomChange::Archive.draft() };
    assert_eq!(house.publish("owner", &room, archiving), Err(Code::Invalid));
}

#[test]
fn what_a_newcomer_cannot_see_it_cannot_speak_about() {
    let (mut house, room) = House::with_crew(RoomKind::Group, true);
    let message = house.newest(&room);
    house.must("owner", &room, super::acting::since_join());
    assert_eq!(house.info(&room).history, HistoryAccess::SinceJoin);
    house.must("invited", &room, MembershipChange::Accept.draft());
    let reaction = || about(EventKind::REACTION, message, "👍");
    assert_eq!(house.publish("invited", &room, reaction()), Err(Code::TargetUnknown));
    house.must("owner", &room, reaction());
    house.must("invited", &room, Draft::message("hi"));
    assert!(house.member(&room, "invited").expect("a place").joined_at > message);
}
