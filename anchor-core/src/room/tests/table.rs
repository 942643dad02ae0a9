//! `docs/guide/rooms.md` against the rules: each cell of its tables is what the rules say.

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

fn check(title: &str, kind: RoomKind, has_owner: bool) {
    let written = rows(title);
    let who: Vec<&str> = written[0][1..].to_vec();
    let (mut house, room) = House::with_crew(kind, has_owner);
    let mut actual = vec![written[0].iter().map(ToString::to_string).collect::<Vec<_>>()];
    for (act, draft) in acts(&house, &room) {
        let mut row = vec![act.to_owned()];
        for name in &who {
            row.push(cell(&mut house, &room, name, draft.as_deref()));
        }
        actual.push(row);
    }
    let expected: Vec<String> = actual.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    let written: Vec<String> = written.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    assert!(written == expected, "{title}:\n{}", expected.join("\n"));
}

/// What somebody may do: `yes`, or the code of the refusal.
fn cell(house: &mut House, room: &RoomId, name: &str, draft: Option<&dyn Fn(&str) -> Draft>) -> String {
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

type Act = (&'static str, Option<Box<dyn Fn(&str) -> Draft>>);

fn acts(house: &House, room: &RoomId) -> Vec<Act> {
    fn act(name: &'static str, draft: impl Fn(&str) -> Draft + 'static) -> Act {
        (name, Some(Box::new(draft)))
    }
    let of_member = house.newest(room);
    let crew = room.clone();
    let report = move |_: &str| Draft {
        kind: EventKind::REPORT,
        target: None,
        body: Report { room: crew.clone(), offset: of_member, reason: None }.to_body(),
    };
    let subject = |change: fn(crate::id::UserId) -> MembershipChange| {
        // Whoever acts does not act on themselves.
        move |name: &str| change(user(if name == "other" { "member" } else { "other" })).draft()
    };
    let title = Settings { title: Some(Some(Title::new("Crew").expect("a title"))), ..Settings::default() };
    vec![
        ("read", None),
        act("write a message", |_| Draft::message("hi")),
        act("reply", move |_| Draft { target: Some(of_member), ..Draft::message("hi") }),
        act("mention the whole room", |_| mentioning_all()),
        act("react", move |_| about(EventKind::REACTION, of_member, "👍")),
        act("edit a message of `member`", move |_| about(EventKind::EDIT, of_member, "hey")),
        act("redact a message of `member`", move |_| about(EventKind::REDACTION, of_member, "")),
        act("pin a message", move |_| about(EventKind::PIN, of_member, "")),
        act("report a message", report),
        act("invite somebody", |_| MembershipChange::Invite { user: user("new"), role: None }.draft()),
        act("join", |_| MembershipChange::Join.draft()),
        act("accept an invitation", |_| MembershipChange::Accept.draft()),
        act("leave", |_| MembershipChange::Leave.draft()),
        act("kick a member", subject(|user| MembershipChange::Kick { user })),
        act("ban a member", subject(|user| MembershipChange::Ban { user })),
        act("unban somebody", |_| MembershipChange::Unban { user: user("banned") }.draft()),
        act("mute a member", subject(|user| MembershipChange::Mute { user })),
        act("make a member read-only", |name| {
            role(if name == "other" { "member" } else { "other" }, Role::ReadOnly)
        }),
        act("make a member a moderator", |name| {
            role(if name == "other" { "member" } else { "other" }, Role::Moderator)
        }),
        act("make a member an owner", |name| {
            role(if name == "other" { "member" } else { "other" }, Role::Owner)
        }),
        act("set title and topic", move |_| RoomChange::Set(title.clone()).draft()),
        act("set history, retention, default role", |_| since_join()),
        act("archive the room", |_| RoomChange::Archive.draft()),
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
