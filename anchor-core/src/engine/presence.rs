//! Who is there: of each user, from all sessions on this node, told once it has settled.
//!
//! What is told of a user is what it was before the changes that have not settled yet; whoever is back by then never went.
//! Nothing is kept of users who do not come or go: what they are, their sessions say. Sessions on other nodes are not
//! among these: where nodes tell each other, what they say joins here.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::Anchor;
use super::sessions::SessionGuard;
use crate::environment::Monotonic;
use crate::id::UserId;
use crate::limits::{PRESENCE_SETTLES, PRESENCE_SETTLING_MAX};
use crate::msgpack::{Reader, write};
use crate::record::{RecordKey, RecordWrite};
use crate::sabotage::{self, Sabotage};
use crate::session::frame::{Presence, Sighting};
use crate::store::StoreError;

/// Changes that have not settled.
#[derive(Debug, Default)]
pub(super) struct Settling {
    by_user: HashMap<UserId, Unsettled>,
    /// In the order of their times; some have been taken back meanwhile.
    due: VecDeque<(Monotonic, UserId)>,
    /// Users that went, and when, to be written; in milliseconds since the Unix epoch.
    gone: HashMap<UserId, u64>,
    gone_due: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug)]
struct Unsettled {
    /// What others were told.
    told: Presence,
    due: Monotonic,
    /// When the user went, if so, in milliseconds since the Unix epoch.
    went_at: u64,
}

/// How a user is from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) user: UserId,
    pub(super) presence: Presence,
    pub(super) seen: Option<u64>,
}

impl Settling {
    /// Takes a change of a user, `before` and `after` of all the user's sessions. Says when it is to be looked at again, if it
    /// is.
    pub(super) fn changed(
        &mut self,
        user: &UserId,
        (before, after): (Presence, Presence),
        now: Monotonic,
        unix_ms: u64,
    ) -> Option<Monotonic> {
        if before == after {
            return None;
        }
        if let Some(unsettled) = self.by_user.get_mut(user) {
            if unsettled.told == after {
                self.by_user.remove(user);
            } else {
                unsettled.went_at = unix_ms;
            }
            return None;
        }
        // Where nobody maintains the engine, nobody is told either.
        if self.due.len() >= PRESENCE_SETTLING_MAX {
            return None;
        }
        let due = if sabotage::is(Sabotage::PresenceUnsettled) { now } else { now + PRESENCE_SETTLES };
        self.by_user.insert(user.clone(), Unsettled { told: before, due, went_at: unix_ms });
        self.due.push_back((due, user.clone()));
        Some(due)
    }

    /// What others are told of a user who is `now`.
    pub(super) fn told(&self, user: &UserId, now: Presence) -> Presence {
        self.by_user.get(user).map_or(now, |unsettled| unsettled.told)
    }

    /// Takes the changes that have settled, of users who are `presence`, and says when the next will have.
    pub(super) fn settle(
        &mut self,
        now: Monotonic,
        presence: impl Fn(&UserId) -> Presence,
    ) -> (Vec<Settled>, Option<Monotonic>) {
        let mut settled = Vec::new();
        while let Some((due, user)) = self.due.pop_front_if(|(due, _)| *due <= now) {
            // Taken back meanwhile, and made again perhaps.
            if self.by_user.get(&user).is_none_or(|unsettled| unsettled.due != due) {
                continue;
            }
            let Some(unsettled) = self.by_user.remove(&user) else { continue };
            let presence = presence(&user);
            let seen = (presence == Presence::Offline).then_some(unsettled.went_at);
            if let Some(seen) = seen
                && self.gone.len() < PRESENCE_SETTLING_MAX
            {
                self.gone.insert(user.clone(), seen);
                self.gone_due.get_or_insert(now + SEEN_EVERY);
            }
            settled.push(Settled { user, presence, seen });
        }
        if self.due.is_empty() {
            self.due = VecDeque::new();
            self.by_user = HashMap::new();
        }
        (settled, self.due.front().map(|(due, _)| *due))
    }

    /// When a user who went and is not written yet did so.
    pub(super) fn gone_at(&self, user: &UserId) -> Option<u64> {
        self.gone.get(user).copied()
    }

    /// Takes those that went, to be written, if it is time; else says when.
    pub(super) fn take_gone(&mut self, now: Monotonic) -> Result<HashMap<UserId, u64>, Option<Monotonic>> {
        match self.gone_due {
            Some(due) if due <= now => {
                self.gone_due = None;
                Ok(std::mem::take(&mut self.gone))
            }
            due => Err(due),
        }
    }

    /// Takes those that went, and those of whom that has not settled yet.
    pub(super) fn take_all_gone(&mut self, presence: impl Fn(&UserId) -> Presence) -> HashMap<UserId, u64> {
        self.gone_due = None;
        let mut gone = std::mem::take(&mut self.gone);
        let going = self.by_user.iter().filter(|(user, _)| presence(user) == Presence::Offline);
        gone.extend(going.map(|(user, unsettled)| (user.clone(), unsettled.went_at)));
        gone
    }
}

impl Anchor {
    /// How a user is, as others are told: from all sessions on this node, as it was before what has not settled for
    /// [`PRESENCE_SETTLES`]; and when the user went, if that is so and known. Last times are coarse: they are written once a
    /// minute, and none is known of who went when a node was lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn presence(&self, user: &UserId) -> Result<Sighting, StoreError> {
        let presence = self.0.sessions.told_presence(user);
        let seen = match presence {
            Presence::Offline => self.seen(user).await?,
            Presence::Online | Presence::Away => None,
        };
        Ok(Sighting { user: user.clone(), presence, seen })
    }

    /// Says how the user of a session is there, as far as that session goes: online from the beginning.
    pub fn set_presence(&self, session: &SessionGuard, presence: Presence) {
        session.set_presence(presence);
    }

    /// When a user went, in milliseconds since the Unix epoch.
    pub(super) async fn seen(&self, user: &UserId) -> Result<Option<u64>, StoreError> {
        if let Some(seen) = self.0.sessions.gone_at(user) {
            return Ok(Some(seen));
        }
        let Some(value) = self.store().record(&seen_key(user)).await? else { return Ok(None) };
        Ok(Some(Reader::from_slice(&value).uint()?))
    }

    /// Writes when users went. What cannot be written is forgotten: last times are coarse.
    pub(super) async fn write_seen(&self, gone: HashMap<UserId, u64>) {
        let mut gone: Vec<_> = gone.into_iter().collect();
        gone.sort_unstable();
        for some in gone.chunks(SEEN_AT_A_TIME) {
            let put = |(user, seen): &(UserId, u64)| {
                let mut value = Vec::new();
                write::uint(&mut value, *seen);
                (seen_key(user), Some(value))
            };
            let write = RecordWrite { guard: None, puts: some.iter().map(put).collect() };
            if let Err(error) = self.store().write_records(write).await {
                tracing::warn!(%error, users = some.len(), "when users were last seen could not be written");
            }
        }
    }
}

/// The record of when a user was last seen.
fn seen_key(user: &UserId) -> RecordKey {
    RecordKey::new(format!("seen/{}", user.as_str())).expect("a user id is no longer than a key may be")
}

/// How often last times are written: at most so often for each user. Source: chosen; people read them in minutes.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// Last times that are written at once. Source: chosen; one transaction of a few milliseconds.
const SEEN_AT_A_TIME: usize = 1_024;

#[cfg(test)]
mod tests;
