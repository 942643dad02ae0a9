//! What admins say to everybody: each process of a client hears every announcement once, in order, from the first that it
//! hears on; and a later process of the same client goes on where the one before was.

use std::collections::{BTreeMap, BTreeSet};

use anchor_core::event::{Event, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;

use super::{Inner, Society};
use crate::kernel::ProcessId;
use crate::scenario::ADMIN;

/// What was announced, and who heard of it.
#[derive(Debug, Default)]
pub(super) struct Announced {
    asked: BTreeSet<String>,
    heard: BTreeMap<ProcessId, Heard>,
}

/// What a process heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Up to where an earlier process of the same client heard everything.
    pub(super) after: Option<Offset>,
    pub(super) offsets: Vec<Offset>,
}

impl Society {
    /// An admin begins to announce something.
    pub fn announces(&self, text: &str) {
        self.inner().people.announced.asked.insert(text.to_owned());
    }

    /// A process hears an announcement; `after`: the newest that an earlier one of its client heard.
    pub fn hears_announcement(&self, process: ProcessId, after: Option<Offset>, offset: Offset) {
        let mut inner = self.inner();
        let heard = inner
            .people
            .announced
            .heard
            .entry(process)
            .or_insert_with(|| Heard { after, offsets: Vec::new() });
        heard.offsets.push(offset);
    }

    /// True if a process has heard the newest announcement.
    #[must_use]
    pub fn has_heard_all(&self, process: ProcessId) -> bool {
        let inner = self.inner();
        let Some(life) = inner.ledger.newest(&RoomId::announcements()) else { return true };
        let newest = life.events().rev().find(|event| event.kind == EventKind::MESSAGE);
        let heard = inner.people.announced.heard.get(&process);
        newest.is_none_or(|newest| heard.is_some_and(|heard| heard.offsets.contains(&newest.offset)))
    }
}

#[cfg(test)]
impl Announced {
    /// Nobody heard anything.
    pub(super) fn forget(&mut self) {
        self.heard.clear();
    }
}

impl Inner {
    /// What is wrong with the announcements, of which `log` are left in the end.
    pub(super) fn what_was_announced(&self, log: &[Event]) -> Vec<String> {
        let mut broken = Vec::new();
        let announced = &self.people.announced;
        let mut texts = BTreeSet::new();
        for event in log {
            let text = event.body.as_ref().and_then(|body| body.as_text()).unwrap_or_default();
            if event.user.as_str() != ADMIN || !announced.asked.contains(text) {
                broken.push(format!("{} announced {text:?}, and may not, or never did", event.user));
            }
            if !texts.insert(text) {
                broken.push(format!("{text:?} was announced twice"));
            }
        }
        let all: Vec<Offset> = log.iter().map(|event| event.offset).collect();
        for (process, heard) in &announced.heard {
            broken.extend(heard.is_broken(*process, &all));
        }
        broken
    }
}

impl Heard {
    fn is_broken(&self, process: ProcessId, all: &[Offset]) -> Option<String> {
        let (first, last) = (*self.offsets.first()?, *self.offsets.last()?);
        let expected: Vec<_> = all.iter().copied().filter(|at| (first..=last).contains(at)).collect();
        if self.offsets != expected {
            return Some(format!("{process} heard the announcements {:?}, not {expected:?}", self.offsets));
        }
        let after = self.after?;
        let skipped: Vec<_> = all.iter().filter(|at| **at > after && **at < first).collect();
        (!skipped.is_empty()).then(|| {
            format!("{process} never heard the announcements {skipped:?}; an earlier one had heard {after}")
        })
    }
}

/// True if `user` may announce something.
#[must_use]
pub fn may_announce(user: &UserId) -> bool {
    user.as_str() == ADMIN
}
