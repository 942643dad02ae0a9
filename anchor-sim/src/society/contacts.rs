//! Who may talk to whom: of what stands in a direct room, that it may have been said when it was decided.
//!
//! What was begun after a block was acknowledged, and before anybody asked to lift it, is never appended. What was begun
//! before may have been decided before, too.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::event::{Body, Draft, Event, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::{Epoch, Offset};
use anchor_core::publish::Ack;
use anchor_core::room::Membership;
use anchor_core::room::change::RoomChange;
use anchor_core::user::{Direct, UserChange};

use super::ledger::{Known, Life};
use super::permits::Club;
use super::{Inner, Society};
use crate::scenario::ADMIN;

/// When what was published to direct rooms was begun.
#[derive(Debug, Default)]
pub(super) struct Begun {
    acked: BTreeMap<(RoomId, Epoch, Offset), Duration>,
    /// Everything that says something says something else.
    texts: BTreeMap<(RoomId, UserId, String), Duration>,
    /// The first time that each user opened a room.
    opened: BTreeMap<(RoomId, UserId), Duration>,
}

impl Society {
    /// `user` begins to publish to a room.
    pub fn begins(&self, user: &UserId, room: &RoomId, draft: &Draft) -> Duration {
        let now = self.0.kernel.now();
        if !room.is_direct() {
            return now;
        }
        let mut inner = self.inner();
        let begun = &mut inner.people.begun;
        if draft.kind == EventKind::ROOM {
            begun.opened.entry((room.clone(), user.clone())).or_insert(now);
        } else if let Some(text) = draft.body.as_text().filter(|_| draft.kind.is_said()) {
            begun.texts.entry((room.clone(), user.clone(), text.to_owned())).or_insert(now);
        }
        now
    }

    /// What was begun then stands there.
    pub fn stands(&self, ack: &Ack, begun_at: Duration) {
        if ack.room.is_direct() {
            let place = (ack.room.clone(), ack.epoch, ack.mark.offset);
            self.inner().people.begun.acked.insert(place, begun_at);
        }
    }
}

impl Begun {
    fn of(&self, room: &RoomId, epoch: Epoch, event: &Event) -> Option<Duration> {
        if let Some(at) = self.acked.get(&(room.clone(), epoch, event.offset)) {
            return Some(*at);
        }
        if event.kind == EventKind::ROOM {
            return self.opened.get(&(room.clone(), event.user.clone())).copied();
        }
        let text = event.body.as_ref().and_then(Body::as_text)?;
        self.texts.get(&(room.clone(), event.user.clone(), text.to_owned())).copied()
    }
}

impl Inner {
    /// What was said in direct rooms and was not to be.
    pub(super) fn said_to_those_who_would_not_hear(&self) -> Vec<String> {
        let direct = self.ledger.rooms().filter(|(room, _)| room.is_direct());
        let lives = direct.flat_map(|(room, lives)| lives.iter().map(move |life| (room, life)));
        lives.flat_map(|(room, life)| self.unheard(room, life)).collect()
    }

    fn unheard(&self, room: &RoomId, life: &Life) -> Vec<String> {
        let mut broken = Vec::new();
        let created =
            life.prefix().find_map(|known| match RoomChange::from_body(known.event.body.as_ref()?) {
                Ok(RoomChange::Create { user: Some(other), .. }) => Some([known.event.user.clone(), other]),
                _ => None,
            });
        let Some([one, other]) = created else { return broken };
        for Known { event, committed_at } in life.prefix() {
            let listener = if event.user == one { &other } else { &one };
            let is_free = event.kind == EventKind::REDACTION || event.user.as_str() == ADMIN;
            if is_free || event.user == *listener {
                continue;
            }
            let Some(begun_at) = self.people.begun.of(room, life.epoch, event) else { continue };
            let time = (begun_at, committed_at.unwrap_or(Duration::MAX));
            if let Some(why) = self.forbids(event, listener, time) {
                let offset = event.offset;
                broken.push(format!("{} said {offset} in {room} since {begun_at:?}, and {why}", event.user));
            }
        }
        broken
    }

    /// Why the event cannot have been allowed at any moment of `time`.
    fn forbids(&self, event: &Event, listener: &UserId, time: (Duration, Duration)) -> Option<String> {
        let changes = &self.people.changes;
        let speaker = &event.user;
        if changes.is_blocked(listener, speaker, time) {
            return Some(format!("{listener} had blocked that user"));
        }
        if event.kind != EventKind::ROOM {
            return None;
        }
        if changes.is_blocked(speaker, listener, time) {
            return Some(format!("had blocked {listener}"));
        }
        let is = |direct: Direct| move |change: &UserChange| *change == UserChange::Direct(direct);
        let is_not = |direct: Direct| move |change: &UserChange| matches!(change, UserChange::Direct(other) if *other != direct);
        if changes.lasted(listener, time, is(Direct::Nobody), is_not(Direct::Nobody)) {
            return Some(format!("{listener} took nobody's direct messages"));
        }
        let is_not_open = changes.never(listener, time.1, is(Direct::Everyone))
            || changes.lasted(listener, time, is_not(Direct::Everyone), is(Direct::Everyone));
        (is_not_open && !self.may_share_a_club(speaker, listener, time))
            .then(|| format!("the two shared no room, which {listener} asked for"))
    }

    /// True if there may have been a moment of `time` at which both had joined the same club.
    fn may_share_a_club(&self, one: &UserId, other: &UserId, time: (Duration, Duration)) -> bool {
        let clubs = self.ledger.rooms().filter(|(room, _)| !room.is_direct());
        clubs.flat_map(|(_, lives)| lives).any(|life| {
            life.may_have_been(time, |club| {
                let joined = |user| {
                    club.places().get(user).is_some_and(|place| place.membership == Membership::Joined)
                };
                joined(one) && joined(other)
            })
        })
    }
}

impl Life {
    /// True if the room may have been such at some moment of `time`.
    pub(super) fn may_have_been(
        &self,
        time: (Duration, Duration),
        mut is_such: impl FnMut(&Club) -> bool,
    ) -> bool {
        let mut club = Club::new();
        self.may_have_held(time, |event| {
            club.take(event);
            is_such(&club)
        })
    }
}
