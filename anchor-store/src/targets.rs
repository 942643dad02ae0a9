//! The index by target: which events are about which others, so that nobody reads a log to find out.
//!
//! An event with a target is in it from its commit on: in memory until a page step has moved it ([`Unpaged`]), then in rows
//! beside the pages ([`rows`]), which leave with the page that holds the event. [`look`] answers from both. Runs without
//! such events are never decoded for it.

mod look;
mod rows;
mod signs;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use anchor_core::event::{Event, EventKind, encoding};
use anchor_core::id::{RoomId, UserId};
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::Offset;
use anchor_core::room::Amendment;
use anchor_core::run::{Contents, Run};

pub(crate) use self::rows::{TargetRows, TargetTables};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::rows::{decode, encode};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::signs::SignsRow;
pub(crate) use self::signs::{Signs, make as make_signs};
use crate::pages::Page;

/// What one event says about another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// It changes something of it.
    Amendment(Amendment),
    /// It replies to it.
    Reply { root: Offset, offset: Offset },
}

impl About {
    fn of(event: &Event) -> Option<Self> {
        match (event.kind, event.target) {
            (EventKind::MESSAGE, Some(root)) => Some(Self::Reply { root, offset: event.offset }),
            _ => Amendment::of(event).map(Self::Amendment),
        }
    }
}

/// What the events of some runs are about, with their rooms; those that are about nothing are left out.
pub(crate) fn of_runs<'a>(
    runs: impl Iterator<Item = &'a Run>,
) -> Result<Vec<(&'a RoomId, Vec<About>)>, Malformed> {
    let targeted = runs.filter(|run| run.contents().has(Contents::TARGETED));
    targeted.map(|run| Ok((run.room(), of_events(Reader::new(run.encoded()))?))).collect()
}

/// What the events of a page are about.
pub(crate) fn of_page(page: &Page<'_>) -> Result<Vec<About>, Malformed> {
    match page.contents.is_some_and(|contents| contents.has(Contents::TARGETED)) {
        true => of_events(Reader::from_slice(page.events)),
        false => Ok(Vec::new()),
    }
}

fn of_events(mut reader: Reader<'_>) -> Result<Vec<About>, Malformed> {
    let mut about = Vec::new();
    while !reader.is_empty() {
        about.extend(About::of(&encoding::read(&mut reader)?));
    }
    Ok(about)
}

/// The part of the index that is not in the pages, of one room.
#[derive(Debug, Default)]
pub(crate) struct Unpaged {
    /// By target, then by their own offsets.
    amendments: BTreeMap<(Offset, Offset), Amendment>,
    /// The keys of those among them that are edits or redactions: whoever wants those need not go through reactions, of which
    /// there may be any number.
    edits: BTreeSet<(Offset, Offset)>,
    /// By root, then by their own offsets.
    replies: BTreeSet<(Offset, Offset)>,
    /// The offsets of reactions by target and user, rising: whoever sets a sign need not go through those of others.
    signs: BTreeMap<(Offset, UserId), Vec<Offset>>,
}

impl Unpaged {
    pub(crate) fn add(&mut self, about: About) {
        match about {
            About::Amendment(amendment) => {
                let key = (amendment.target, amendment.offset);
                if amendment.kind.changes_body() {
                    self.edits.insert(key);
                }
                if amendment.sign.is_some() {
                    let of_user = self.signs.entry((amendment.target, amendment.user.clone())).or_default();
                    of_user.push(amendment.offset);
                }
                self.amendments.insert(key, amendment);
            }
            About::Reply { root, offset } => drop(self.replies.insert((root, offset))),
        }
    }

    /// Lets go of events up to `paged`, which the pages hold.
    pub(crate) fn forget(&mut self, paged: Offset) {
        self.amendments.retain(|(_, offset), _| *offset > paged);
        self.edits.retain(|(_, offset)| *offset > paged);
        self.replies.retain(|(_, offset)| *offset > paged);
        self.signs.retain(|_, offsets| {
            offsets.retain(|offset| *offset > paged);
            !offsets.is_empty()
        });
    }

    /// What is said about the events from `first` to `last`.
    fn amendments(&self, targets: (Offset, Offset)) -> impl Iterator<Item = &Amendment> {
        let keys = keys(targets);
        keys.into_iter().flat_map(|keys| self.amendments.range(keys)).map(|(_, amendment)| amendment)
    }

    /// The edits of the events from `first` to `last`, and their redactions.
    fn edits(&self, targets: (Offset, Offset)) -> impl Iterator<Item = &Amendment> {
        let keys = keys(targets).into_iter().flat_map(|keys| self.edits.range(keys));
        keys.filter_map(|key| self.amendments.get(key))
    }

    /// What `user` did to signs on the event at `target`, in the order of the log.
    fn signs(&self, target: Offset, user: &UserId) -> impl Iterator<Item = &Amendment> {
        let offsets = self.signs.get(&(target, user.clone())).into_iter().flatten();
        offsets.filter_map(move |offset| self.amendments.get(&(target, *offset)))
    }

    /// The roots from `first` to `last` with their replies.
    fn replies(&self, roots: (Offset, Offset)) -> impl DoubleEndedIterator<Item = (Offset, Offset)> {
        keys(roots).into_iter().flat_map(|keys| self.replies.range(keys)).copied()
    }
}

/// All keys of the targets from `first` to `last`; none if there is no such target.
fn keys((first, last): (Offset, Offset)) -> Option<RangeInclusive<(Offset, Offset)>> {
    (first <= last).then_some((first, Offset::ZERO)..=(last, Offset(u64::MAX)))
}

#[cfg(test)]
mod tests;
