//! The sessions of a node: who is the newest of each client, and how all of them are told something.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::mailbox::{Mailbox, Notice};
use crate::id::{ClientId, ClientKey, SessionNumber, UserId};

/// How a node's sessions leave and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// When the node expects to take clients again.
    pub back_in: Duration,
    /// How many clients it will take in a second from then on; each gets a slot of its own.
    pub per_second: u32,
}

/// All sessions of a node. Clones share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    /// By the order of their coming, in which they are told things.
    open: BTreeMap<u64, Arc<Mailbox>>,
    /// Those of a user stand together.
    newest: BTreeMap<ClientKey, (SessionNumber, u64)>,
    draining: Option<Draining>,
    failed: bool,
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
        self.lock().newest.get(client).is_some_and(|(newest, _)| *newest > number)
    }

    /// Where the sessions of a user are told things, the newest of each client.
    pub(crate) fn of(&self, user: &UserId) -> Vec<Arc<Mailbox>> {
        let inner = self.lock();
        let first = ClientKey { user: user.clone(), id: ClientId::from_bytes([0; 16]) };
        let own = inner.newest.range(first..).take_while(|(client, _)| client.user == *user);
        own.filter_map(|(_, (_, key))| inner.open.get(key).cloned()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Makes `number` the newest session of `client`; what was the newest on this node is told, by key or not at all.
    pub(crate) fn opened(&self, client: &ClientKey, number: SessionNumber, key: Option<u64>) {
        let mut inner = self.lock();
        let older = match key {
            Some(key) => inner.newest.insert(client.clone(), (number, key)),
            None => inner.newest.remove(client),
        };
        let Some((other, other_key)) = older else { return };
        if other > number {
            // Two sessions of one client opened at once and their answers crossed: the higher number stays.
            inner.newest.insert(client.clone(), (other, other_key));
            key.into_iter()
                .filter_map(|key| inner.open.get(&key))
                .for_each(|mailbox| mailbox.tell(Notice::Replaced));
        } else if let Some(mailbox) = inner.open.get(&other_key) {
            mailbox.tell(Notice::Replaced);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut inner = self.sessions.lock();
        inner.open.remove(&self.key);
        if let Some(client) = client
            && inner.newest.get(&client).is_some_and(|(_, key)| *key == self.key)
        {
            inner.newest.remove(&client);
        }
    }
}
