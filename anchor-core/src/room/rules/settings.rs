//! What a room is: its creation, its settings, its end; and what is reported of it.

use super::{Acting, Decision, Effect, Facts, denied, invalid, unchanged};
use crate::code::Code;
use crate::error::BoxError;
use crate::event::Body;
use crate::id::{RoomId, UserId};
use crate::position::Offset;
use crate::publish::Refusal;
use crate::room::change::{Report, RoomChange, Settings};
use crate::room::info::{RoomInfo, RoomKind};
use crate::room::member::{Member, Membership, Role};
use crate::room::standing::Standing;
use crate::sabotage::{self, Sabotage};
use crate::user::Direct;

pub(super) fn decide(acting: &Acting<'_>, facts: &mut dyn Facts) -> Result<Decision, BoxError> {
    let asked = acting.asked;
    let change = match RoomChange::from_body(&asked.draft.body) {
        Ok(change) => change,
        Err(error) => return Ok(Err(invalid(format!("a room event: {error}")))),
    };
    let decided = match &change {
        RoomChange::Create { kind: RoomKind::Direct, user, settings } => {
            return create_direct(acting, facts, user.as_ref(), settings);
        }
        // Whoever owns a room reads what was reported of it: that of an earlier room of this id is not theirs to read.
        RoomChange::Create { .. }
            if !asked.exists && facts.info(&RoomId::reports_of(asked.room))?.is_some() =>
        {
            Err(Refusal::new(
                Code::RoomExists,
                "what was reported of an earlier room of this id is kept: take another id",
            ))
        }
        RoomChange::Create { kind, user, settings } => create(acting, *kind, user.as_ref(), settings),
        _ if !asked.exists => Err(Refusal::new(Code::RoomUnknown, "there is no such room")),
        _ if asked.room.is_system() && !asked.admin => {
            Err(denied("only an admin of the server changes this room"))
        }
        RoomChange::Set(settings) => set(acting, settings),
        RoomChange::Archive | RoomChange::Unarchive => archive(acting, matches!(change, RoomChange::Archive)),
        RoomChange::Delete => match acting.is_ownerless() && !asked.admin {
            true => Err(denied("nobody owns this room: only an admin of the server deletes it")),
            false => acting.at_least(Role::Owner).map(|_| Effect { deletes: true, ..Effect::default() }),
        },
    };
    Ok(decided
        .map(|effect| Some(Box::new(Effect { body: normalised(&change, &asked.draft.body), ..effect }))))
}

fn create(
    acting: &Acting<'_>,
    kind: RoomKind,
    user: Option<&UserId>,
    settings: &Settings,
) -> Result<Effect, Refusal> {
    let asked = acting.asked;
    if kind == RoomKind::System || asked.room.is_system() {
        return Err(denied("rooms whose id begins with @ are made by the server alone"));
    }
    if user.is_some() {
        return Err(invalid("only a direct room is created with another user"));
    }
    // An admin gives a room that came into being with its first message an owner.
    let is_adopted = asked.admin && kind == RoomKind::Public && acting.is_ownerless();
    if asked.exists && !is_adopted {
        return Err(Refusal::new(Code::RoomExists, "there is a room of this id already"));
    }
    let mut info = if asked.exists { acting.changed() } else { fresh(acting, kind) };
    apply(&mut info, settings);
    info.owners += 1;
    info.members += u64::from(acting.member.and_then(|member| member.joined()).is_none());
    let owner = joined(asked.offset, Role::Owner);
    Ok(Effect { info: Some(info), members: vec![(asked.user.clone(), owner)], ..Effect::default() })
}

fn create_direct(
    acting: &Acting<'_>,
    facts: &mut dyn Facts,
    other: Option<&UserId>,
    settings: &Settings,
) -> Result<Decision, BoxError> {
    let asked = acting.asked;
    let Some(other) = other else { return Ok(Err(invalid("a direct room is created with another user"))) };
    if *asked.room != RoomId::direct(asked.user, other) {
        return Ok(Err(invalid("the id of a direct room follows from its two users")));
    }
    if *settings != Settings::default() {
        return Ok(Err(invalid("a direct room has no settings")));
    }
    if asked.exists && !sabotage::is(Sabotage::DirectOpenedTwice) {
        return Ok(Err(Refusal::new(Code::RoomExists, "the two of you have a room already")));
    }
    if other != asked.user && !asked.admin {
        // The same for whoever is blocked and whoever is not: a sentence of their own would tell them apart.
        let refusal = denied(
            "this user does not take direct messages from you: unless you are blocked, a room that you both join may \
             change that, or this user's taking them from everyone",
        );
        let contact = facts.contact(other)?;
        let is_open = match contact.direct {
            Direct::Everyone => true,
            Direct::Nobody => sabotage::is(Sabotage::NobodyIsEverybody),
            Direct::Shared => facts.share_a_room(asked.user, other)?,
        };
        if !is_open || contact.blocked.contains(asked.user) {
            return Ok(Err(refusal));
        }
        if facts.contact(asked.user)?.blocked.contains(other) {
            return Ok(Err(denied("you have blocked this user")));
        }
    }
    let mut pair = [asked.user.clone(), other.clone()];
    pair.sort();
    let member = joined(asked.offset, Role::Member);
    let mut members: Vec<_> = pair.iter().map(|user| (user.clone(), member)).collect();
    members.dedup_by(|one, other| one.0 == other.0);
    let info = RoomInfo {
        members: members.len() as u64,
        pair: Some(Box::new(pair)),
        ..fresh(acting, RoomKind::Direct)
    };
    Ok(Ok(Some(Box::new(Effect { info: Some(info), members, ..Effect::default() }))))
}

fn set(acting: &Acting<'_>, settings: &Settings) -> Result<Effect, Refusal> {
    acting.writing()?;
    let is_owners =
        settings.history.is_some() || settings.retention.is_some() || settings.default_role.is_some();
    if acting.is_kind(RoomKind::Direct) {
        return Err(denied("a direct room has no settings"));
    }
    if is_owners && acting.is_ownerless() && !acting.asked.admin {
        return Err(denied("nobody owns this room: only an admin of the server changes this"));
    }
    if is_owners {
        acting.at_least(Role::Owner)?;
    } else if !acting.is_ownerless() {
        acting.at_least(Role::Moderator)?;
    }
    let before = acting.changed();
    let mut info = before.clone();
    apply(&mut info, settings);
    match info == before {
        true => Err(unchanged("it is so already")),
        false => Ok(Effect { info: Some(info), ..Effect::default() }),
    }
}

fn archive(acting: &Acting<'_>, archived: bool) -> Result<Effect, Refusal> {
    if acting.is_ownerless() && !acting.asked.admin {
        return Err(denied("nobody owns this room: only an admin of the server archives it"));
    }
    acting.at_least(Role::Owner)?;
    let mut info = acting.changed();
    if info.archived == archived {
        return Err(unchanged("it is so already"));
    }
    info.archived = archived;
    Ok(Effect { info: Some(info), ..Effect::default() })
}

/// Decides what is put before the moderators of a room: an event of a room of its own, which comes into being with it.
pub(super) fn report(acting: &Acting<'_>, facts: &mut dyn Facts) -> Result<Decision, BoxError> {
    let asked = acting.asked;
    let Report { room, offset, .. } = match Report::from_body(&asked.draft.body) {
        Ok(report) => report,
        Err(error) => return Ok(Err(invalid(format!("a report: {error}")))),
    };
    if *asked.room != RoomId::reports_of(&room) {
        return Ok(Err(invalid("a report is published to the room that holds the reports of its room")));
    }
    let info = facts.info(&room)?;
    let member = if info.is_some() { facts.member(&room, asked.user)? } else { None };
    let standing = Standing { info, member, deleted: None };
    let is_there = facts.epoch_at(&room, offset)?.is_some();
    match standing.permit(&room, asked.admin, None) {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(permit) if !is_there || !permit.allows(offset) => {
            return Ok(Err(Refusal::new(Code::TargetUnknown, "there is no such event in this room")));
        }
        Ok(_) => {}
    }
    let is_first = acting.info.is_none();
    let info = is_first.then(|| RoomInfo { parent: Some(room), ..fresh(acting, RoomKind::System) });
    Ok(Ok(info.map(|info| Box::new(Effect { info: Some(info), ..Effect::default() }))))
}

fn fresh(acting: &Acting<'_>, kind: RoomKind) -> RoomInfo {
    RoomInfo { changed: acting.asked.offset, ..RoomInfo::new(kind) }
}

fn joined(offset: Offset, role: Role) -> Member {
    Member { membership: Membership::Joined, role, muted: false, joined_at: offset, ended_at: Offset::ZERO }
}

fn apply(info: &mut RoomInfo, settings: &Settings) {
    let Settings { title, topic, history, retention, default_role } = settings.clone();
    info.title = title.unwrap_or(info.title.take());
    info.topic = topic.unwrap_or(info.topic.take());
    info.history = history.unwrap_or(info.history);
    info.retention = retention.unwrap_or(info.retention);
    info.default_role = default_role.unwrap_or(info.default_role);
}

/// What is appended instead of `sent`, if that is not the same.
fn normalised(change: &RoomChange, sent: &Body) -> Option<Body> {
    let body = change.to_body();
    (body != *sent).then_some(body)
}
