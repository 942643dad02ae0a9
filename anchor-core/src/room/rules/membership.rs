//! Who belongs to a room: invitations, joining and leaving, removal, bans, muting, roles.

use super::{Acting, Decision, Effect, Facts, denied, invalid, unchanged};
use crate::code::Code;
use crate::error::BoxError;
use crate::id::UserId;
use crate::limits::MEMBERS_MAX;
use crate::position::Offset;
use crate::publish::{MissingRoom, Refusal};
use crate::room::change::MembershipChange;
use crate::room::info::{HistoryAccess, RoomInfo, RoomKind};
use crate::room::member::{Member, Membership, Role};

pub(super) fn decide(acting: &Acting<'_>, facts: &mut dyn Facts) -> Result<Decision, BoxError> {
    let asked = acting.asked;
    let change = match MembershipChange::from_body(&asked.draft.body) {
        Ok(change) => change,
        Err(error) => return Ok(Err(invalid(format!("a membership event: {error}")))),
    };
    if asked.room.is_system() {
        return Ok(Err(denied("nobody joins or leaves this room")));
    }
    let may_begin = matches!(change, MembershipChange::Join) && asked.missing == MissingRoom::Create;
    if !asked.exists && !may_begin {
        return Ok(Err(Refusal::new(Code::RoomUnknown, "there is no such room")));
    }
    let subject = change.named().unwrap_or(asked.user);
    let known = match change.named() {
        Some(_) if acting.info.is_some() => facts.member(asked.room, subject)?,
        Some(_) => None,
        None => acting.member,
    };
    let mut info = acting.changed();
    let decided = after(acting, &change, subject, known, &info);
    Ok(decided.map(|member| {
        count(&mut info, known, member);
        let members = vec![(subject.clone(), member)];
        Some(Box::new(Effect { info: Some(info), members, ..Effect::default() }))
    }))
}

/// The subject's place after the change, if it may happen.
fn after(
    acting: &Acting<'_>,
    change: &MembershipChange,
    subject: &UserId,
    known: Option<Member>,
    info: &RoomInfo,
) -> Result<Member, Refusal> {
    let (offset, is_self) = (acting.asked.offset, subject == acting.asked.user);
    let membership = known.map(|member| member.membership);
    let is_archived = || Refusal::new(Code::RoomArchived, "the room is archived");
    let before = known.unwrap_or(Member {
        membership: Membership::Left,
        role: info.default_role,
        muted: false,
        joined_at: Offset::ZERO,
        ended_at: Offset::ZERO,
    });
    let joined = |role| Member {
        membership: Membership::Joined,
        role,
        joined_at: offset,
        ended_at: Offset::ZERO,
        ..before
    };
    let ended = |membership| {
        let ended_at = if before.joined().is_some() { offset } else { before.ended_at };
        Member { membership, role: info.default_role, ended_at, ..before }
    };
    match change {
        MembershipChange::Invite { role, .. } => {
            let own = acting.writing()?;
            let role = role.unwrap_or(info.default_role);
            let is_default = role == info.default_role
                && (membership != Some(Membership::Invited) || before.role == info.default_role);
            let highest = if membership == Some(Membership::Invited) { role.max(before.role) } else { role };
            match membership {
                Some(Membership::Joined) => Err(unchanged("this user is a member already")),
                Some(Membership::Invited) if role == before.role => {
                    Err(unchanged("this user is invited already"))
                }
                Some(Membership::Banned) => Err(denied("this user is banned; lift the ban first")),
                _ if !is_default && (own < Role::Moderator || (highest >= own && own < Role::Owner)) => {
                    Err(denied("your role does not let you give this role"))
                }
                _ => Ok(Member { membership: Membership::Invited, role, ..before }),
            }
        }
        MembershipChange::Accept | MembershipChange::Join => match membership {
            Some(Membership::Joined) => Err(unchanged("you are a member already")),
            Some(Membership::Banned) => Err(Refusal::new(Code::RoomBanned, "you are banned from this room")),
            _ if info.archived => Err(is_archived()),
            _ if info.members >= MEMBERS_MAX => {
                Err(Refusal::new(Code::Full, "the room has as many members as a room can have"))
            }
            // Its last owner has left it to whoever was asked in.
            Some(Membership::Invited) if info.kind == RoomKind::Group && info.owners == 0 => {
                Ok(joined(Role::Owner))
            }
            Some(Membership::Invited) => Ok(joined(before.role)),
            _ if matches!(change, MembershipChange::Accept) => {
                Err(Refusal::new(Code::NotAMember, "there is no invitation for you"))
            }
            _ if info.kind != RoomKind::Public && !acting.asked.admin => {
                Err(Refusal::new(Code::NotAMember, "this room is joined by invitation"))
            }
            _ => Ok(joined(info.default_role)),
        },
        MembershipChange::Decline => match membership {
            Some(Membership::Invited) => Ok(ended(Membership::Left)),
            _ => Err(unchanged("there is no invitation for you")),
        },
        MembershipChange::Leave => match membership {
            Some(Membership::Invited) => Ok(ended(Membership::Left)),
            Some(Membership::Joined) if leaves_no_owner(info, known) => {
                Err(denied("you are the only owner: give somebody else that role first"))
            }
            Some(Membership::Joined) => Ok(ended(Membership::Left)),
            _ => Err(unchanged("you are no member")),
        },
        MembershipChange::Kick { .. } => {
            over(acting, known, is_self)?;
            match membership {
                Some(Membership::Joined) if leaves_no_owner(info, known) => Err(only_owner()),
                Some(Membership::Joined | Membership::Invited) => Ok(ended(Membership::Removed)),
                _ => Err(unchanged("this user is no member")),
            }
        }
        MembershipChange::Ban { .. } => {
            over(acting, known, is_self)?;
            match membership {
                Some(Membership::Banned) => Err(unchanged("this user is banned already")),
                _ if leaves_no_owner(info, known) => Err(only_owner()),
                // Who was no member could read an open room, and that ends here. What ended before stays ended.
                _ if info.kind == RoomKind::Public && info.history == HistoryAccess::All => {
                    Ok(Member { ended_at: offset, ..ended(Membership::Banned) })
                }
                _ => Ok(ended(Membership::Banned)),
            }
        }
        MembershipChange::Unban { .. } => {
            over(acting, known, is_self)?;
            match membership {
                Some(Membership::Banned) => Ok(Member { membership: Membership::Left, ..before }),
                _ => Err(unchanged("this user is not banned")),
            }
        }
        MembershipChange::Mute { .. } | MembershipChange::Unmute { .. } => {
            over(acting, known, is_self)?;
            let muted = matches!(change, MembershipChange::Mute { .. });
            match membership {
                Some(Membership::Joined) if before.muted == muted => Err(unchanged("it is so already")),
                Some(Membership::Joined) => Ok(Member { muted, ..before }),
                _ => Err(Refusal::new(Code::NotAMember, "this user is no member of the room")),
            }
        }
        MembershipChange::Role { role, .. } => {
            let own = acting.at_least(Role::Moderator)?;
            if membership != Some(Membership::Joined) {
                return Err(Refusal::new(Code::NotAMember, "this user is no member of the room"));
            }
            if before.role == *role {
                return Err(unchanged("this member has that role already"));
            }
            let is_below = own == Role::Owner || (before.role < own && *role < own);
            if !is_below {
                return Err(denied("your role does not let you give or take this role"));
            }
            if before.role == Role::Owner && info.owners == 1 {
                return Err(only_owner());
            }
            Ok(Member { role: *role, ..before })
        }
    }
}

/// Whether the user may act against the subject: a moderator whose role is higher, an owner against all but owners.
fn over(acting: &Acting<'_>, subject: Option<Member>, is_self: bool) -> Result<(), Refusal> {
    let own = acting.at_least(Role::Moderator)?;
    if is_self {
        return Err(denied("not against yourself; leave instead"));
    }
    let other = subject.and_then(|member| member.joined()).unwrap_or(Role::ReadOnly);
    match acting.asked.admin || own > other {
        true => Ok(()),
        false => Err(denied("not against somebody of the same or a higher role")),
    }
}

/// True if others stay in a room that nobody owns, once the only owner is gone.
fn leaves_no_owner(info: &RoomInfo, owner: Option<Member>) -> bool {
    let is_owner = owner.and_then(|member| member.joined()) == Some(Role::Owner);
    is_owner && info.owners == 1 && info.members > 1
}

fn only_owner() -> Refusal {
    denied("this is the only owner: give somebody else that role first")
}

/// Keeps the counts of a room right.
fn count(info: &mut RoomInfo, before: Option<Member>, after: Member) {
    let role = |member: Option<Member>| member.and_then(|member| member.joined());
    let (was, is) = (role(before), role(Some(after)));
    info.members = info.members + u64::from(is.is_some()) - u64::from(was.is_some());
    info.owners = info.owners + u64::from(is == Some(Role::Owner)) - u64::from(was == Some(Role::Owner));
}
