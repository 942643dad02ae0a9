//! What the rules ask, answered as of the publish that is being decided: from the commit that is being made, then from
//! what was committed before.

use std::sync::Arc;

use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, UserId};
use anchor_core::limits::SHARED_ROOMS_MAX;
use anchor_core::position::{Epoch, Offset};
use anchor_core::room::rules::Facts;
use anchor_core::room::{Amendment, Member, RoomInfo, RoomKind, UserSigns};
use anchor_core::store::RoomState;
use anchor_core::user::Contact;

use super::decide::Deciding;
use super::growing::Growing;
use crate::reader::Reach;

/// What is known at a publish into `room`.
pub(super) struct AtPublish<'d, 's> {
    pub(super) deciding: &'d Deciding<'s>,
    pub(super) room: &'d RoomId,
    /// Where that room stands among those of the commit; none if there is no such room.
    pub(super) index: Option<usize>,
}

/// Where a room is known from.
enum Known<'d> {
    /// There is no such room.
    Nowhere,
    /// The commit that is being made has looked at it.
    Here(&'d Growing),
    /// What was committed before tells.
    Before,
}

impl<'d> AtPublish<'d, '_> {
    fn known(&self, room: &RoomId) -> Known<'d> {
        if room == self.room {
            return self.index.map_or(Known::Nowhere, |index| Known::Here(self.deciding.room_at(index)));
        }
        match self.deciding.room(room) {
            None => Known::Before,
            Some(growing) if growing.is_ended => Known::Nowhere,
            Some(growing) => Known::Here(growing),
        }
    }

    /// Whether there was a room of that id before this commit that goes on in it, and what the commit says about the event at
    /// `target`.
    fn about(&self, room: &RoomId, target: Offset) -> (bool, impl Iterator<Item = &'d Amendment> + use<'d>) {
        let (before, here) = match self.known(room) {
            Known::Nowhere => (false, &[][..]),
            Known::Here(growing) => (!growing.is_new, &growing.amendments[..]),
            Known::Before => (true, &[][..]),
        };
        (before, here.iter().filter(move |amendment| amendment.target == target))
    }

    /// The state of a room before this commit.
    fn state_before(&self, room: &RoomId) -> Result<Option<RoomState>, BoxError> {
        self.deciding.shared.look().room_state(room)
    }

    fn has_joined(&mut self, room: &RoomId, user: &UserId) -> Result<bool, BoxError> {
        Ok(self.member(room, user)?.is_some_and(|member| member.joined().is_some()))
    }

    fn is_shared(&mut self, room: &RoomId, one: &UserId, other: &UserId) -> Result<bool, BoxError> {
        let info = self.info(room)?;
        if info.is_none_or(|info| info.kind == RoomKind::Direct) {
            return Ok(false);
        }
        Ok(self.has_joined(room, one)? && self.has_joined(room, other)?)
    }
}

impl Facts for AtPublish<'_, '_> {
    fn info(&mut self, room: &RoomId) -> Result<Option<Arc<RoomInfo>>, BoxError> {
        Ok(match self.known(room) {
            Known::Nowhere => None,
            Known::Here(growing) => growing.info.clone(),
            Known::Before => self.deciding.shared.tip(room, Reach::Disk)?.and_then(|tip| tip.info),
        })
    }

    fn was_deleted(&mut self, room: &RoomId) -> Result<bool, BoxError> {
        match self.deciding.room(room) {
            Some(_) => Ok(true),
            None => self.deciding.shared.look().was_deleted(room),
        }
    }

    fn member(&mut self, room: &RoomId, user: &UserId) -> Result<Option<Member>, BoxError> {
        match self.known(room) {
            Known::Nowhere => return Ok(None),
            Known::Here(growing) => match growing.member(user) {
                Some(member) => return Ok(Some(member)),
                None if growing.is_new => return Ok(None),
                None => {}
            },
            Known::Before => {}
        }
        self.deciding.shared.member(room, user, Reach::Disk)
    }

    fn contact(&mut self, user: &UserId) -> Result<Contact, BoxError> {
        Ok(self.deciding.user(user)?.contact.clone())
    }

    fn share_a_room(&mut self, one: &UserId, other: &UserId) -> Result<bool, BoxError> {
        let deciding = self.deciding;
        for growing in deciding.rooms().filter(|growing| growing.member(one).is_some()) {
            if self.is_shared(&growing.room, one, other)? {
                return Ok(true);
            }
        }
        for (room, _) in deciding.shared.look().rooms_of(one, None, SHARED_ROOMS_MAX)? {
            if self.is_shared(&room, one, other)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn edits(&mut self, room: &RoomId, target: Offset) -> Result<Vec<Amendment>, BoxError> {
        let (before, here) = self.about(room, target);
        let mut edits = match before {
            false => Vec::new(),
            true => self.deciding.shared.look().edits(room, (target, target))?,
        };
        edits.extend(here.filter(|amendment| amendment.kind.changes_body()).cloned());
        Ok(edits)
    }

    fn signs(&mut self, room: &RoomId, target: Offset, user: &UserId) -> Result<UserSigns, BoxError> {
        let (before, here) = self.about(room, target);
        let mut signs = match before {
            false => UserSigns::default(),
            true => self.deciding.shared.look().signs(room, target, user)?,
        };
        for amendment in here.filter(|amendment| amendment.user == *user) {
            amendment.sign.iter().for_each(|sign| signs.take(amendment.kind, sign));
        }
        Ok(signs)
    }

    fn epoch_at(&mut self, room: &RoomId, offset: Offset) -> Result<Option<Epoch>, BoxError> {
        let (epoch, head, is_new) = match self.known(room) {
            Known::Nowhere => return Ok(None),
            Known::Here(growing) => (Some(growing.epoch), growing.head(), growing.is_new),
            Known::Before => (None, Offset::ZERO, false),
        };
        let before = if is_new { None } else { self.state_before(room)? };
        Ok(match before {
            Some(state) if offset < state.horizon => None,
            Some(state) if offset <= state.head.offset => Some(state.epoch_at(offset)),
            _ => epoch.filter(|_| offset <= head),
        })
    }
}
