//! Who may do what, and what it changes: the one function that every store asks about every publish.
//!
//! It decides at the very offset at which the event will stand, so that membership counts at an offset and two nodes
//! cannot disagree. `docs/guide/rooms.md` has the same as a table. Pure but for [`Facts`], which the store answers.

mod membership;
mod messages;
mod settings;

use std::sync::Arc;

use super::amendment::{Amendment, UserSigns};
use super::info::{HistoryAccess, RoomInfo, RoomKind};
use super::member::{Member, Membership, Role};
use super::standing::Standing;
use crate::code::Code;
use crate::error::BoxError;
use crate::event::{Body, Draft, EventKind};
use crate::id::{RoomId, UserId};
use crate::limits::BODY_BYTES_MAX;
use crate::position::{Epoch, Offset};
use crate::publish::{Grounds, MissingRoom, Refusal, Target};
use crate::user::Contact;

/// What the rules must know, as of the decision: a store answers from what it is about to commit.
pub trait Facts {
    /// What the room is; see [`Standing::info`].
    ///
    /// # Errors
    /// Any error of the backend.
    fn info(&mut self, room: &RoomId) -> Result<Option<Arc<RoomInfo>>, BoxError>;

    /// True if there was such a room, which was deleted and did not begin anew. Asked of rooms without events alone.
    ///
    /// # Errors
    /// Any error of the backend.
    fn was_deleted(&mut self, room: &RoomId) -> Result<bool, BoxError>;

    /// A user's place in a room.
    ///
    /// # Errors
    /// Any error of the backend.
    fn member(&mut self, room: &RoomId, user: &UserId) -> Result<Option<Member>, BoxError>;

    /// From whom a user takes direct messages.
    ///
    /// # Errors
    /// Any error of the backend.
    fn contact(&mut self, user: &UserId) -> Result<Contact, BoxError>;

    /// True if there is a room, no direct one, that both have joined, among the first
    /// [`crate::limits::SHARED_ROOMS_MAX`] of `one`.
    ///
    /// # Errors
    /// Any error of the backend.
    fn share_a_room(&mut self, one: &UserId, other: &UserId) -> Result<bool, BoxError>;

    /// The edits of the message at `target` and its redaction, in the order of their offsets. Other amendments may be among
    /// them.
    ///
    /// # Errors
    /// Any error of the backend.
    fn edits(&mut self, room: &RoomId, target: Offset) -> Result<Vec<Amendment>, BoxError>;

    /// The signs that a user has set on the message at `target`.
    ///
    /// # Errors
    /// Any error of the backend.
    fn signs(&mut self, room: &RoomId, target: Offset, user: &UserId) -> Result<UserSigns, BoxError>;

    /// The epoch in which the event at `offset` was written; none if there is no such event.
    ///
    /// # Errors
    /// Any error of the backend.
    fn epoch_at(&mut self, room: &RoomId, offset: Offset) -> Result<Option<Epoch>, BoxError>;
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// In which room.
    pub room: &'a RoomId,
    /// The room has events.
    pub exists: bool,
    /// What a publish to a room without events does.
    pub missing: MissingRoom,
    /// The offset that the event will have.
    pub offset: Offset,
    /// Who.
    pub user: &'a UserId,
    /// The user is an admin of the server.
    pub admin: bool,
    /// The engine itself derived it ([`Grounds::derived`]).
    pub derived: bool,
    /// What.
    pub draft: &'a Draft,
    /// What is known of the event that it is about.
    pub target: Option<&'a Target>,
}

/// The rows that an event changes, beside its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// What the room is from now on.
    pub info: Option<RoomInfo>,
    /// The places of users in it from now on.
    pub members: Vec<(UserId, Member)>,
    /// Events that lose their bodies, in rising order.
    pub redacts: Vec<Offset>,
    /// The room goes away, with this event.
    pub deletes: bool,
    /// The body to be appended instead of the one that was sent: the same, normalised.
    pub body: Option<Body>,
}

/// What a publish comes to: an event, with the rows that it changes beside its log if it changes any; or a refusal.
pub type Decision = Result<Option<Box<Effect>>, Refusal>;

/// Decides one publish, of which the window knows nothing yet.
///
/// # Errors
/// Those of `facts`; nothing was decided.
pub fn decide(asked: &Asked<'_>, facts: &mut dyn Facts) -> Result<Decision, BoxError> {
    if let Err(refusal) = is_sound(asked) {
        return Ok(Err(refusal));
    }
    if asked.room.is_own_log() {
        return Ok(entry(asked));
    }
    let asked = &match !asked.exists && facts.was_deleted(asked.room)? {
        // What was meant for those in a room that is gone is not said to whoever comes by.
        true => Asked { missing: MissingRoom::Refuse, ..*asked },
        false => *asked,
    };
    let acting = Acting { asked, info: facts.info(asked.room)?, member: None };
    // By far the most: a message to a room of which nothing was ever decided.
    if acting.info.is_none() && acting.is_plain_message() {
        return Ok(acting.may_begin().map(|()| None));
    }
    let member = if acting.info.is_some() { facts.member(asked.room, asked.user)? } else { None };
    let acting = Acting { member, ..acting };
    match asked.draft.kind {
        EventKind::MEMBERSHIP => membership::decide(&acting, facts),
        EventKind::ROOM => settings::decide(&acting, facts),
        EventKind::REPORT => settings::report(&acting, facts),
        _ => messages::decide(&acting, facts),
    }
}

/// The body that is appended: what the rules made of the one that was sent; else, of what is said, what the host had; else
/// the one that was sent.
#[must_use]
pub fn appended<'a>(draft: &'a Draft, grounds: Option<&'a Grounds>, effect: Option<&'a Effect>) -> &'a Body {
    let normalised = effect.and_then(|effect| effect.body.as_ref());
    let changed = grounds.and_then(|grounds| grounds.body.as_ref()).filter(|_| draft.kind.is_said());
    normalised.or(changed).unwrap_or(&draft.body)
}

/// Who asks, and what is known of the room.
struct Acting<'a> {
    asked: &'a Asked<'a>,
    info: Option<Arc<RoomInfo>>,
    member: Option<Member>,
}

impl Acting<'_> {
    fn is_plain_message(&self) -> bool {
        let Asked { room, draft, .. } = self.asked;
        draft.kind == EventKind::MESSAGE && draft.target.is_none() && !room.is_system()
    }

    /// Whether a room without events may come into being with this one.
    fn may_begin(&self) -> Result<(), Refusal> {
        let Asked { room, exists, missing, admin, .. } = *self.asked;
        if exists {
            return Ok(());
        }
        match (room.is_system(), missing) {
            (true, _) if *room == RoomId::announcements() => match admin {
                true => Ok(()),
                false => Err(denied("only an admin of the server speaks in this room")),
            },
            (true, _) | (false, MissingRoom::Refuse) => {
                Err(Refusal::new(Code::RoomUnknown, "there is no such room"))
            }
            (false, MissingRoom::Create) => Ok(()),
        }
    }

    /// What the user may do here; none for a stranger.
    fn role(&self) -> Option<Role> {
        let Asked { room, admin, .. } = *self.asked;
        if admin {
            return Some(Role::Owner);
        }
        if let Some(role) = self.member.as_ref().and_then(Member::joined) {
            return Some(role);
        }
        if room.is_system() {
            return None;
        }
        let is_open =
            self.is_ownerless() && self.info.as_ref().is_none_or(|info| info.history == HistoryAccess::All);
        let was_removed = self
            .member
            .is_some_and(|member| matches!(member.membership, Membership::Removed | Membership::Banned));
        (is_open && !was_removed).then_some(Role::Member)
    }

    /// True for a public room that nobody owns: everybody is taken for a member.
    fn is_ownerless(&self) -> bool {
        self.info.as_ref().is_none_or(|info| info.kind == RoomKind::Public && info.owners == 0)
    }

    fn is_kind(&self, kind: RoomKind) -> bool {
        self.info.as_ref().is_some_and(|info| info.kind == kind)
    }

    /// The role of somebody who may say something here now.
    fn writing(&self) -> Result<Role, Refusal> {
        let role = self.role().ok_or_else(|| self.stranger())?;
        if self.is_kind(RoomKind::Direct) && self.member.is_none() {
            return Err(self.stranger());
        }
        if self.info.as_ref().is_some_and(|info| info.archived) {
            return Err(Refusal::new(Code::RoomArchived, "the room is archived"));
        }
        if self.asked.admin {
            return Ok(role);
        }
        if self.member.is_some_and(|member| member.muted) {
            return Err(Refusal::new(Code::Muted, "a moderator has muted you in this room"));
        }
        match role {
            Role::ReadOnly => Err(Refusal::new(Code::Denied, "you may read this room, and not write")),
            role => Ok(role),
        }
    }

    /// The role, if it is at least `least`.
    fn at_least(&self, least: Role) -> Result<Role, Refusal> {
        match self.role().ok_or_else(|| self.stranger())? {
            role if role >= least => Ok(role),
            _ => Err(denied(match least {
                Role::Owner => "only an owner of the room may do this",
                Role::Moderator => "only moderators and owners of the room may do this",
                Role::Member | Role::ReadOnly => "your role in this room does not let you do this",
            })),
        }
    }

    fn stranger(&self) -> Refusal {
        match self.member.map(|member| member.membership) {
            Some(Membership::Banned) => Refusal::new(Code::RoomBanned, "you are banned from this room"),
            _ => Refusal::new(Code::NotAMember, "you are no member of this room"),
        }
    }

    /// True if the user may read the event at `offset`.
    fn sees(&self, offset: Offset) -> bool {
        let standing = Standing { info: self.info.clone(), member: self.member, deleted: None };
        let permit = standing.permit(self.asked.room, self.asked.admin, None);
        permit.is_ok_and(|permit| permit.allows(offset))
    }

    /// What the room is, to be changed by this event.
    fn changed(&self) -> RoomInfo {
        let kind = if self.asked.room.is_system() { RoomKind::System } else { RoomKind::Public };
        let mut info = self.info.as_deref().cloned().unwrap_or_else(|| RoomInfo::new(kind));
        info.changed = self.asked.offset;
        info
    }
}

/// Into a user's own log the engine alone writes, admins of the server included: messages about nothing in it.
fn entry(asked: &Asked<'_>) -> Decision {
    let Draft { kind, target, .. } = asked.draft;
    match asked.derived && *kind == EventKind::MESSAGE && target.is_none() {
        true => Ok(None),
        false => Err(denied("only the server itself writes into a user's own log")),
    }
}

/// What no room and no role makes right.
fn is_sound(asked: &Asked<'_>) -> Result<(), Refusal> {
    let Draft { kind, target, body } = asked.draft;
    if !kind.is_published() {
        return Err(Refusal::new(Code::KindUnsupported, "events of this kind cannot be published"));
    }
    if *target == Some(Offset::ZERO) {
        return Err(invalid("offset 0 is no event that another could be about"));
    }
    let is_targeted = !matches!(*kind, EventKind::MEMBERSHIP | EventKind::ROOM | EventKind::REPORT);
    if target.is_some() && !is_targeted {
        return Err(invalid("an event of this kind is about no message"));
    }
    // Elsewhere nobody would look whether they may.
    if body.mentions().is_some() && !kind.is_said() {
        return Err(invalid("only messages and edits mention somebody"));
    }
    if body.bytes().len() > BODY_BYTES_MAX {
        return Err(Refusal::new(Code::BodyTooLarge, "a body has at most 65,536 bytes"));
    }
    Ok(())
}

fn denied(message: &str) -> Refusal {
    Refusal::new(Code::Denied, message)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::Invalid, message)
}

fn unchanged(message: &str) -> Refusal {
    Refusal::new(Code::Unchanged, message)
}
