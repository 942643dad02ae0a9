//! What rooms are, and who belongs to them.

use std::sync::Arc;

use anchor_core::id::UserId;
use anchor_core::limits::TITLE_BYTES_MAX;
use anchor_core::position::Offset;
use anchor_core::room::{
    HistoryAccess, Member, Membership, Retention, Role, RoomInfo, RoomKind, Title, Topic,
};
use anchor_core::session::frame::{RoomEntry, RoomListing, Which};

use super::super::value::{Reader, Writer};
use super::parts::{
    entry_fields, offset, room, unread, user, write_entry_fields, write_tag, write_tagged, write_unread,
    write_user,
};
use super::{ANY_NUMBER, Fault, Fields};

/// `["readable"]`, `["mine"]` or `["public", text]`.
pub(super) fn which<'a, R: Reader<'a>>(r: &mut R) -> Result<Which, Fault> {
    r.array("which", |r| {
        Ok(match &*r.text()? {
            "readable" => Which::Readable,
            "mine" => Which::Mine,
            "public" => match r.text()? {
                text if text.len() > TITLE_BYTES_MAX => {
                    return Err(Fault::invalid("a text that is longer than a title"));
                }
                text => Which::Public(text.into()),
            },
            _ => return Err(Fault::invalid("expected readable, mine or public")),
        })
    })
}

pub(super) fn write_which<W: Writer>(w: &mut W, which: &Which) {
    match which {
        Which::Readable => write_tag(w, "readable"),
        Which::Mine => write_tag(w, "mine"),
        Which::Public(text) => write_tagged(w, "public", |w| w.text(text)),
    }
}

/// A room's entry, then what it is, then the user's place in it, then how far the user has read; all but the entry may be
/// left out.
pub(super) fn listing<'a, R: Reader<'a>>(r: &mut R) -> Result<RoomListing, Fault> {
    r.array("room", |r| {
        let entry = entry_fields(r)?;
        let kind = r.option("kind", Reader::text)?.map(|name| room_kind(&name));
        let info = RoomInfo {
            title: r.option("title", title)?,
            topic: r.option("topic", topic)?,
            archived: r.option("archived", Reader::flag)?.unwrap_or_default(),
            history: history(r.option("history", Reader::text)?.as_deref()),
            retention: r.option("retention", retention)?.unwrap_or_default(),
            default_role: r.option("default_role", Reader::text)?.map_or(Role::Member, |name| role(&name)),
            members: r.option("members", Reader::number)?.unwrap_or_default(),
            owners: r.option("owners", Reader::number)?.unwrap_or_default(),
            pins: r.list("pins", ANY_NUMBER, |r| Ok(offset(r)?))?,
            ..RoomInfo::new(kind.unwrap_or(RoomKind::Public))
        };
        let member = r.option("member", |r| r.array("member", member))?;
        let pair = r.option("pair", |r| {
            r.array("pair", |r| Ok(Box::new([r.field("pair", user)?, r.field("pair", user)?])))
        })?;
        let changed = r.option("changed", offset)?.unwrap_or_default();
        let info = RoomInfo { pair, changed, parent: r.option("parent", room)?, ..info };
        let entry = RoomEntry { unread: unread(r)?, ..entry };
        Ok(RoomListing { entry, info: kind.map(|_| Arc::new(info)), member })
    })
}

pub(super) fn write_listing<W: Writer>(w: &mut W, listing: &RoomListing) {
    let RoomListing { entry, info, member } = listing;
    let info = info.as_deref();
    w.open(18 + 2 * usize::from(entry.unread.is_some()));
    write_entry_fields(w, entry);
    w.option(info, |w, info| w.text(info.kind.name()));
    let none = RoomInfo::new(RoomKind::Public);
    let info = info.unwrap_or(&none);
    w.option(info.title.as_ref(), |w, title| w.text(title.as_str()));
    w.option(info.topic.as_ref(), |w, topic| w.text(topic.as_str()));
    w.flag(info.archived);
    w.text(info.history.name());
    match info.retention {
        Retention::Forever => w.nil(),
        Retention::Age(ms) => write_tagged(w, "age", |w| w.number(ms)),
        Retention::Count(events) => write_tagged(w, "count", |w| w.number(events)),
    }
    w.text(info.default_role.name());
    w.number(info.members);
    w.number(info.owners);
    w.list(&info.pins, |w, pin| w.number(pin.0));
    w.option(member.as_ref(), |w, member| {
        w.open(5);
        write_member(w, member);
        w.close();
    });
    w.option(info.pair.as_deref(), |w, pair| w.list(pair, write_user));
    w.number(info.changed.0);
    w.option(info.parent.as_ref(), |w, parent| w.text(parent.as_str()));
    write_unread(w, entry.unread);
    w.close();
}

/// `[user, membership, role, muted, joined_at, ended_at]`.
pub(super) fn member_of<'a, R: Reader<'a>>(r: &mut R) -> Result<(UserId, Member), Fault> {
    r.array("members", |r| Ok((r.field("user", user)?, member(r)?)))
}

pub(super) fn write_member_of<W: Writer>(w: &mut W, (user, member): &(UserId, Member)) {
    w.open(6);
    write_user(w, user);
    write_member(w, member);
    w.close();
}

/// `membership, role, muted, joined_at, ended_at`: five elements.
fn member<'a, R: Reader<'a>>(r: &mut R) -> Result<Member, Fault> {
    let membership = r.field("membership", Reader::text)?;
    Ok(Member {
        membership: Membership::from_name(&membership).unwrap_or(Membership::Left),
        role: role(&r.field("role", Reader::text)?),
        muted: r.field("muted", Reader::flag)?,
        joined_at: r.field("joined_at", offset)?,
        ended_at: r.field("ended_at", offset)?,
    })
}

fn write_member<W: Writer>(w: &mut W, member: &Member) {
    let Member { membership, role, muted, joined_at: Offset(joined_at), ended_at: Offset(ended_at) } =
        *member;
    w.text(membership.name());
    w.text(role.name());
    w.flag(muted);
    w.number(joined_at);
    w.number(ended_at);
}

/// `["age", ms]` or `["count", events]`; another way of keeping is none that a client could do anything about.
fn retention<'a, R: Reader<'a>>(r: &mut R) -> Result<Retention, Fault> {
    r.array("retention", |r| {
        Ok(match &*r.text()? {
            "age" => Retention::Age(r.number()?),
            "count" => Retention::Count(r.number()?),
            _ => Retention::Forever,
        })
    })
}

/// What is not known counts as what lets in fewest.
fn room_kind(name: &str) -> RoomKind {
    RoomKind::from_name(name).unwrap_or(RoomKind::Group)
}

fn history(name: Option<&str>) -> HistoryAccess {
    name.map_or(HistoryAccess::All, |name| HistoryAccess::from_name(name).unwrap_or(HistoryAccess::SinceJoin))
}

fn role(name: &str) -> Role {
    Role::from_name(name).unwrap_or(Role::ReadOnly)
}

fn title<'a>(r: &mut impl Reader<'a>) -> Result<Title, Fault> {
    Title::new(&r.text()?).map_err(|_| Fault::invalid("not a title"))
}

fn topic<'a>(r: &mut impl Reader<'a>) -> Result<Topic, Fault> {
    Topic::new(&r.text()?).map_err(|_| Fault::invalid("not a topic"))
}
