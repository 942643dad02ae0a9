//! What is told of users: a profile that was changed, acknowledged, is what is read afterwards, and nobody is told of one that
//! nobody set, or that is nothing to them.

use std::time::Duration;

use anchor_core::id::{RoomId, UserId};
use anchor_core::user::{Profile, UserChange};

use super::permits::Club;
use super::{Inner, Society};

impl Society {
    /// Somebody who asked at `asked_at` is told the profiles of users.
    pub fn reads_profiles(&self, asked_at: Duration, told: &[(UserId, Profile)]) {
        let now = self.0.kernel.now();
        let mut inner = self.inner();
        for (user, profile) in told {
            let it = UserChange::Profile(profile.clone());
            let is_profile = |change: &UserChange| matches!(change, UserChange::Profile(_));
            let is_initial = *profile == Profile::default();
            let changes = &inner.people.changes;
            if !changes.may_be(user, (asked_at, now), is_profile, |change| *change == it, is_initial) {
                let what = format!("the profile of {user} is said to be {profile:?}");
                inner.broken.push(format!("{what}, asked for at {asked_at:?}, and is not"));
            }
        }
    }

    /// `hearer` is told in passing that `user` has another profile.
    pub fn hears_profile(&self, hearer: &UserId, user: &UserId, profile: &Profile) {
        let mut inner = self.inner();
        if !inner.people.changes.was_asked(user, &UserChange::Profile(profile.clone())) {
            inner.broken.push(format!("{hearer} is told that {user} is {profile:?}, and nobody set that"));
        }
        if hearer != user && !inner.have_met(hearer, user) {
            inner.broken.push(format!("{hearer} is told of the profile of {user}, and never shared a room"));
        }
    }
}

impl Inner {
    /// True if both read, or try to, the same room: one that may be everybody's at some time, or the one of both of them.
    fn have_met(&self, hearer: &UserId, user: &UserId) -> bool {
        let has_met = |room: &RoomId| {
            let both = [hearer, user];
            let is_theirs = || {
                let lives = self.ledger.rooms().find(|(other, _)| *other == room);
                lives.into_iter().flat_map(|(_, lives)| lives).any(|life| {
                    let joined = |club: &Club| both.iter().all(|user| club.places().contains_key(*user));
                    life.may_have_been((Duration::ZERO, Duration::MAX), joined)
                })
            };
            both.iter().all(|user| self.people.reads(user, room)) && (!room.is_direct() || is_theirs())
        };
        self.people.rooms_of(hearer).any(has_met)
    }
}
