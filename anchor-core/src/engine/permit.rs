//! Who may read what of a room: asked of the store behind the data that it is for, so that it is never the older of the two.
//!
//! A permit is for one log: where a room was deleted and began anew, what was asked about the one says nothing of the
//! other, and both are asked again. Where a tail knows that nothing was ever decided about its room, nobody is asked.

use std::sync::Arc;

use thiserror::Error;

use super::Anchor;
use super::tail::{Generation, Tail};
use crate::code::Code;
use crate::error::ErrorKind;
use crate::id::{RoomId, UserId};
use crate::msgpack::Malformed;
use crate::position::{Epoch, Mark, Offset, Ordinal, Position};
use crate::publish::Refusal;
use crate::resume::{Gap, GapReason};
use crate::room::{Membership, Permit, Standing};
use crate::sabotage::{self, Sabotage};
use crate::session::Identity;
use crate::session::frame::RoomEntry;
use crate::store::{RoomState, StoreError};

/// Why a room is not read, or not read on.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reader may not, or may read no further.
    #[error("refused ({}): {}", .0.code, .0.message)]
    Refused(Refusal),
    /// The room was deleted. The gap says how much of what the reader has is to be dropped.
    #[error("the room was deleted")]
    Deleted(Gap),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Malformed> for ReadError {
    fn from(error: Malformed) -> Self {
        Self::Store(error.into())
    }
}

impl ReadError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) => ErrorKind::Denied,
            Self::Deleted(_) => ErrorKind::Closed,
            Self::Store(error) => error.kind(),
        }
    }
}

/// What a reader may read of a room, as far as the room's events are known that say so.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) permit: Permit,
    pub(super) bound: Bound,
    /// Where the user stands; none where nobody was asked.
    pub(super) standing: Option<Standing>,
    /// The newest event that the store had when it was asked; zero where it was not.
    pub(super) newest: Offset,
}

/// How far a feed delivers before it asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// To the end of days: the host, an admin.
    None,
    /// Up to and including this event.
    Until(Offset),
    /// Up to the next turn for its reader behind this event.
    Turn(Offset),
}

impl Bound {
    /// True if no end is known yet.
    pub(super) const fn is_open(self) -> bool {
        !matches!(self, Self::Until(_))
    }
}

impl Grant {
    /// Everything, whatever happens.
    const ALL: Self = Self { permit: Permit::ALL, bound: Bound::None, standing: None, newest: Offset::ZERO };
    /// Everything, of a room about which nothing was decided yet.
    const PLAIN: Self = Self { bound: Bound::Turn(Offset::ZERO), ..Self::ALL };

    fn new(permit: Permit, standing: Standing) -> Self {
        let changed = standing.info.as_ref().map_or(Offset::ZERO, |info| info.changed);
        let bound = permit.until.map_or(Bound::Turn(changed), Bound::Until);
        Self { permit, bound, standing: Some(standing), newest: Offset::ZERO }
    }

    /// True if turns of the room may change it.
    pub(super) fn is_followed(&self) -> bool {
        matches!(self.bound, Bound::Turn(_))
    }

    /// Refuses what is read page by page alone: what was reported of another room.
    pub(super) fn check_followed(&self) -> Result<(), ReadError> {
        let info = self.standing.as_ref().and_then(|standing| standing.info.as_ref());
        match info.is_some_and(|info| info.parent.is_some()) && self.bound != Bound::None {
            true => Err(ReadError::Refused(Refusal::new(
                Code::Denied,
                "ask for the history of what was reported",
            ))),
            false => Ok(()),
        }
    }

    /// Refuses who may not read what comes.
    pub(super) fn check_goes_on(&self) -> Result<(), ReadError> {
        self.permit.until.map_or(Ok(()), |_| Err(ReadError::Refused(self.ended())))
    }

    /// Why nothing is read behind the end of the permit.
    pub(super) fn ended(&self) -> Refusal {
        let member = self.standing.as_ref().and_then(|standing| standing.member);
        match member.map(|member| member.membership) {
            Some(Membership::Banned) => Refusal::new(Code::RoomBanned, "you are banned from this room"),
            _ => Refusal::new(Code::NotAMember, "you are no member of this room any more"),
        }
    }

    /// A room as its reader sees it in a list.
    pub(super) fn seen(&self, entry: RoomEntry) -> RoomEntry {
        let Permit { after, until } = self.permit;
        let horizon = entry.horizon.max(after.next());
        let head = entry.head.min(until.unwrap_or(entry.head)).max(horizon.previous());
        RoomEntry { horizon, head, ..entry }
    }
}

impl Anchor {
    /// What `reader` may read of a room, as of some moment after the call began.
    pub(super) async fn grant(&self, room: &RoomId, reader: Option<&Identity>) -> Result<Grant, ReadError> {
        match reader {
            Some(Identity { user, .. }) => {
                let standing = self.store().standing(room, user).await?;
                self.grant_by(room, standing, reader).await
            }
            None => Ok(Grant::ALL),
        }
    }

    /// What `reader`, who stands there, may read of a room.
    pub(super) async fn grant_by(
        &self,
        room: &RoomId,
        standing: Standing,
        reader: Option<&Identity>,
    ) -> Result<Grant, ReadError> {
        let user = match reader {
            Some(Identity { user, .. }) if !reads_all(room, reader) => user,
            _ => return Ok(Grant { standing: Some(standing), ..Grant::ALL }),
        };
        let parent = match standing.info.as_ref().and_then(|info| info.parent.as_ref()) {
            Some(parent) => Some(self.store().standing(parent, user).await?),
            None => None,
        };
        let permit = standing.permit(room, false, parent.as_ref()).map_err(ReadError::Refused)?;
        Ok(Grant::new(permit, standing))
    }

    /// The state of a room as its tail knows it, and what `reader` may read of that very log.
    pub(super) async fn known(
        &self,
        tail: &Arc<Tail>,
        reader: Option<&Identity>,
    ) -> Result<(Option<RoomState>, Generation, Grant), ReadError> {
        loop {
            let (state, generation, is_plain) = match tail.state_and_plain() {
                Some(known) => known,
                None => {
                    let (state, generation) = self.learn(tail).await?;
                    (state, generation, false)
                }
            };
            if reads_all(tail.room(), reader) {
                return Ok((state, generation, Grant::ALL));
            }
            if is_plain {
                return Ok((state, generation, Grant::PLAIN));
            }
            let asked = tail.ask_plain(generation);
            let grant = self.grant(tail.room(), reader).await;
            let newest = self.newest(tail.room()).await?;
            let epoch = newest.map(|(epoch, _)| epoch);
            let is_plain = grant
                .as_ref()
                .is_ok_and(|grant| grant.standing.as_ref().is_some_and(|standing| standing.info.is_none()));
            // What there was between two moments without a room is no room's.
            let is_between = state.is_none() && grant.is_ok() && !is_plain;
            if epoch != state.as_ref().map(RoomState::epoch) || is_between {
                tail.doubt(generation);
                continue;
            }
            let newest = newest.map_or(Offset::ZERO, |(_, mark)| mark.offset);
            let grant = Grant { newest, ..grant? };
            if is_plain {
                tail.found_plain(asked);
            }
            return Ok((state, generation, grant));
        }
    }

    /// The newest epoch of a room, as of some moment after the call began; none without events.
    pub(super) async fn epoch_now(&self, room: &RoomId) -> Result<Option<Epoch>, StoreError> {
        Ok(self.newest(room).await?.map(|(epoch, _)| epoch))
    }

    /// The head of a room in the store, and its epoch; none without events.
    async fn newest(&self, room: &RoomId) -> Result<Option<(Epoch, Mark)>, StoreError> {
        let heads = self.store().heads(std::slice::from_ref(room)).await?;
        Ok(heads.first().copied().flatten())
    }

    /// An error if the log that `position` belongs to was deleted, and the room has not begun anew. `state`: that of the
    /// room, as it was read.
    pub(super) async fn check_deleted(
        &self,
        room: &RoomId,
        position: &Position,
        reader: Option<&Identity>,
        state: Option<&RoomState>,
    ) -> Result<(), ReadError> {
        if state.is_some() || position.epoch.is_none() {
            return Ok(());
        }
        let user = reader.map_or_else(anybody, |reader| reader.user.clone());
        match self.store().standing(room, &user).await?.deleted {
            deleted if deleted == position.epoch => Err(ReadError::Deleted(Gap {
                from: Offset(1),
                to: position.offset,
                reason: GapReason::Deleted,
                position: None,
                ordinal: Ordinal(0),
            })),
            _ => Ok(()),
        }
    }
}

/// True if `reader` reads everything of a room, whatever happens in it: the host itself; whose own log it is; and admins, but
/// for what two users say to each other and the logs of others.
fn reads_all(room: &RoomId, reader: Option<&Identity>) -> bool {
    if room.is_own_log() {
        return reader.is_none_or(|reader| RoomId::own_log(&reader.user) == *room);
    }
    let is_private = room.is_direct() && !sabotage::is(Sabotage::AdminReadsDirect);
    reader.is_none_or(|reader| reader.admin && !is_private)
}

/// Somebody to ask about a room where it does not matter who asks.
pub(super) fn anybody() -> UserId {
    UserId::new("anybody").expect("a plain word is a user id")
}
