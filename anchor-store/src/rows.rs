//! What stands in the rows beside the logs: what a room is, its members, its users.
//!
//! Kinds, roles and memberships stand by their names, so that a row says what it says without this code.

use anchor_core::id::{RoomId, UserId};
use anchor_core::limits::{BLOCKED_MAX, PINS_MAX};
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::room::{
    HistoryAccess, Member, Membership, Retention, Role, RoomInfo, RoomKind, Title, Topic,
};
use anchor_core::user::{Contact, Direct, Profile, ProfileText, ReadReceipts, UserRow};

use crate::codec::{Encoder, fields, growing_fields, list, read_number, read_offset};

/// `[kind, title, topic, archived, history, retention, default role, members, owners, [pin, …], changed, pair, parent]`
pub(crate) fn write_info(out: &mut Encoder, info: &RoomInfo) {
    out.array(13).str(info.kind.name());
    out.optional(info.title.as_ref().map(Title::as_str)).optional(info.topic.as_ref().map(Topic::as_str));
    out.bool(info.archived).str(info.history.name());
    match info.retention {
        Retention::Forever => out.nil(),
        Retention::Age(ms) => out.array(2).str(AGE).uint(ms),
        Retention::Count(events) => out.array(2).str(COUNT).uint(events),
    };
    out.str(info.default_role.name()).uint(info.members).uint(info.owners);
    out.array(info.pins.len());
    for pin in &info.pins {
        out.uint(pin.0);
    }
    out.uint(info.changed.0);
    match &info.pair {
        Some(pair) => out.array(2).str(pair[0].as_str()).str(pair[1].as_str()),
        None => out.nil(),
    };
    out.optional(info.parent.as_ref().map(RoomId::as_str));
}

pub(crate) fn read_info(reader: &mut Reader<'_>) -> Result<RoomInfo, Malformed> {
    fields(reader, 13, |reader| {
        let info = RoomInfo {
            kind: RoomKind::from_name(reader.str()?).ok_or(Malformed("not a kind of room"))?,
            title: optional(reader, |text| Title::new(text).map_err(|_| Malformed("not a title")))?,
            topic: optional(reader, |text| Topic::new(text).map_err(|_| Malformed("not a topic")))?,
            archived: reader.bool()?,
            history: HistoryAccess::from_name(reader.str()?).ok_or(Malformed("not a history access"))?,
            retention: read_retention(reader)?,
            default_role: read_role(reader)?,
            members: read_number(reader)?,
            owners: read_number(reader)?,
            pins: list(reader, read_offset)?,
            changed: read_offset(reader)?,
            pair: match reader.nil()? {
                true => None,
                false => {
                    Some(fields(reader, 2, |reader| Ok(Box::new([read_user(reader)?, read_user(reader)?])))?)
                }
            },
            parent: optional(reader, |id| RoomId::new(id).map_err(|_| Malformed("not a room id")))?,
        };
        match info.owners <= info.members && info.pins.len() <= PINS_MAX {
            true => Ok(info),
            false => Err(Malformed("a room whose counts do not fit")),
        }
    })
}

fn read_retention(reader: &mut Reader<'_>) -> Result<Retention, Malformed> {
    if reader.nil()? {
        return Ok(Retention::Forever);
    }
    fields(reader, 2, |reader| {
        let name = reader.str()?;
        let number = read_number(reader)?;
        match name {
            AGE => Ok(Retention::Age(number)),
            COUNT => Ok(Retention::Count(number)),
            _ => Err(Malformed("not a retention")),
        }
    })
}

/// `[membership, role, muted, joined at, ended at]`
pub(crate) fn write_member(out: &mut Encoder, member: &Member) {
    out.array(5).str(member.membership.name()).str(member.role.name()).bool(member.muted);
    out.uint(member.joined_at.0).uint(member.ended_at.0);
}

pub(crate) fn read_member(reader: &mut Reader<'_>) -> Result<Member, Malformed> {
    fields(reader, 5, |reader| {
        Ok(Member {
            membership: Membership::from_name(reader.str()?).ok_or(Malformed("not a membership"))?,
            role: read_role(reader)?,
            muted: reader.bool()?,
            joined_at: read_offset(reader)?,
            ended_at: read_offset(reader)?,
        })
    })
}

/// `[name, avatar, status, direct, [blocked, …], receipts]`; the last was not written at first.
pub(crate) fn write_user(out: &mut Encoder, row: &UserRow) {
    let UserRow { profile: Profile { name, avatar, status }, contact: Contact { direct, blocked }, receipts } =
        row;
    out.array(6);
    for line in [name, avatar, status] {
        out.optional(line.as_ref().map(ProfileText::as_str));
    }
    out.str(direct.name()).array(blocked.len());
    for user in blocked {
        out.str(user.as_str());
    }
    out.bool(receipts.are_shown());
}

pub(crate) fn read_user_row(reader: &mut Reader<'_>) -> Result<UserRow, Malformed> {
    growing_fields(reader, 5, 6, |reader, length| {
        let line = |text: &str| ProfileText::new(text).map_err(|_| Malformed("not a line of a profile"));
        let profile = Profile {
            name: optional(reader, line)?,
            avatar: optional(reader, line)?,
            status: optional(reader, line)?,
        };
        let direct = Direct::from_name(reader.str()?).ok_or(Malformed("not a choice of who may write"))?;
        let blocked = list(reader, read_user)?;
        let shown = if length > 5 { reader.bool()? } else { true };
        let receipts = ReadReceipts::shown(shown);
        match blocked.len() <= BLOCKED_MAX {
            true => {
                let contact = Contact { direct, blocked: blocked.into_iter().collect() };
                Ok(UserRow { profile, contact, receipts })
            }
            false => Err(Malformed("a user who blocks more than a user may")),
        }
    })
}

pub(crate) fn read_user(reader: &mut Reader<'_>) -> Result<UserId, Malformed> {
    UserId::new(reader.str()?).map_err(|_| Malformed("not a user id"))
}

fn read_role(reader: &mut Reader<'_>) -> Result<Role, Malformed> {
    Role::from_name(reader.str()?).ok_or(Malformed("not a role"))
}

/// A text, or nil.
fn optional<T>(
    reader: &mut Reader<'_>,
    read: impl FnOnce(&str) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    if reader.nil()? { Ok(None) } else { read(reader.str()?).map(Some) }
}

/// Bytes that a user's row takes, about.
pub(crate) fn user_bytes(row: &UserRow) -> usize {
    let UserRow { profile: Profile { name, avatar, status }, contact, receipts: _ } = row;
    let lines: usize = [name, avatar, status].into_iter().flatten().map(|line| line.as_str().len()).sum();
    ROW_BYTES + lines + contact.blocked.len() * ROW_BYTES
}

/// Bytes that what a room is takes, about.
pub(crate) fn info_bytes(info: &RoomInfo) -> usize {
    let title = info.title.as_ref().map_or(0, |title| title.as_str().len());
    let topic = info.topic.as_ref().map_or(0, |topic| topic.as_str().len());
    2 * ROW_BYTES + title + topic + info.pins.len() * size_of::<u64>()
}

/// What a small row takes with its keys. Source: chosen; two long ids and some numbers.
pub(crate) const ROW_BYTES: usize = 160;

const AGE: &str = "age";
const COUNT: &str = "count";
