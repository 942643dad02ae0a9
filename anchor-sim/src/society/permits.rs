//! Who may read what after each event of a room, folded from the events themselves.

use std::collections::BTreeMap;

use anchor_core::event::EventKind;
use anchor_core::id::UserId;
use anchor_core::position::Offset;
use anchor_core::room::change::{MembershipChange, RoomChange};
use anchor_core::room::{HistoryAccess, Membership, RoomKind};

use super::ledger::Life;

/// Where a user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) membership: Membership,
    pub(super) joined_at: Offset,
    pub(super) ended_at: Offset,
}

/// Which events somebody may read: above the first offset, up to the second.
pub(super) type Range = (Offset, Option<Offset>);

/// A room as its events made it.
#[derive(Clone, Debug)]
pub(super) struct Club {
    kind: RoomKind,
    history: HistoryAccess,
    places: BTreeMap<UserId, Place>,
    /// Somebody created it and not all have left it since.
    is_owned: bool,
}

impl Club {
    /// A room that comes into being with its first message: everybody's.
    pub(super) const fn new() -> Self {
        Self { kind: RoomKind::Public, history: HistoryAccess::All, places: BTreeMap::new(), is_owned: false }
    }

    /// The room after all that is known of it.
    pub(super) fn of(life: &Life) -> Self {
        let mut club = Self::new();
        life.prefix().for_each(|known| club.take(&known.event));
        club
    }

    /// Goes on by one event, which is there, so it was allowed.
    pub(super) fn take(&mut self, event: &anchor_core::event::Event) {
        let Some(body) = &event.body else { return };
        if event.kind == EventKind::ROOM {
            match RoomChange::from_body(body) {
                Ok(RoomChange::Create { kind, settings, user: other }) => {
                    self.kind = kind;
                    self.history = settings.history.unwrap_or_default();
                    self.is_owned = true;
                    self.join(&event.user, event.offset);
                    other.iter().for_each(|other| self.join(other, event.offset));
                }
                Ok(RoomChange::Set(settings)) => self.history = settings.history.unwrap_or(self.history),
                _ => {}
            }
        }
        if event.kind == EventKind::MEMBERSHIP
            && let Ok(change) = MembershipChange::from_body(body)
        {
            let user = change.named().unwrap_or(&event.user);
            match change {
                MembershipChange::Accept | MembershipChange::Join => self.join(user, event.offset),
                MembershipChange::Invite { .. } => self.place(user).membership = Membership::Invited,
                MembershipChange::Decline | MembershipChange::Leave => {
                    self.leave(user, Membership::Left, event.offset);
                }
                MembershipChange::Kick { .. } => self.leave(user, Membership::Removed, event.offset),
                MembershipChange::Ban { .. } => {
                    self.leave(user, Membership::Banned, event.offset);
                    // What everybody reads ends there for who is banned; what had ended before stays so.
                    if self.is_open() {
                        self.place(user).ended_at = event.offset;
                    }
                }
                MembershipChange::Unban { .. } => self.place(user).membership = Membership::Left,
                MembershipChange::Mute { .. }
                | MembershipChange::Unmute { .. }
                | MembershipChange::Role { .. } => {}
            }
        }
    }

    /// True if everybody reads it who is not banned.
    fn is_open(&self) -> bool {
        self.kind == RoomKind::Public && self.history == HistoryAccess::All
    }

    /// True if everybody may say something in it.
    pub(super) fn is_ownerless(&self) -> bool {
        self.kind == RoomKind::Public && !self.is_owned
    }

    /// What `user` may read.
    pub(super) fn range(&self, user: &UserId) -> Option<Range> {
        let place = self.places.get(user);
        if self.is_open() {
            let banned = place.filter(|place| place.membership == Membership::Banned);
            return Some((Offset::ZERO, banned.map(|place| place.ended_at)));
        }
        let place = place.filter(|place| place.joined_at > Offset::ZERO)?;
        let after = match self.history {
            HistoryAccess::All => Offset::ZERO,
            HistoryAccess::SinceJoin => place.joined_at.previous(),
        };
        Some((after, (place.membership != Membership::Joined).then_some(place.ended_at)))
    }

    pub(super) const fn places(&self) -> &BTreeMap<UserId, Place> {
        &self.places
    }

    fn place(&mut self, user: &UserId) -> &mut Place {
        let nobody = Place { membership: Membership::Left, joined_at: Offset::ZERO, ended_at: Offset::ZERO };
        self.places.entry(user.clone()).or_insert(nobody)
    }

    fn join(&mut self, user: &UserId, at: Offset) {
        *self.place(user) = Place { membership: Membership::Joined, joined_at: at, ended_at: Offset::ZERO };
    }

    fn leave(&mut self, user: &UserId, membership: Membership, at: Offset) {
        let place = self.place(user);
        if place.membership == Membership::Joined {
            place.ended_at = at;
        }
        place.membership = membership;
        self.is_owned &= self.places.values().any(|place| place.membership == Membership::Joined);
    }
}

/// True if `range` has `offset` in it.
pub(super) fn allows(range: Option<Range>, offset: Offset) -> bool {
    range.is_some_and(|(after, until)| offset > after && until.is_none_or(|until| offset <= until))
}
