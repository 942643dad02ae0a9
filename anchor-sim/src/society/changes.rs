//! What users asked to have changed of what is kept of them, and what may be kept for it.
//!
//! Between asking and being answered a change may be made at any moment, and one that was never answered at any moment
//! since it was asked for. One that was answered before another was asked for lies before it.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::id::UserId;
use anchor_core::user::{Direct, UserChange, UserRow};

use super::Society;

/// Every change that anybody asked for, in the order in which they did.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<UserId, Vec<Asked>>);

/// A change.
#[derive(Clone, Debug)]
struct Asked {
    change: UserChange,
    asked_at: Duration,
    answered_at: Option<Duration>,
}

impl Society {
    /// `user` asks for a change; its number.
    #[must_use]
    pub fn asks_to_change(&self, user: &UserId, change: &UserChange) -> usize {
        let asked_at = self.0.kernel.now();
        self.inner().people.changes.ask(user, change, asked_at)
    }

    /// A change of `user` is said to be made.
    pub fn changed(&self, user: &UserId, number: usize) {
        let now = self.0.kernel.now();
        self.inner().people.changes.answer(user, number, now);
    }

    /// What a store keeps of a user, in the end; what is wrong with it.
    #[must_use]
    pub fn check_row(&self, user: &UserId, others: &[UserId], row: &UserRow) -> Vec<String> {
        let now = self.0.kernel.now();
        self.inner().people.changes.check_row(user, others, row, now)
    }
}

impl Changes {
    pub(super) fn ask(&mut self, user: &UserId, change: &UserChange, asked_at: Duration) -> usize {
        let asked = self.0.entry(user.clone()).or_default();
        asked.push(Asked { change: change.clone(), asked_at, answered_at: None });
        asked.len() - 1
    }

    pub(super) fn answer(&mut self, user: &UserId, number: usize, now: Duration) {
        if let Some(asked) = self.0.get_mut(user).and_then(|asked| asked.get_mut(number)) {
            asked.answered_at = Some(now);
        }
    }

    /// True if there was a change that `begins` something, made before `from`, and none that `ends` it can have been made
    /// behind it and before `until`.
    pub(super) fn lasted(
        &self,
        user: &UserId,
        (from, until): (Duration, Duration),
        begins: impl Fn(&UserChange) -> bool,
        ends: impl Fn(&UserChange) -> bool,
    ) -> bool {
        let Some(asked) = self.0.get(user) else { return false };
        let mut began = asked.iter().filter(|asked| {
            begins(&asked.change) && asked.answered_at.is_some_and(|answered| answered < from)
        });
        began.any(|began| {
            let mut ended = asked.iter().filter(|asked| ends(&asked.change));
            ended.all(|end| {
                end.asked_at > until || end.answered_at.is_some_and(|answered| answered < began.asked_at)
            })
        })
    }

    /// True if nobody asked for what `begins` something before `until`.
    pub(super) fn never(&self, user: &UserId, until: Duration, begins: impl Fn(&UserChange) -> bool) -> bool {
        let mut asked = self.0.get(user).into_iter().flatten();
        !asked.any(|asked| begins(&asked.change) && asked.asked_at <= until)
    }

    /// True if `other` was blocked by `user` all the time.
    pub(super) fn is_blocked(&self, user: &UserId, other: &UserId, time: (Duration, Duration)) -> bool {
        let (block, unblock) = (UserChange::Block(other.clone()), UserChange::Unblock(other.clone()));
        self.lasted(user, time, |change| *change == block, |change| *change == unblock)
    }

    /// True if what was asked for at `from` and told by `until` can have been the one that `is_it` of all that `concern` it;
    /// `initially`: that before any change.
    pub(super) fn may_be(
        &self,
        user: &UserId,
        (from, until): (Duration, Duration),
        concern: impl Fn(&UserChange) -> bool,
        is_it: impl Fn(&UserChange) -> bool,
        initially: bool,
    ) -> bool {
        let all: Vec<_> =
            self.0.get(user).into_iter().flatten().filter(|asked| concern(&asked.change)).collect();
        // Made, for sure, behind whatever was answered by then, and before it was asked what is kept.
        let is_covered = |answered_at: Option<Duration>| {
            let made = |asked: &&&Asked| asked.answered_at.is_some_and(|answered| answered < from);
            all.iter().filter(made).any(|later| answered_at.is_some_and(|answered| answered < later.asked_at))
        };
        let begun = |asked: &&&Asked| is_it(&asked.change) && asked.asked_at <= until;
        let none_is_made = !all.iter().any(|asked| asked.answered_at.is_some_and(|answered| answered < from));
        (initially && none_is_made) || all.iter().filter(begun).any(|asked| !is_covered(asked.answered_at))
    }

    /// True if somebody asked for `change` by now.
    pub(super) fn was_asked(&self, user: &UserId, change: &UserChange) -> bool {
        self.0.get(user).into_iter().flatten().any(|asked| asked.change == *change)
    }

    fn check_row(&self, user: &UserId, others: &[UserId], row: &UserRow, now: Duration) -> Vec<String> {
        let mut broken = Vec::new();
        let time = (now, now);
        let profile = UserChange::Profile(row.profile.clone());
        let is_profile = |change: &UserChange| matches!(change, UserChange::Profile(_));
        let is_initial = row.profile == UserRow::default().profile;
        if !self.may_be(user, time, is_profile, |change| *change == profile, is_initial) {
            broken.push(format!(
                "the profile of {user} is {:?} in the end, and was changed since",
                row.profile
            ));
        }
        let direct = UserChange::Direct(row.contact.direct);
        let is_direct = |change: &UserChange| matches!(change, UserChange::Direct(_));
        let is_initial = row.contact.direct == Direct::default();
        if !self.may_be(user, time, is_direct, |change| *change == direct, is_initial) {
            let direct = row.contact.direct;
            broken.push(format!(
                "{user} takes direct messages from {direct:?} in the end, and changed that since"
            ));
        }
        for other in others {
            let (block, unblock) = (UserChange::Block(other.clone()), UserChange::Unblock(other.clone()));
            let is_blocked = row.contact.blocked.contains(other);
            let it = if is_blocked { &block } else { &unblock };
            let concerns = |change: &UserChange| *change == block || *change == unblock;
            if !self.may_be(user, time, concerns, |change| change == it, !is_blocked) {
                broken.push(format!(
                    "{user} has blocked {other}: {is_blocked} in the end, and changed that since"
                ));
            }
        }
        broken
    }
}
