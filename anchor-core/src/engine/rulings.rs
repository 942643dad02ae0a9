//! What a hook was asked about a publish and what it has ruled, from the first question until a store has decided the
//! publish: kept whatever becomes of the session that asked, for the client that sends the same again.
//!
//! ```text
//! asked ──▶ under way ──▶ given ──▶ handed over ──▶ decided: forgotten
//!               └───────────┴────────────┴── the session ends ──▶ the same publish, sent again, takes what there is
//! ```
//!
//! A ruling is for one publish: the client, its seq, and the fingerprint by which its window tells publishes apart.
//!
//! # At the bound
//!
//! Asking again is what happens to a publish whose ruling was forgotten, and nothing worse. A ruling is forgotten where it is
//! too old; where its user has too many, the oldest of that user; and where all of them weigh too much, the oldest of the
//! user whose weigh most. So nobody pushes out a ruling of somebody who holds less: one user who opens sessions, publishes
//! and leaves pushes out none but that user's own, and who wants those of all others needs as many users as there is room
//! for rulings. What is forgotten under way and waited for by nobody is dropped, so that the hook's work for those who left
//! is bounded with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, select};

use super::changes::body_bytes;
use super::errands::Errand;
use super::joint::Joint;
use crate::environment::Monotonic;
use crate::event::Body;
use crate::id::{ClientKey, Seq, UserId};
use crate::limits::{RULING_AGE_MAX, RULINGS_BYTES_MAX, RULINGS_OF_USER_MAX};
use crate::publish::{Fingerprint, Publish, Refusal};

/// What comes of a ruling: the body to be appended in place of the one that was sent, if any; or the refusal.
pub(super) type Ruled = Result<Option<Body>, Refusal>;

/// A ruling under way, or given. Whoever waits for it drives it.
pub(super) type Asking = Joint<Ruled>;

/// All rulings of a node that no store has decided about yet.
#[derive(Debug, Default)]
pub(super) struct Rulings(Mutex<Inner>);

/// Which publish a ruling is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Of {
    client: ClientKey,
    seq: Seq,
    fingerprint: Fingerprint,
}

/// What there is for a publish.
#[derive(Debug)]
pub(super) enum Found {
    /// Its ruling.
    Its(Asking),
    /// One for another publish of the same client, under way: a client is asked about once at a time.
    Another(Asking),
}

#[derive(Debug, Default)]
struct Inner {
    by_user: BTreeMap<UserId, OfUser>,
    /// The users, by what their rulings weigh.
    by_weight: BTreeSet<(usize, UserId)>,
    weight: usize,
}

/// Invariant: it is not empty, and weighs what its rulings do.
#[derive(Debug, Default)]
struct OfUser {
    /// The oldest first.
    kept: VecDeque<Kept>,
    weight: usize,
}

#[derive(Debug)]
struct Kept {
    of: Of,
    asking: Asking,
    since: Monotonic,
    weight: usize,
    /// Where nobody waited for it any more: dropped with this, it is driven no further.
    driven: Option<oneshot::Sender<()>>,
}

impl Of {
    pub(super) fn new(publish: &Publish) -> Self {
        let (client, seq) = (publish.client.clone(), publish.seq);
        Self { client, seq, fingerprint: publish.fingerprint() }
    }
}

impl Rulings {
    /// What there is for a publish with so many bytes; where there is nothing, the hook is asked.
    pub(super) fn find(&self, of: &Of, bytes: usize, now: Monotonic, ask: impl FnOnce() -> Asking) -> Found {
        let mut inner = self.lock();
        let (found, mut forgotten) = inner.change(&of.client.user, |kept| {
            let mut forgotten = take_old(kept, now);
            if let Some(its) = kept.iter().find(|kept| kept.of == *of) {
                return (Found::Its(its.asking.clone()), forgotten);
            }
            let is_under_way = |kept: &&Kept| kept.of.client == of.client && !kept.asking.is_done();
            if let Some(another) = kept.iter().find(is_under_way) {
                return (Found::Another(another.asking.clone()), forgotten);
            }
            if kept.len() >= RULINGS_OF_USER_MAX {
                forgotten.extend(kept.pop_front());
            }
            let (of, asking, weight) = (of.clone(), ask(), RULING_BYTES + bytes);
            kept.push_back(Kept { of, asking: asking.clone(), since: now, weight, driven: None });
            (Found::Its(asking), forgotten)
        });
        forgotten.extend(inner.take_over());
        drop(inner);
        // Outside of the lock, here and below: what is dropped is the host's.
        drop(forgotten);
        found
    }

    /// Learns what a ruling has come to: it weighs that from now on.
    pub(super) fn given(&self, of: &Of, ruled: &Ruled) {
        let bytes = ruled.as_ref().map_or(0, |body| body.as_ref().map_or(0, body_bytes));
        let mut inner = self.lock();
        inner.change(&of.client.user, |kept| {
            if let Some(its) = kept.iter_mut().find(|kept| kept.of == *of) {
                its.weight = RULING_BYTES + bytes;
            }
        });
        let forgotten = inner.take_over();
        drop(inner);
        drop(forgotten);
    }

    /// What drives a ruling that is under way and for which somebody no longer waits, if nothing does yet.
    pub(super) fn left(self: &Arc<Self>, of: &Of) -> Option<Errand> {
        let (driven, forgotten) = oneshot::channel();
        let asking = self.lock().change(&of.client.user, |kept| {
            let its = kept.iter_mut().find(|kept| kept.of == *of && !kept.is_driven())?;
            its.driven = Some(driven);
            Some(its.asking.clone())
        })?;
        let (rulings, of) = (self.clone(), of.clone());
        let drive = async move {
            if let Either::Left((ruled, _)) = select(asking, forgotten).await {
                rulings.given(&of, &ruled);
            }
        };
        Some(Joint::new(drive.boxed()))
    }

    /// Forgets the rulings on publishes of a client below `end`: they are decided, or never will be.
    pub(super) fn decided(&self, client: &ClientKey, end: Seq) {
        let decided = self.lock().change(&client.user, |kept| {
            let (decided, left) =
                kept.drain(..).partition(|kept| kept.of.client == *client && kept.of.seq < end);
            *kept = left;
            decided
        });
        drop::<VecDeque<_>>(decided);
    }

    /// Forgets what is too old.
    pub(super) fn age(&self, now: Monotonic) {
        let mut inner = self.lock();
        let has_old = |of_user: &OfUser| of_user.kept.front().is_some_and(|kept| kept.is_old(now));
        let users = inner.by_user.iter().filter(|(_, of_user)| has_old(of_user));
        let users: Vec<_> = users.map(|(user, _)| user.clone()).collect();
        let old: Vec<_> = users.iter().map(|user| inner.change(user, |kept| take_old(kept, now))).collect();
        drop(inner);
        drop(old);
    }

    /// How many there are, and what they weigh.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.by_user.values().map(|of_user| of_user.kept.len()).sum(), inner.weight)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Changes the rulings of a user; the only way to.
    fn change<R>(&mut self, user: &UserId, change: impl FnOnce(&mut VecDeque<Kept>) -> R) -> R {
        let mut of_user = match self.by_user.remove_entry(user) {
            Some((user, of_user)) => {
                self.by_weight.remove(&(of_user.weight, user));
                of_user
            }
            None => OfUser::default(),
        };
        let result = change(&mut of_user.kept);
        self.weight -= of_user.weight;
        of_user.weight = of_user.kept.iter().map(|kept| kept.weight).sum();
        self.weight += of_user.weight;
        if !of_user.kept.is_empty() {
            self.by_weight.insert((of_user.weight, user.clone()));
            self.by_user.insert(user.clone(), of_user);
        }
        result
    }

    /// Takes what is too much: the oldest of whoever holds the most.
    fn take_over(&mut self) -> Vec<Kept> {
        let mut taken = Vec::new();
        while self.weight > RULINGS_BYTES_MAX
            && let Some((_, user)) = self.by_weight.last().cloned()
        {
            taken.extend(self.change(&user, VecDeque::pop_front));
        }
        taken
    }
}

impl Kept {
    fn is_driven(&self) -> bool {
        self.driven.as_ref().is_some_and(|driven| !driven.is_canceled())
    }

    fn is_old(&self, now: Monotonic) -> bool {
        now.since(self.since) > RULING_AGE_MAX
    }
}

fn take_old(kept: &mut VecDeque<Kept>, now: Monotonic) -> Vec<Kept> {
    std::iter::from_fn(|| kept.pop_front_if(|kept| kept.is_old(now))).collect()
}

/// What a ruling weighs beside its body, in bytes. Source: the hook's future, the names and what the publish is about, about.
pub(super) const RULING_BYTES: usize = 1024;
