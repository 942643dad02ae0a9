//! Rooms and members, as people and programs read them.

use anchor_core::id::{RoomId, UserId};
use anchor_core::room::{Member, Membership, Retention, RoomInfo};
use anchor_core::session::frame::RoomListing;
use serde_json::{Value, json};

use crate::escape;

/// A room with all that is known of it.
pub(crate) fn json(listing: &RoomListing) -> Value {
    let RoomListing { entry, info, member } = listing;
    let info = info.as_deref();
    json!({
        "room": entry.room.as_str(),
        "epoch": entry.epoch.map(|epoch| epoch.to_string()),
        "head": entry.head.0,
        "horizon": entry.horizon.0,
        "read": entry.unread.map(|unread| unread.read.0),
        "unread": entry.unread.map(|unread| unread.messages),
        "kind": info.map(|info| info.kind.name()),
        "title": info.and_then(|info| info.title.as_ref()).map(ToString::to_string),
        "topic": info.and_then(|info| info.topic.as_ref()).map(ToString::to_string),
        "archived": info.is_some_and(|info| info.archived),
        "history": info.map(|info| info.history.name()),
        "retention": info.map(|info| retention_json(info.retention)),
        "default_role": info.map(|info| info.default_role.name()),
        "members": info.map_or(0, |info| info.members),
        "owners": info.map_or(0, |info| info.owners),
        "pins": info.map(|info| info.pins.iter().map(|pin| pin.0).collect::<Vec<_>>()).unwrap_or_default(),
        "pair": info.and_then(|info| info.pair.as_ref()).map(|pair| pair.each_ref().map(UserId::as_str)),
        "member": member.as_ref().map(member_json),
    })
}

/// A user's place in a room.
pub(crate) fn member(room: &RoomId, user: &UserId, member: &Member) -> Value {
    let mut value = member_json(member);
    value["room"] = room.as_str().into();
    value["user"] = user.as_str().into();
    value
}

/// `plans #12 group, members: 3, 2 unread, you: owner: Plans for May`
pub(crate) fn line(listing: &RoomListing, reader: &UserId) -> String {
    let mut line =
        format!("{} #{} {}", escape::line(listing.entry.room.as_str()), listing.entry.head, kind(listing));
    if let Some(info) = &listing.info {
        match other(info, reader) {
            Some(other) => line += &format!(" with {}", escape::name(other.as_str())),
            None => line += &format!(", members: {}", info.members),
        }
        line += if info.archived { ", archived" } else { "" };
    }
    if let Some(unread) = unread(listing) {
        line += &format!(", {unread} unread");
    }
    if let Some(place) = listing.member.as_ref().map(place) {
        line += &format!(", you: {place}");
    }
    let title = listing.info.as_ref().and_then(|info| info.title.as_ref());
    title.map_or(line.clone(), |title| format!("{line}: {}", escape::line(title.as_str())))
}

/// Everything about a room, a line for each thing.
pub(crate) fn lines(listing: &RoomListing, reader: &UserId) -> Vec<String> {
    let entry = &listing.entry;
    let mut lines = vec![
        format!("room: {}", escape::line(entry.room.as_str())),
        format!("kind: {}", kind(listing)),
        format!("events: {} to {}", entry.horizon, entry.head),
    ];
    lines.extend(unread(listing).map(|unread| format!("unread: {unread}")));
    if let Some(info) = &listing.info {
        if let Some(title) = &info.title {
            lines.push(format!("title: {}", escape::line(title.as_str())));
        }
        if let Some(topic) = &info.topic {
            lines.push(format!("topic: {}", escape::line(topic.as_str())));
        }
        if let Some(other) = other(info, reader) {
            lines.push(format!("with: {}", escape::name(other.as_str())));
        }
        lines.push(format!("members: {}, owners: {}", info.members, info.owners));
        lines.push(format!("who joins: reads {}, as {}", info.history.name(), info.default_role.name()));
        lines.push(format!("keeps: {}", retention(info.retention)));
        if info.archived {
            lines.push("archived: nothing more is said in it".to_owned());
        }
        if !info.pins.is_empty() {
            let pins: Vec<_> = info.pins.iter().map(|pin| format!("#{pin}")).collect();
            lines.push(format!("pinned: {}", pins.join(" ")));
        }
    }
    lines.push(format!("you: {}", listing.member.as_ref().map_or_else(|| "no member".to_owned(), place)));
    lines
}

/// A user's place in words: `moderator`, `member (muted)`, `invited as member`, `banned`.
pub(crate) fn place(member: &Member) -> String {
    match member.membership {
        Membership::Joined if member.muted => format!("{} (muted)", member.role.name()),
        Membership::Joined => member.role.name().to_owned(),
        Membership::Invited => format!("invited as {}", member.role.name()),
        membership => membership.name().to_owned(),
    }
}

/// For how long events are kept, in words.
pub(crate) fn retention(retention: Retention) -> String {
    match retention {
        Retention::Forever => "everything".to_owned(),
        Retention::Age(ms) => format!("events of the last {} s", ms.div_ceil(1_000)),
        Retention::Count(events) => format!("the newest {events} events"),
    }
}

/// Messages that the reader has not read, if there are any.
pub(crate) fn unread(listing: &RoomListing) -> Option<u64> {
    listing.entry.unread.map(|unread| unread.messages).filter(|messages| *messages > 0)
}

fn kind(listing: &RoomListing) -> &'static str {
    listing.info.as_ref().map_or("open to everybody, nobody's", |info| info.kind.name())
}

/// Of a direct room: who is not the reader.
fn other<'a>(info: &'a RoomInfo, reader: &UserId) -> Option<&'a UserId> {
    let [one, other] = info.pair.as_deref()?;
    Some(if one == reader { other } else { one })
}

fn member_json(member: &Member) -> Value {
    let Member { membership, role, muted, joined_at, ended_at } = member;
    json!({
        "membership": membership.name(),
        "role": role.name(),
        "muted": muted,
        "joined_at": joined_at.0,
        "ended_at": ended_at.0,
    })
}

/// As the body of a room event has it.
fn retention_json(retention: Retention) -> Value {
    match retention {
        Retention::Forever => "forever".into(),
        Retention::Age(ms) => json!({ "age_ms": ms }),
        Retention::Count(events) => json!({ "count": events }),
    }
}
