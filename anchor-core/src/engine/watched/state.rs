//! What is known of a watched room, each entry with the version at which it changed. Pure: no clock, no store.
//!
//! Invariant: an entry that changed has a version above all that any watcher was told, and an entry that is gone is kept as
//! gone until all were told, or until there are too many: whoever was not told of those is told that it is over.

use std::collections::{BTreeMap, BTreeSet};

use crate::cursor::Cursors;
use crate::environment::Monotonic;
use crate::id::UserId;
use crate::limits::{PRESENCE_SAMPLE_MAX, RECEIPTS_MEMBERS_LIMIT, RECEIPTS_MEMBERS_MAX, TYPING_USERS_MAX};
use crate::position::{Epoch, Offset};
use crate::sabotage::{self, Sabotage};
use crate::session::frame::{Presence, Receipt, Sighting};

use super::super::presence::Settled;

/// A watched room.
#[derive(Debug, Default)]
pub(super) struct State {
    version: u64,
    /// Watchers that were told less are told no more.
    floor: u64,
    /// Counts when the room became another: what was read of the store at another count may be of what it was.
    turns: u64,
    /// What `turns` was for what is known; none before anything is.
    known: Option<u64>,
    epoch: Option<Epoch>,
    company: Company,
    cursors: BTreeMap<UserId, At<Shown>>,
    people: BTreeMap<UserId, At<Seen>>,
    counted: At<Side>,
    typing: BTreeMap<UserId, Monotonic>,
    typists: Typists,
}

/// Something, and the version at which it became so.
#[derive(Clone, Copy, Debug, Default)]
struct At<T> {
    version: u64,
    it: T,
}

/// What others are told of a user's cursors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown {
    delivered: Offset,
    read: Offset,
}

/// How a user is there; absent for who does not belong to the room any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    is_gone: bool,
    presence: Presence,
    seen: Option<u64>,
}

/// How many users of a room are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) online: u64,
    pub(super) away: u64,
}

/// Who belongs to a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Company {
    /// Everybody who comes along.
    #[default]
    Anybody,
    /// These have joined.
    Joined(BTreeSet<UserId>),
    /// So many that they are counted.
    Large,
}

/// What the store says of a room.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) epoch: Option<Epoch>,
    pub(super) company: Company,
    pub(super) cursors: Vec<(UserId, Cursors)>,
}

/// Whose typing changed last, and when that of anybody else did: enough to tell each whether others' did.
#[derive(Clone, Debug, Default)]
struct Typists {
    newest: Option<(UserId, u64)>,
    of_others: u64,
}

/// What changed since some version, for one watcher.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) version: u64,
    pub(super) receipts: Vec<Receipt>,
    pub(super) sightings: Vec<Sighting>,
    /// There if anything of presence changed.
    pub(super) counted: Option<Side>,
    pub(super) typing: Option<Vec<UserId>>,
}

impl State {
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// True if what is known is of the room as it is, as far as this node has heard.
    pub(super) fn is_known(&self) -> bool {
        self.known == Some(self.turns)
    }

    /// Learns that the room is not what it was.
    pub(super) const fn turn(&mut self) {
        self.turns += 1;
    }

    /// To be called before the store is asked, for [`State::load`].
    pub(super) const fn turns(&self) -> u64 {
        self.turns
    }

    pub(super) const fn company(&self) -> &Company {
        &self.company
    }

    /// Takes what the store said at that count of turns. What it says of cursors is not told: whoever wrote has read, as all
    /// know who read the log, and what was moved is told by [`State::moved`].
    pub(super) fn load(&mut self, turns: u64, loaded: Loaded) {
        if self.known.is_some_and(|known| known > turns) {
            return;
        }
        let was_large = self.company == Company::Large;
        let is_first = self.known.is_none();
        if !is_first && (self.epoch != loaded.epoch || was_large != (loaded.company == Company::Large)) {
            *self = Self { version: self.version + 1, turns: self.turns, ..Self::default() };
            self.floor = self.version;
        }
        if self.known.is_some_and(|known| known < turns) {
            // Be it for nothing: whoever watches may have to go.
            self.next();
        }
        (self.known, self.epoch) = (Some(turns), loaded.epoch);
        self.company = loaded.company;
        let mut new = Vec::new();
        for (user, cursors) in loaded.cursors {
            if !self.company.has(&user) {
                continue;
            }
            match self.cursors.get_mut(&user) {
                Some(known) => known.it = known.it.max(Shown::of(&cursors)),
                None => new.push((user, Shown::of(&cursors))),
            }
        }
        let Self { company, cursors, typing, .. } = self;
        cursors.retain(|user, _| company.has(user));
        typing.retain(|user, _| company.has(user));
        for (user, shown) in new {
            let version = self.next();
            self.cursors.insert(user, At { version, it: shown });
        }
    }

    /// Takes where a user's cursors are now: told, be it nothing new.
    pub(super) fn moved(&mut self, user: &UserId, cursors: &Cursors) {
        let is_listed = self.cursors.contains_key(user) || self.cursors.len() < RECEIPTS_MEMBERS_LIMIT;
        if self.company == Company::Large || !self.company.has(user) || !is_listed {
            return;
        }
        let version = self.next();
        let known = self.cursors.entry(user.clone()).or_default();
        *known = At { version, it: known.it.max(Shown::of(cursors)) };
    }

    /// Takes how a user is from now on, if that is one who is listed or belongs to the room.
    pub(super) fn settled(&mut self, settled: &Settled) {
        let is_listed = self.people.get(&settled.user).is_some_and(|at| !at.it.is_gone);
        let is_large = self.company == Company::Large;
        let is_member = matches!(&self.company, Company::Joined(joined) if joined.contains(&settled.user));
        if !is_listed && !is_member {
            return;
        }
        let seen = Seen { is_gone: false, presence: settled.presence, seen: settled.seen };
        self.see(settled.user.clone(), seen);
        // Where there is a sample alone, all are counted every now and then.
        if !is_large {
            self.count();
        }
    }

    /// Takes all who are listed, and how they are; and how many there are in all where these are a sample.
    pub(super) fn people(&mut self, people: Vec<Sighting>, counted: Option<Side>) {
        let listed: BTreeSet<_> = people.iter().map(|sighting| sighting.user.clone()).collect();
        let is_missing = |(user, at): &(&UserId, &At<Seen>)| !at.it.is_gone && !listed.contains(*user);
        let gone: Vec<_> = self.people.iter().filter(is_missing).map(|(user, _)| user.clone()).collect();
        for user in gone {
            self.see(user, Seen { is_gone: true, ..Seen::default() });
        }
        for Sighting { user, presence, seen } in people {
            self.see(user, Seen { is_gone: false, presence, seen });
        }
        match counted {
            Some(counted) => self.set_counted(counted),
            None => self.count(),
        }
    }

    /// True if it is known of a user when that user went, be it never; asked of those who are not there.
    pub(super) fn seen(&self, user: &UserId) -> Option<Option<u64>> {
        let at = self.people.get(user).filter(|at| !at.it.is_gone && at.it.presence == Presence::Offline)?;
        Some(at.it.seen)
    }

    /// A user types until then, or has stopped.
    pub(super) fn typing(&mut self, user: &UserId, until: Option<Monotonic>) {
        let changed = match until {
            Some(_) if !self.company.has(user) || self.typing.len() >= TYPISTS_MAX => false,
            Some(until) => self.typing.insert(user.clone(), until).is_none(),
            None => self.typing.remove(user).is_some(),
        };
        if changed {
            let version = self.next();
            self.typists.changed(user, version);
        }
    }

    pub(super) fn has_typists(&self) -> bool {
        !self.typing.is_empty()
    }

    /// Forgets who has not gone on typing, and says when the next will be.
    pub(super) fn expire(&mut self, now: Monotonic) -> Option<Monotonic> {
        let over: Vec<_> =
            self.typing.iter().filter(|(_, until)| **until <= now).map(|(user, _)| user.clone()).collect();
        over.iter().for_each(|user| self.typing(user, None));
        self.typing.values().min().copied()
    }

    /// Forgets those that are gone and of whom all know it who were told up to that version; and more where there are many.
    pub(super) fn purge(&mut self, told: u64) {
        self.people.retain(|_, at| !at.it.is_gone || at.version > told);
        let gone: Vec<_> = self.people.values().filter(|at| at.it.is_gone).map(|at| at.version).collect();
        if gone.len() > GONE_MAX {
            self.floor = self.floor.max(gone.into_iter().max().unwrap_or_default());
            self.people.retain(|_, at| !at.it.is_gone);
        }
    }

    /// What changed after the version `told`, for `watcher`; none if that is told no more.
    pub(super) fn changes(&self, told: u64, watcher: &UserId) -> Option<Changes> {
        if told < self.floor {
            return None;
        }
        if !self.is_known() {
            return Some(Changes { version: told, ..Changes::default() });
        }
        let counted = self.people.values().map(|at| at.version).chain([self.counted.version]).max();
        Some(Changes {
            version: self.version,
            receipts: self.receipts(told),
            sightings: self.sightings(told),
            counted: counted.filter(|newest| *newest > told).map(|_| self.counted.it),
            typing: self.typists.has_changed(told, watcher).then(|| self.typing_but(watcher)),
        })
    }

    /// How far users have come whose cursors changed after the version `told`.
    pub(super) fn receipts(&self, told: u64) -> Vec<Receipt> {
        let changed = self.cursors.iter().filter(|(_, at)| at.version > told);
        let receipt = |(user, at): (&UserId, &At<Shown>)| Receipt {
            user: user.clone(),
            delivered: Some(at.it.delivered),
            read: at.it.read,
            ordinal: None,
        };
        changed.map(receipt).collect()
    }

    /// How users are who changed after the version `told`.
    pub(super) fn sightings(&self, told: u64) -> Vec<Sighting> {
        let is_new = |at: &At<Seen>| at.version > told && !(told == 0 && at.it.is_gone);
        let changed = self.people.iter().filter(|(_, at)| is_new(at));
        let sighting = |(user, at): (&UserId, &At<Seen>)| Sighting {
            user: user.clone(),
            presence: at.it.presence,
            seen: at.it.seen,
        };
        changed.map(sighting).collect()
    }

    pub(super) const fn counted(&self) -> Side {
        self.counted.it
    }

    /// Who types, but for `watcher`.
    pub(super) fn typing_but(&self, watcher: &UserId) -> Vec<UserId> {
        let others =
            self.typing.keys().filter(|user| *user != watcher || sabotage::is(Sabotage::TypingEchoed));
        others.take(TYPING_USERS_MAX).cloned().collect()
    }

    fn see(&mut self, user: UserId, seen: Seen) {
        let is_new = self.people.get(&user).is_none_or(|at| at.it != seen);
        if is_new {
            let version = self.next();
            self.people.insert(user, At { version, it: seen });
        }
    }

    fn count(&mut self) {
        let there = |presence| {
            self.people.values().filter(|at| !at.it.is_gone && at.it.presence == presence).count() as u64
        };
        self.set_counted(Side { online: there(Presence::Online), away: there(Presence::Away) });
    }

    fn set_counted(&mut self, counted: Side) {
        if self.counted.it != counted {
            self.counted = At { version: self.next(), it: counted };
        }
    }

    const fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }
}

impl Company {
    /// True if a user belongs to the room, as far as that is known.
    pub(super) fn has(&self, user: &UserId) -> bool {
        match self {
            Self::Joined(joined) => joined.contains(user),
            Self::Anybody | Self::Large => true,
        }
    }
}

impl Side {
    /// With one more who is so.
    pub(super) const fn and(self, presence: Presence) -> Self {
        let Self { online, away } = self;
        match presence {
            Presence::Online => Self { online: online + 1, away },
            Presence::Away => Self { online, away: away + 1 },
            Presence::Offline => self,
        }
    }
}

impl Shown {
    fn of(cursors: &Cursors) -> Self {
        let read =
            if sabotage::is(Sabotage::HiddenReceiptTold) { cursors.read.offset } else { cursors.shown };
        Self { delivered: cursors.delivered, read }
    }

    fn max(self, other: Self) -> Self {
        Self { delivered: self.delivered.max(other.delivered), read: self.read.max(other.read) }
    }
}

impl Typists {
    fn changed(&mut self, user: &UserId, version: u64) {
        if let Some((newest, at)) = &self.newest
            && newest != user
        {
            self.of_others = *at;
        }
        self.newest = Some((user.clone(), version));
    }

    /// True if the typing of somebody else than `watcher` changed after the version `told`.
    fn has_changed(&self, told: u64, watcher: &UserId) -> bool {
        let newest =
            self.newest.as_ref().filter(|(user, _)| user != watcher || sabotage::is(Sabotage::TypingEchoed));
        newest.map_or(self.of_others, |(_, at)| *at) > told
    }
}

/// Users who type in a room, at most: later ones are not noted. Source: chosen; more than are told.
const TYPISTS_MAX: usize = 2 * TYPING_USERS_MAX;

/// Users that are kept as gone because some watcher was not told of it. Source: chosen; as many as are listed, as a rule.
const GONE_MAX: usize = RECEIPTS_MEMBERS_MAX;

const _: () = assert!(PRESENCE_SAMPLE_MAX < GONE_MAX);

#[cfg(test)]
mod tests;
