//! `docs/guide/rooms.md` against the rules: each cell of its tables is what the rules say.

use std::sync::Arc;

use super::acting::{Drafted, House, about, mentioning_all, role, since_join, user};
use crate::event::{Draft, EventKind};
use crate::id::RoomId;
use crate::room::Title;
use crate::room::change::{MembershipChange, Report, RoomChange, Settings};
use crate::room::{Role, RoomKind, Standing};

const PAGE: &str = include_str!("../../../../docs/guide/rooms.md");

#[test]
fn group_rooms() {
    check("In a group room", RoomKind::Group, true);
}

#[test]
fn public_rooms_with_an_owner() {
    check("In a public room with an owner", RoomKind::Public, true);
}

#[test]
fn public_rooms_without_an_owner() {
    check("In a public room without an owner", RoomKind::Public, false);
}

#[test]
fn direct_rooms() {
    check("In a direct room", RoomKind::Direct, false);
}

#[test]
fn archived_rooms() {
    let (house, room) = House::with_crew(RoomKind::Group, true);
    let crew = ["member", "owner", "invited"];
    let (mut refused, mut goes_on) = (Vec::new(), Vec::new());
    for Act { name: act, given, draft } in acts(&house, &room) {
        let answer_to = |name: &&str, archived: bool| {
            let mut house = house.clone();
            given.take_place(&mut house, &room, name);
            if archived {
                Given::Archived.take_place(&mut house, &room, name);
            }
            cell(&mut house, &room, name, draft.as_deref())
        };
        let who = crew.iter().find(|name| answer_to(name, false) == "yes").expect("somebody may do it");
        match answer_to(who, true).as_str() {
            "yes" => goes_on.push(act),
            "`room_archived`" => refused.push(act),
            answer => assert_eq!((act, answer), ("archive the room", "`unchanged`")),
        }
    }
    let (goes_on, refused) = (goes_on.join(" · "), refused.join(" · "));
    let expected = [["goes on", &goes_on], ["refused `room_archived`", &refused]];
    assert!(rows("In an archived room")[1..] == expected, "{expected:#?}");
}

fn check(title: &str, kind: RoomKind, has_owner: bool) {
    let written = rows(title);
    let who: Vec<&str> = written[0][1..].to_vec();
    let (house, room) = House::with_crew(kind, has_owner);
    let mut actual = vec![written[0].iter().map(ToString::to_string).collect::<Vec<_>>()];
    for Act { name: act, given, draft } in acts(&house, &room) {
        let mut row = vec![act.to_owned()];
        for name in &who {
            let mut house = house.clone();
            given.take_place(&mut house, &room, name);
            row.push(cell(&mut house, &room, name, draft.as_deref()));
        }
        actual.push(row);
    }
    let expected: Vec<String> = actual.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    let written: Vec<String> = written.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    assert!(written == expected, "{title}:\n{}", expected.join("\n"));
}

/// What somebody may do: `yes`, or the code of the refusal.
fn cell(house: &mut House, room: &RoomId, name: &str, draft: Option<&Drafting>) -> String {
    let refusal = match draft {
        Some(draft) => {
            let draft = draft(name);
            let room = if draft.kind == EventKind::REPORT { RoomId::reports_of(room) } else { room.clone() };
            house.ask(name, &room, &draft).err()
        }
        None => {
            let standing = Standing {
                info: house.infos.get(room).cloned(),
                member: house.member(room, name),
                deleted: None,
            };
            let permit = standing.permit(room, name == "admin", None);
            if permit.as_ref().is_ok_and(|permit| permit.until.is_some()) {
                return "until then".to_owned();
            }
            permit.err()
        }
    };
    refusal.map_or_else(|| "yes".to_owned(), |refusal| format!("`{}`", refusal.code))
}

/// A row: what somebody does, by name; none is reading.
struct Act {
    name: &'static str,
    given: Given,
    draft: Option<Box<Drafting>>,
}

type Drafting = dyn Fn(&str) -> Draft;

impl Act {
    fn given(self, given: Given) -> Self {
        Self { given, ..self }
    }
}

/// What is so before somebody acts, that there be something to take back. However it came about: who set a sign may have
/// been a member then.
#[derive(Clone, Copy)]
enum Given {
    Nothing,
    Signed,
    Pinned,
    Muted,
    Archived,
}

impl Given {
    fn take_place(self, house: &mut House, room: &RoomId, name: &str) {
        let newest = house.newest(room);
        let info = house.infos.get_mut(room).map(Arc::make_mut).expect("something was decided of the room");
        match self {
            Self::Nothing => {}
            Self::Signed => {
                let sign = about(EventKind::REACTION, newest, "👍");
                house.logs.get_mut(room).expect("the room has events").push((user(name), sign));
            }
            Self::Pinned => info.pins.push(newest),
            Self::Muted => {
                let place = (room.clone(), user(subject_of(name)));
                house.members.get_mut(&place).expect("a member").muted = true;
            }
            Self::Archived => info.archived = true,
        }
    }
}

/// On whom somebody acts: nobody does on themselves.
fn subject_of(name: &str) -> &'static str {
    if name == "other" { "member" } else { "other" }
}

fn acts(house: &House, room: &RoomId) -> Vec<Act> {
    fn act(name: &'static str, draft: impl Fn(&str) -> Draft + 'static) -> Act {
        Act { name, given: Given::Nothing, draft: Some(Box::new(draft)) }
    }
    let of_member = house.newest(room);
    let crew = room.clone();
    let report = move |_: &str| Draft {
        kind: EventKind::REPORT,
        target: None,
        body: Report { room: crew.clone(), offset: of_member, reason: None }.to_body(),
    };
    let subject = |change: fn(crate::id::UserId) -> MembershipChange| {
        move |name: &str| change(user(subject_of(name))).draft()
    };
    let title = Settings { title: Some(Some(Title::new("Crew").expect("a title"))), ..Settings::default() };
    vec![
        Act { name: "read", given: Given::Nothing, draft: None },
        act("write a message", |_| Draft::message("hi")),
        act("reply", move |_| Draft { target: Some(of_member), ..Draft::message("hi") }),
        act("mention the whole room", |_| mentioning_all()),
        act("react", move |_| about(EventKind::REACTION, of_member, "👍")),
        act("take a reaction of one's own back", move |_| {
            about(EventKind::REACTION_REMOVED, of_member, "👍")
        })
        .given(Given::Signed),
        act("edit a message of `member`", move |_| about(EventKind::EDIT, of_member, "hey")),
        act("redact a message of `member`", move |_| about(EventKind::REDACTION, of_member, "")),
        act("pin a message", move |_| about(EventKind::PIN, of_member, "")),
        act("take a pin away", move |_| about(EventKind::UNPIN, of_member, "")).given(Given::Pinned),
        act("report a message", report),
        act("invite somebody", |_| MembershipChange::Invite { user: user("new"), role: None }.draft()),
        act("join", |_| MembershipChange::Join.draft()),
        act("accept an invitation", |_| MembershipChange::Accept.draft()),
        act("decline an invitation", |_| MembershipChange::Decline.draft()),
        act("leave", |_| MembershipChange::Leave.draft()),
        act("kick a member", subject(|user| MembershipChange::Kick { user })),
        act("ban a member", subject(|user| MembershipChange::Ban { user })),
        act("unban somebody", |_| MembershipChange::Unban { user: user("banned") }.draft()),
        act("mute a member", subject(|user| MembershipChange::Mute { user })),
        act("let a muted member write again", subject(|user| MembershipChange::Unmute { user }))
            .given(Given::Muted),
        act("make a member read-only", |name| role(subject_of(name), Role::ReadOnly)),
        act("make a member a moderator", |name| role(subject_of(name), Role::Moderator)),
        act("make a member an owner", |name| role(subject_of(name), Role::Owner)),
        act("set title and topic", move |_| RoomChange::Set(title.clone()).draft()),
        act("set history, retention, default role", |_| since_join()),
        act("archive the room", |_| RoomChange::Archive.draft()),
        act("bring an archived room back", |_| RoomChange::Unarchive.draft()).given(Given::Archived),
        act("delete the room", |_| RoomChange::Delete.draft()),
    ]
}

/// The rows of the table under a heading: cells without the lines that make it a table.
fn rows(title: &str) -> Vec<Vec<&'static str>> {
    let heading = format!("### {title}\n");
    let (_, rest) = PAGE.split_once(&heading).unwrap_or_else(|| panic!("the page has no '{title}'"));
    let section = rest.split("\n#").next().unwrap_or_default();
    let table =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table
        .filter(|line| !line.starts_with("| ---"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}
