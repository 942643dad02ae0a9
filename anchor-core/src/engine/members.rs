//! Who belongs to a room, and who is there.

use super::listing::refused;
use super::{Anchor, Part, ReadError};
use crate::code::Code;
use crate::id::{RoomId, UserId};
use crate::limits::MEMBERS_LOOKED_AT_MAX;
use crate::position::Epoch;
use crate::room::{Member, Membership, Role, RoomKind};
use crate::session::Identity;

impl Anchor {
    /// The members of a room and their places, in the order of user ids, those after `after`, at most `limit`: those who
    /// have joined or are invited; for moderators all who ever were.
    ///
    /// # Errors
    /// [`ReadError`]; refused `room_unknown` as well where there is such a room, of which the reader may not know.
    pub async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
        reader: Option<&Identity>,
    ) -> Result<Part<(UserId, Member), UserId>, ReadError> {
        loop {
            let seen = self.sees_members(room, reader).await?;
            let part = self.members_seen(room, after, limit, seen.is_all).await?;
            // Behind the members: who may not see them any more is not shown them.
            if self.sees_members(room, reader).await? == seen {
                return Ok(part);
            }
        }
    }

    /// Which members of a room `reader` may see.
    async fn sees_members(&self, room: &RoomId, reader: Option<&Identity>) -> Result<SeesMembers, ReadError> {
        let listing = self.room(room, reader).await?;
        let (epoch, member) = (listing.entry.epoch, listing.member);
        let is_admin = reader.is_none_or(|reader| reader.admin);
        if !is_admin {
            let is_banned = member.is_some_and(|member| member.membership == Membership::Banned);
            let is_open = listing.info.as_ref().is_some_and(|info| info.kind == RoomKind::Public);
            if is_banned {
                return Err(refused(Code::RoomBanned, "you are banned from this room"));
            }
            let is_plain = listing.info.is_none() && member.is_none();
            if !is_open && !is_plain && member.and_then(|member| member.joined()).is_none() {
                return Err(refused(Code::NotAMember, "only members see who belongs to this room"));
            }
        }
        let is_all = is_admin || member.and_then(|member| member.joined()) >= Some(Role::Moderator);
        Ok(SeesMembers { epoch, is_all })
    }

    async fn members_seen(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
        is_all: bool,
    ) -> Result<Part<(UserId, Member), UserId>, ReadError> {
        let (mut members, mut after, mut left) = (Vec::new(), after.cloned(), MEMBERS_LOOKED_AT_MAX);
        while left > 0 {
            let asked = left.min(limit + 1);
            let some = self.store().members(room, after.as_ref(), asked).await?;
            left -= asked;
            let is_last = some.len() < asked;
            for (user, member) in some {
                if members.len() == limit {
                    return Ok((members, after));
                }
                after = Some(user.clone());
                if is_all || member.membership.is_listed() {
                    members.push((user, member));
                }
            }
            if is_last {
                return Ok((members, None));
            }
        }
        Ok((members, after))
    }

    /// The users that are subscribed to a room on this node, in the order of their ids, for `reader` who may read the room
    /// now; none is the host itself.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn who(&self, room: &RoomId, reader: Option<&Identity>) -> Result<Vec<UserId>, ReadError> {
        let Some(tail) = self.0.tails.get(room) else {
            return self.grant(room, reader).await?.check_goes_on().map(|()| Vec::new());
        };
        loop {
            let (state, generation, _) = self.known(&tail, reader).await?;
            let users = tail.users();
            // Behind the users, and of the store: what the tail knows may be older than they are.
            self.grant(room, reader).await?.check_goes_on()?;
            if self.epoch_now(room).await? == state.as_ref().map(|state| state.epoch()) {
                return Ok(users);
            }
            tail.doubt(generation);
        }
    }
}

/// Which members of which room somebody may see.
#[derive(PartialEq, Eq)]
struct SeesMembers {
    epoch: Option<Epoch>,
    /// Those who have left or are banned, too.
    is_all: bool,
}
