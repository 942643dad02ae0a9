//! The turns of a run: its events after which somebody may read more or less of the room than before.
//!
//! A reader's place in a room follows from the membership events that name the reader, and what the room shows to whom from
//! its creation and from its setting `history`. Whatever cannot be read is taken for a turn: who looks into it once too
//! often is told the same again, who looks too seldom is told too much.

use super::Run;
use crate::event::{Event, EventKind};
use crate::id::UserId;
use crate::position::Offset;
use crate::room::change::{MembershipChange, RoomChange};

/// An event after which somebody may read more or less than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Where it stands.
    pub(crate) offset: Offset,
    /// Who; everybody if none.
    user: Option<UserId>,
}

impl Turn {
    /// True if it is one for `user`.
    pub(crate) fn concerns(&self, user: &UserId) -> bool {
        self.user.as_ref().is_none_or(|named| named == user)
    }

    fn of(event: &Event) -> Option<Self> {
        let (offset, body) = (event.offset, event.body.as_ref());
        let user = match event.kind {
            EventKind::MEMBERSHIP => match body.map(MembershipChange::from_body) {
                Some(Ok(change)) => Some(change.named().unwrap_or(&event.user).clone()),
                _ => None,
            },
            EventKind::ROOM => match body.map(RoomChange::from_body) {
                Some(Ok(RoomChange::Set(settings))) if settings.history.is_none() => return None,
                Some(Ok(RoomChange::Archive | RoomChange::Unarchive)) => return None,
                _ => None,
            },
            _ => return None,
        };
        Some(Self { offset, user })
    }
}

/// The turns among the events of `run`, in rising order.
pub(super) fn among(run: &Run) -> Box<[Turn]> {
    let mut turns = Vec::new();
    for event in run.events() {
        match event {
            Ok(event) => turns.extend(Turn::of(&event)),
            // What was stored is no event, and hides what follows.
            Err(_) => {
                turns.push(Turn { offset: run.last(), user: None });
                break;
            }
        }
    }
    turns.into()
}
