//! Where a user stands in a room, and which of its events that lets the user read.

use std::sync::Arc;

use super::info::{HistoryAccess, RoomInfo, RoomKind};
use super::member::{Member, Membership, Role};
use crate::code::Code;
use crate::id::RoomId;
use crate::position::{Epoch, Offset};
use crate::publish::Refusal;
use crate::sabotage::{self, Sabotage};

/// What a store knows of a user in a room, both as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What the room is; none if it has no events, or came into being with its first message and nothing more was decided.
    pub info: Option<Arc<RoomInfo>>,
    /// The user's place in it.
    pub member: Option<Member>,
    /// The newest epoch that the room had when it was deleted, if it was and has not come into being again.
    pub deleted: Option<Epoch>,
}

/// Which events of a room a user may read: those above `after`, up to `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Nothing up to here.
    pub after: Offset,
    /// The newest; none if there is no end to it.
    pub until: Option<Offset>,
}

impl Permit {
    /// Everything.
    pub const ALL: Self = Self { after: Offset::ZERO, until: None };

    /// True if it lets the event at `offset` be read.
    #[must_use]
    pub fn allows(&self, offset: Offset) -> bool {
        offset > self.after && self.until.is_none_or(|until| offset <= until)
    }
}

impl Standing {
    /// Which events of `room` the user may read. `parent`: the user's standing in the room that this one belongs to.
    ///
    /// # Errors
    /// The code and the sentence of the refusal.
    pub fn permit(&self, room: &RoomId, admin: bool, parent: Option<&Self>) -> Result<Permit, Refusal> {
        // What two say to each other is nobody else's to read, nor what they will say once the room is there; nor a user's own
        // log, whose reader is not asked about here.
        if admin && !room.is_direct() && !room.is_own_log() {
            return Ok(Permit::ALL);
        }
        let Some(info) = &self.info else {
            return match room.is_system() && *room != RoomId::announcements() {
                true => Err(Refusal::new(Code::NotAMember, "this room is not yours to read")),
                false => Ok(Permit::ALL),
            };
        };
        let not_a_member = || Refusal::new(Code::NotAMember, "only members read this room");
        match info.kind {
            RoomKind::System if *room == RoomId::announcements() => Ok(Permit::ALL),
            RoomKind::System => {
                let role = parent.and_then(|parent| parent.member).and_then(|member| member.joined());
                let is_member = role.is_some() && sabotage::is(Sabotage::ReportsReadByMembers);
                match role >= Some(Role::Moderator) || is_member {
                    true => Ok(Permit::ALL),
                    false => Err(Refusal::new(Code::Denied, "only moderators read what was reported")),
                }
            }
            RoomKind::Public if info.history == HistoryAccess::All => match self.member {
                Some(member) if member.membership == Membership::Banned => {
                    Ok(Permit { after: Offset::ZERO, until: Some(member.ended_at) })
                }
                _ => Ok(Permit::ALL),
            },
            RoomKind::Public | RoomKind::Group | RoomKind::Direct => {
                let member = self.member.ok_or_else(not_a_member)?;
                if member.joined_at == Offset::ZERO {
                    return Err(not_a_member());
                }
                let after = match info.history {
                    HistoryAccess::All => Offset::ZERO,
                    HistoryAccess::SinceJoin => member.joined_at.previous(),
                };
                let until = (member.membership != Membership::Joined).then_some(member.ended_at);
                Ok(sabotaged(Permit { after, until }))
            }
        }
    }
}

/// The permit, but for deliberate faults.
fn sabotaged(permit: Permit) -> Permit {
    Permit {
        after: if sabotage::is(Sabotage::NewcomerReadsAll) { Offset::ZERO } else { permit.after },
        until: match permit.until {
            Some(_) if sabotage::is(Sabotage::RemovedReadsOn) => None,
            Some(until) if sabotage::is(Sabotage::RemovalUntold) => Some(until.previous()),
            until => until,
        },
    }
}
