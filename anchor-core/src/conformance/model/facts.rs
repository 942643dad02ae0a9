//! What the rules ask, answered from the model's maps.

use std::sync::Arc;

use super::expected::Expected;
use crate::error::BoxError;
use crate::id::{RoomId, UserId};
use crate::position::{Epoch, Offset};
use crate::publish::{MissingRoom, Publish};
use crate::room::rules::{self, Asked, Decision, Facts};
use crate::room::{Amendment, Member, RoomInfo, RoomKind, UserSigns};
use crate::user::Contact;

/// What the rules say of a publish that is decided for the first time.
pub(super) fn decide(expected: &Expected, publish: &Publish, missing: MissingRoom) -> Decision {
    let log = expected.log(&publish.room);
    let grounds = publish.grounds.as_deref();
    let asked = Asked {
        room: &publish.room,
        exists: log.is_some(),
        missing,
        offset: log.map(super::log::Log::head).unwrap_or_default().next(),
        user: &publish.client.user,
        admin: grounds.is_some_and(|grounds| grounds.admin),
        derived: grounds.is_some_and(|grounds| grounds.derived.is_some()),
        draft: &publish.draft,
        target: grounds.and_then(|grounds| grounds.target.as_ref()),
    };
    rules::decide(&asked, &mut Known(expected)).expect("the model knows everything")
}

struct Known<'a>(&'a Expected);

impl Facts for Known<'_> {
    fn info(&mut self, room: &RoomId) -> Result<Option<Arc<RoomInfo>>, BoxError> {
        Ok(self.0.log(room).and_then(|log| log.info.clone()).map(Arc::new))
    }

    fn was_deleted(&mut self, room: &RoomId) -> Result<bool, BoxError> {
        Ok(self.0.deleted(room).is_some())
    }

    fn member(&mut self, room: &RoomId, user: &UserId) -> Result<Option<Member>, BoxError> {
        Ok(self.0.log(room).and_then(|log| log.members.get(user).copied()))
    }

    fn contact(&mut self, user: &UserId) -> Result<Contact, BoxError> {
        Ok(self.0.user(user).contact)
    }

    fn share_a_room(&mut self, one: &UserId, other: &UserId) -> Result<bool, BoxError> {
        Ok(self.0.logs().any(|(_, log)| {
            let has_joined = |user| log.members.get(user).is_some_and(|member| member.joined().is_some());
            let is_direct = log.info.as_ref().is_some_and(|info| info.kind == RoomKind::Direct);
            !is_direct && has_joined(one) && has_joined(other)
        }))
    }

    fn edits(&mut self, room: &RoomId, target: Offset) -> Result<Vec<Amendment>, BoxError> {
        Ok(self.0.log(room).map(|log| log.amendments(target)).unwrap_or_default())
    }

    fn signs(&mut self, room: &RoomId, target: Offset, user: &UserId) -> Result<UserSigns, BoxError> {
        let mut signs = UserSigns::default();
        let about = self.0.log(room).map(|log| log.amendments(target)).unwrap_or_default();
        for amendment in about.iter().filter(|amendment| amendment.user == *user) {
            amendment.sign.iter().for_each(|sign| signs.take(amendment.kind, sign));
        }
        Ok(signs)
    }

    fn epoch_at(&mut self, room: &RoomId, offset: Offset) -> Result<Option<Epoch>, BoxError> {
        Ok(self.0.log(room).and_then(|log| log.epoch_at(offset)))
    }
}
