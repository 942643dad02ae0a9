//! Messages, and what is said about messages: replies, edits, redactions, reactions, pins.

use super::{Acting, Decision, Effect, Facts, denied, invalid, unchanged};
use crate::code::Code;
use crate::error::BoxError;
use crate::event::{Body, EventKind};
use crate::id::RoomId;
use crate::limits::{EDITS_MAX, PINS_MAX, SIGN_CHANGES_MAX, USER_SIGNS_MAX};
use crate::position::Offset;
use crate::publish::{Refusal, Target};
use crate::room::amendment::{Amendment, UserSigns};
use crate::room::info::RoomKind;
use crate::room::member::Role;
use crate::sabotage::{self, Sabotage};
use crate::text::Sign;

pub(super) fn decide(acting: &Acting<'_>, facts: &mut dyn Facts) -> Result<Decision, BoxError> {
    let decided = judge(acting, facts)?;
    // What somebody takes back is no word to anybody.
    if decided.is_err() || acting.asked.draft.kind == EventKind::REDACTION {
        return Ok(decided);
    }
    Ok(refused_by_other(acting, facts)?.map_or(decided, Err))
}

/// What it comes to as far as only the one who asks and the room have a say.
fn judge(acting: &Acting<'_>, facts: &mut dyn Facts) -> Result<Decision, BoxError> {
    let asked = acting.asked;
    let kind = asked.draft.kind;
    if let Err(refusal) = acting.may_begin() {
        return Ok(Err(refusal));
    }
    if asked.room.is_system() && !acting.is_kind(RoomKind::Direct) && !may_announce(acting) {
        return Ok(Err(denied("only an admin of the server speaks in this room")));
    }
    // Of a pin that outlived its message only the pin is left.
    if let (EventKind::UNPIN, Some(offset)) = (kind, asked.draft.target)
        && acting.info.as_ref().is_some_and(|info| info.pins.contains(&offset))
    {
        return Ok(pin(acting, offset));
    }
    let target = match asked.draft.target {
        None => None,
        Some(offset) => match known_target(acting, facts, offset)? {
            Ok(target) => Some((offset, target)),
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    if kind == EventKind::MESSAGE {
        return Ok(message(acting, target.map(|(_, target)| target)).map(|()| None));
    }
    let Some((offset, target)) = target else {
        return Ok(Err(invalid("it must name the message that it is about")));
    };
    Ok(match kind {
        EventKind::EDIT => edit(acting, target, &facts.edits(asked.room, offset)?).map(|()| None),
        EventKind::REDACTION => redaction(acting, (offset, target), &facts.edits(asked.room, offset)?),
        EventKind::REACTION | EventKind::REACTION_REMOVED => {
            reaction(acting, &facts.signs(asked.room, offset, asked.user)?)
        }
        _ => pin(acting, offset),
    })
}

fn may_announce(acting: &Acting<'_>) -> bool {
    acting.asked.admin && *acting.asked.room == RoomId::announcements()
}

/// The event that this one is about, which must be a message that the user can see.
fn known_target<'a>(
    acting: &Acting<'a>,
    facts: &mut dyn Facts,
    offset: Offset,
) -> Result<Result<&'a Target, Refusal>, BoxError> {
    let unknown = || Refusal::new(Code::TargetUnknown, "there is no such message in this room");
    let Some(target) = acting.asked.target else { return Ok(Err(unknown())) };
    let is_there = facts.epoch_at(acting.asked.room, offset)? == Some(target.epoch);
    Ok(match is_there && target.kind == EventKind::MESSAGE && acting.sees(offset) {
        true => Ok(target),
        false => Err(unknown()),
    })
}

fn message(acting: &Acting<'_>, target: Option<&Target>) -> Result<(), Refusal> {
    let role = acting.writing()?;
    may_mention(acting, role)?;
    match target {
        Some(Target { root: Some(_), .. }) => Err(invalid("a reply names the message that began its thread")),
        _ => Ok(()),
    }
}

fn edit(acting: &Acting<'_>, target: &Target, edits: &[Amendment]) -> Result<(), Refusal> {
    let role = acting.writing()?;
    if target.user != *acting.asked.user {
        return Err(denied("only its author edits a message"));
    }
    if of_kind(edits, EventKind::REDACTION).next().is_some() {
        return Err(Refusal::new(Code::TargetUnknown, "this message was redacted"));
    }
    if of_kind(edits, EventKind::EDIT).count() >= EDITS_MAX {
        return Err(Refusal::new(Code::Full, format!("a message is edited at most {EDITS_MAX} times")));
    }
    may_mention(acting, role)
}

fn of_kind(edits: &[Amendment], kind: EventKind) -> impl Iterator<Item = &Amendment> {
    edits.iter().filter(move |edit| edit.kind == kind)
}

/// Whether somebody of `role` may call the whole room, if that is asked.
fn may_mention(acting: &Acting<'_>, role: Role) -> Result<(), Refusal> {
    let mentions_room = acting.asked.draft.body.mentions().is_some_and(|mentions| mentions.room);
    let may_call = role >= Role::Moderator || acting.is_ownerless() || acting.is_kind(RoomKind::Direct);
    match mentions_room && !may_call {
        true => Err(denied("only moderators and owners may mention the whole room")),
        false => Ok(()),
    }
}

/// Takes the bodies of a message and of its edits away, and its pin.
fn redaction(acting: &Acting<'_>, (offset, target): (Offset, &Target), edits: &[Amendment]) -> Decision {
    let role = acting.role().ok_or_else(|| acting.stranger())?;
    if target.user != *acting.asked.user && role < Role::Moderator {
        return Err(denied("only its author and moderators redact a message"));
    }
    if of_kind(edits, EventKind::REDACTION).next().is_some() {
        return Err(unchanged("this message is redacted already"));
    }
    let edits = of_kind(edits, EventKind::EDIT).map(|edit| edit.offset);
    let redacts = std::iter::once(offset).chain(edits).collect();
    let mut info = acting.changed();
    let is_pinned = info.pins.contains(&offset);
    info.pins.retain(|pin| *pin != offset);
    let info = is_pinned.then_some(info);
    Ok(Some(Box::new(Effect { redacts, info, ..Effect::default() })))
}

/// Sets a sign or takes it back, `of_user` being what the user has set until now.
fn reaction(acting: &Acting<'_>, of_user: &UserSigns) -> Decision {
    acting.writing()?;
    let body = &acting.asked.draft.body;
    let text = body.as_text().filter(|_| body.content_type().is_none());
    let text = text.ok_or_else(|| invalid("the body of a reaction is its sign, as plain text"))?;
    let sign = Sign::new(text).map_err(|error| invalid(format!("the sign of a reaction: {error}")))?;
    match (acting.asked.draft.kind, of_user.set.contains(&sign)) {
        (EventKind::REACTION, true) => return Err(unchanged("you have set this sign already")),
        (EventKind::REACTION, false) => may_sign(of_user)?,
        (_, true) => {}
        (_, false) => return Err(unchanged("you have not set this sign")),
    }
    // Normalised, if that is not what was sent.
    let body = (sign.as_str() != text).then(|| Body::text(sign.as_str()));
    Ok(body.map(|body| Box::new(Effect { body: Some(body), ..Effect::default() })))
}

/// What is set can always be taken back; so there is an end to both.
fn may_sign(of_user: &UserSigns) -> Result<(), Refusal> {
    if of_user.set.len() >= USER_SIGNS_MAX {
        let message = format!("you have set {USER_SIGNS_MAX} signs on this message; take one back first");
        return Err(Refusal::new(Code::Full, message));
    }
    if of_user.changes >= SIGN_CHANGES_MAX {
        return Err(Refusal::new(Code::Full, "you have changed your signs on this message too often"));
    }
    Ok(())
}

fn pin(acting: &Acting<'_>, offset: Offset) -> Decision {
    acting.writing()?;
    if !acting.is_ownerless() && !acting.is_kind(RoomKind::Direct) {
        acting.at_least(Role::Moderator)?;
    }
    let mut info = acting.changed();
    let is_pinned = info.pins.contains(&offset);
    match (acting.asked.draft.kind, is_pinned) {
        (EventKind::PIN, true) => return Err(unchanged("this message is pinned already")),
        (EventKind::PIN, false) if info.pins.len() >= PINS_MAX => {
            return Err(Refusal::new(
                Code::Full,
                format!("a room has at most {PINS_MAX} pinned messages; unpin one first"),
            ));
        }
        (EventKind::PIN, false) => info.pins.push(offset),
        (_, true) => info.pins.retain(|pin| *pin != offset),
        (_, false) => return Err(unchanged("this message is not pinned")),
    }
    Ok(Some(Box::new(Effect { info: Some(info), ..Effect::default() })))
}

/// In a direct room: the other user may have blocked who speaks.
fn refused_by_other(acting: &Acting<'_>, facts: &mut dyn Facts) -> Result<Option<Refusal>, BoxError> {
    let asked = acting.asked;
    let other = acting.info.as_ref().and_then(|info| info.other_than(asked.user));
    let Some(other) = other.filter(|_| !asked.admin && !sabotage::is(Sabotage::BlockUnheeded)) else {
        return Ok(None);
    };
    let is_blocked = other != asked.user && facts.contact(other)?.blocked.contains(asked.user);
    Ok(is_blocked.then(|| denied("this user does not take messages from you")))
}
