//! The sessions of a node: who is the newest of each client, how its user is there, and how all of them are told something.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::due::Due;
use super::mailbox::{Mailbox, Notice};
use super::presence::{Settled, Settling};
use crate::environment::{Environment, Monotonic};
use crate::id::{ClientId, ClientKey, SessionNumber, UserId};
use crate::session::frame::Presence;

/// How a node's sessions leave and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// When the node expects to take clients again.
    pub back_in: Duration,
    /// How many clients it will take in a second from then on; each gets a slot of its own.
    pub per_second: u32,
}

/// All sessions of a node. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct Sessions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    env: Arc<dyn Environment>,
    due: Arc<Due>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    /// By the order of their coming, in which they are told things.
    open: BTreeMap<u64, Arc<Mailbox>>,
    /// Those of a user stand together.
    newest: BTreeMap<ClientKey, Newest>,
    settling: Settling,
    draining: Option<Draining>,
    failed: bool,
}

/// The newest session of a client.
#[derive(Clone, Copy, Debug)]
struct Newest {
    number: SessionNumber,
    key: u64,
    presence: Presence,
}

#[derive(Debug)]
struct Draining {
    drain: Drain,
    slots_given: u32,
}

/// A session's place among those of its node, given up when dropped.
#[derive(Debug)]
pub struct SessionGuard {
    sessions: Sessions,
    key: u64,
    client: Mutex<Option<ClientKey>>,
}

impl Sessions {
    pub(super) fn new(env: Arc<dyn Environment>, due: Arc<Due>) -> Self {
        Self(Arc::new(Shared { env, due, inner: Mutex::default() }))
    }

    pub(crate) fn enter(&self, mailbox: Arc<Mailbox>) -> SessionGuard {
        let mut inner = self.lock();
        if inner.failed {
            mailbox.tell(Notice::StoreFailed);
        } else if let Some(draining) = &mut inner.draining {
            mailbox.tell(draining.slot());
        }
        let key = inner.next;
        inner.next += 1;
        inner.open.insert(key, mailbox);
        drop(inner);
        SessionGuard { sessions: self.clone(), key, client: Mutex::default() }
    }

    pub(crate) fn drain(&self, drain: Drain) {
        let mut inner = self.lock();
        let mut draining = Draining { drain, slots_given: 0 };
        inner.open.values().for_each(|mailbox| mailbox.tell(draining.slot()));
        inner.draining = Some(draining);
    }

    pub(crate) fn tell_all(&self, notice: Notice) {
        let mut inner = self.lock();
        inner.failed |= notice == Notice::StoreFailed;
        inner.open.values().for_each(|mailbox| mailbox.tell(notice));
    }

    /// True if a newer session of `client` than `number` is open here.
    pub(crate) fn has_newer(&self, client: &ClientKey, number: SessionNumber) -> bool {
        self.lock().newest.get(client).is_some_and(|newest| newest.number > number)
    }

    /// Where the sessions of a user are told things, the newest of each client.
    pub(crate) fn of(&self, user: &UserId) -> Vec<Arc<Mailbox>> {
        let inner = self.lock();
        inner.of(user).filter_map(|newest| inner.open.get(&newest.key).cloned()).collect()
    }

    /// How a user is, as others are told.
    pub(super) fn told_presence(&self, user: &UserId) -> Presence {
        let inner = self.lock();
        inner.settling.told(user, inner.presence(user))
    }

    /// How users are, as others are told, in their order. Locked for so many at a time as nobody notices.
    pub(super) fn told_presences(&self, users: &[UserId]) -> Vec<Presence> {
        let mut presences = Vec::with_capacity(users.len());
        for some in users.chunks(PRESENCES_AT_A_TIME) {
            let inner = self.lock();
            presences.extend(some.iter().map(|user| inner.settling.told(user, inner.presence(user))));
        }
        presences
    }

    /// Takes the changes of presence that have settled, and says when the next will have.
    pub(super) fn settle(&self, now: Monotonic) -> (Vec<Settled>, Option<Monotonic>) {
        let inner = &mut *self.lock();
        let Inner { settling, newest, .. } = inner;
        settling.settle(now, |user| presence_of(newest, user))
    }

    /// When a user went of whom that is not written yet.
    pub(super) fn gone_at(&self, user: &UserId) -> Option<u64> {
        self.lock().settling.gone_at(user)
    }

    /// Takes those that went, to be written, if it is time; else says when.
    pub(super) fn take_gone(&self, now: Monotonic) -> Result<HashMap<UserId, u64>, Option<Monotonic>> {
        self.lock().settling.take_gone(now)
    }

    /// Takes those that went, be it settled or not.
    pub(super) fn take_all_gone(&self) -> HashMap<UserId, u64> {
        let inner = &mut *self.lock();
        let Inner { settling, newest, .. } = inner;
        settling.take_all_gone(|user| presence_of(newest, user))
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Makes `number` the newest session of `client`; what was the newest on this node is told, by key or not at all.
    pub(crate) fn opened(&self, client: &ClientKey, number: SessionNumber, key: Option<u64>) {
        self.change(&client.user, |inner| {
            let older = match key {
                Some(key) => {
                    inner.newest.insert(client.clone(), Newest { number, key, presence: Presence::Online })
                }
                None => inner.newest.remove(client),
            };
            let Some(other) = older else { return };
            if other.number > number {
                // Two sessions of one client opened at once and their answers crossed: the higher number stays.
                inner.newest.insert(client.clone(), other);
                key.into_iter()
                    .filter_map(|key| inner.open.get(&key))
                    .for_each(|mailbox| mailbox.tell(Notice::Replaced));
            } else if let Some(mailbox) = inner.open.get(&other.key) {
                mailbox.tell(Notice::Replaced);
            }
        });
    }

    /// Changes something of a user's sessions, and has what the user is by that settle.
    fn change(&self, user: &UserId, change: impl FnOnce(&mut Inner)) {
        let (now, unix_ms) = (self.0.env.now(), self.0.env.unix_ms());
        let mut inner = self.lock();
        let before = inner.presence(user);
        change(&mut inner);
        let after = inner.presence(user);
        let due = inner.settling.changed(user, (before, after), now, unix_ms);
        drop(inner);
        due.into_iter().for_each(|due| self.0.due.by(due));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The newest sessions of a user's clients.
    fn of(&self, user: &UserId) -> impl Iterator<Item = &Newest> {
        newest_of(&self.newest, user)
    }

    fn presence(&self, user: &UserId) -> Presence {
        presence_of(&self.newest, user)
    }
}

fn newest_of<'a>(newest: &'a BTreeMap<ClientKey, Newest>, user: &UserId) -> impl Iterator<Item = &'a Newest> {
    let first = ClientKey { user: user.clone(), id: ClientId::from_bytes([0; 16]) };
    let user = user.clone();
    newest.range(first..).take_while(move |(client, _)| client.user == user).map(|(_, newest)| newest)
}

/// Online if one session is, else away if one is.
fn presence_of(newest: &BTreeMap<ClientKey, Newest>, user: &UserId) -> Presence {
    let mut presence = Presence::Offline;
    for newest in newest_of(newest, user) {
        match newest.presence {
            Presence::Online => return Presence::Online,
            Presence::Away => presence = Presence::Away,
            Presence::Offline => {}
        }
    }
    presence
}

impl Draining {
    fn slot(&mut self) -> Notice {
        let slot = Duration::from_secs(1) * self.slots_given / self.drain.per_second.max(1);
        self.slots_given = self.slots_given.saturating_add(1);
        Notice::Drain(self.drain.back_in + slot)
    }
}

impl SessionGuard {
    pub(crate) fn opened(&self, client: &ClientKey, number: SessionNumber) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        self.sessions.opened(client, number, Some(self.key));
    }

    pub(super) fn set_presence(&self, presence: Presence) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(client) = client else { return };
        self.sessions.change(&client.user, |inner| {
            if let Some(newest) = inner.newest.get_mut(&client).filter(|newest| newest.key == self.key) {
                newest.presence = presence;
            }
        });
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(client) = client else {
            self.sessions.lock().open.remove(&self.key);
            return;
        };
        self.sessions.change(&client.user, |inner| {
            inner.open.remove(&self.key);
            if inner.newest.get(&client).is_some_and(|newest| newest.key == self.key) {
                inner.newest.remove(&client);
            }
        });
    }
}

/// Users whose presence is looked up under one lock. Source: chosen; a fraction of a millisecond.
const PRESENCES_AT_A_TIME: usize = 1_024;
