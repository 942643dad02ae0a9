//! What a room is, made once more from its own log: the rules are asked about every event that changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anchor_core::error::BoxError;
use anchor_core::event::{Draft, Event, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Epoch, Offset};
use anchor_core::publish::{MissingRoom, Target};
use anchor_core::room::rules::{self, Asked, Facts};
use anchor_core::room::{Amendment, Member, RoomInfo, UserSigns};
use anchor_core::user::Contact;

/// A room as its events up to now have made it.
pub(super) struct Fold {
    room: RoomId,
    pub(super) info: Option<Arc<RoomInfo>>,
    pub(super) members: BTreeMap<UserId, Member>,
}

impl Fold {
    pub(super) const fn new(room: RoomId) -> Self {
        Self { room, info: None, members: BTreeMap::new() }
    }

    /// Takes the next event, which stands in the log, so that somebody was allowed to write it.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), BoxError> {
        let changes_rows = matches!(
            event.kind,
            EventKind::MEMBERSHIP
                | EventKind::ROOM
                | EventKind::PIN
                | EventKind::UNPIN
                | EventKind::REDACTION
        );
        let Some(body) = event.body.clone().filter(|_| changes_rows) else { return Ok(()) };
        let draft = Draft { kind: event.kind, target: event.target, body };
        let (user, kind) = (event.user.clone(), EventKind::MESSAGE);
        let target = event.target.map(|_| Target { epoch: EPOCH, kind, user, root: None });
        let asked = Asked {
            room: &self.room.clone(),
            exists: event.offset > Offset(1),
            missing: MissingRoom::Create,
            offset: event.offset,
            user: &event.user,
            // What others may an admin may, and it comes to the same.
            admin: true,
            derived: false,
            draft: &draft,
            target: target.as_ref(),
        };
        let effect = rules::decide(&asked, self)?.map_err(|refusal| {
            format!("event {} would have been refused: {}", event.offset, refusal.message)
        })?;
        let effect = effect.map(|effect| *effect).unwrap_or_default();
        self.info = effect.info.map(Arc::new).or(self.info.take());
        self.members.extend(effect.members);
        Ok(())
    }
}

/// What is not in the room's own log is taken to have let the event pass.
impl Facts for Fold {
    fn info(&mut self, _room: &RoomId) -> Result<Option<Arc<RoomInfo>>, BoxError> {
        Ok(self.info.clone())
    }

    fn was_deleted(&mut self, _room: &RoomId) -> Result<bool, BoxError> {
        Ok(false)
    }

    fn member(&mut self, _room: &RoomId, user: &UserId) -> Result<Option<Member>, BoxError> {
        Ok(self.members.get(user).copied())
    }

    fn contact(&mut self, _user: &UserId) -> Result<Contact, BoxError> {
        Ok(Contact::default())
    }

    fn share_a_room(&mut self, _one: &UserId, _other: &UserId) -> Result<bool, BoxError> {
        Ok(true)
    }

    fn edits(&mut self, _room: &RoomId, _target: Offset) -> Result<Vec<Amendment>, BoxError> {
        Ok(Vec::new())
    }

    fn signs(&mut self, _room: &RoomId, _target: Offset, _user: &UserId) -> Result<UserSigns, BoxError> {
        Ok(UserSigns::default())
    }

    fn epoch_at(&mut self, _room: &RoomId, _offset: Offset) -> Result<Option<Epoch>, BoxError> {
        Ok(Some(EPOCH))
    }
}

/// Stands for the epoch of every event.
const EPOCH: Epoch = Epoch::from_bytes([0; 8]);
