//! A page or a thread against the log of its room, as of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anchor_core::event::{Event, EventKind};
use anchor_core::id::UserId;
use anchor_core::position::Offset;
use anchor_core::resume::GapReason;
use anchor_core::room::Changes;
use anchor_core::session::frame::{HistoryRange, Page, ThreadPage};
use anchor_core::store::Direction;

use super::View;
use super::ledger::Life;
use super::moments::{Moment, Moments};
use super::permits::allows;
use super::trims::Horizons;

/// To whom something was told, and when.
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    pub(super) life: &'a Life,
    /// Of that user.
    pub(super) moments: &'a Moments,
    pub(super) user: &'a UserId,
    pub(super) horizons: Horizons,
    /// The question.
    pub(super) from: Duration,
    /// The answer.
    pub(super) to: Duration,
}

impl Told<'_> {
    /// The first error of the last moment, unless `fits` at any.
    fn at_some_moment(&self, fits: impl Fn(&Moment) -> Result<(), String>) -> Result<(), String> {
        let mut wrong = "was told of what there was at no moment between".to_owned();
        for moment in self.moments.between(self.from, self.to) {
            match fits(moment) {
                Ok(()) => return Ok(()),
                Err(what) => wrong = format!("{what}; the room ended at {}", moment.head),
            }
        }
        Err(wrong)
    }

    /// What came of the wanted messages as of `head`, pinned as of `moment` where the reader may read on.
    fn changes(
        &self,
        head: Offset,
        moment: &Moment,
        is_wanted: impl Fn(Offset) -> bool,
    ) -> BTreeMap<Offset, Changes> {
        let views = View::up_to(self.life, head, &is_wanted);
        let mut changes: BTreeMap<Offset, Changes> =
            views.iter().map(|(target, view)| (*target, view.changes(*target, self.user))).collect();
        if moment.range.is_some_and(|(_, until)| until.is_none()) {
            let later = self.life.events().rev().take_while(|event| event.offset > head).collect::<Vec<_>>();
            for event in later.into_iter().rev().filter(|event| event.offset <= moment.head) {
                let Some(target) = event.target.filter(|target| is_wanted(*target)) else { continue };
                let is_pinned = match event.kind {
                    EventKind::PIN => true,
                    EventKind::UNPIN | EventKind::REDACTION => false,
                    _ => continue,
                };
                let new = || Changes { target, ..Changes::default() };
                changes.entry(target).or_insert_with(new).pinned = is_pinned;
            }
        }
        changes.retain(|target, changes| *changes != Changes { target: *target, ..Changes::default() });
        changes
    }

    /// What is said to have come of messages, against what came of them. What was redacted behind `head` may have lost its
    /// edit already.
    fn compare(
        &self,
        head: Offset,
        told: &[Changes],
        expected: &BTreeMap<Offset, Changes>,
    ) -> Result<(), String> {
        if !told.is_sorted_by_key(|changes| changes.target) && told.len() != expected.len() {
            return Err(format!("was told {told:?} in disorder"));
        }
        let told: BTreeMap<Offset, &Changes> = told.iter().map(|changes| (changes.target, changes)).collect();
        // Of what is being trimmed some is read before and some after.
        let is_kept = |target: &&Offset| **target >= self.horizons.most();
        let targets: BTreeSet<_> = told.keys().chain(expected.keys()).filter(is_kept).collect();
        for target in targets {
            let (told, expected) = (told.get(target).copied(), expected.get(target));
            let is_right = told == expected || {
                let mut hidden = expected.cloned();
                let edit = hidden.as_mut().and_then(|changes| changes.edit.as_mut());
                edit.into_iter().for_each(|edit| edit.body = None);
                told == hidden.as_ref() && self.redacted_at(*target).is_some_and(|at| at > head)
            };
            if !is_right {
                return Err(format!("was told {told:?} as of {head}, and the log says {expected:?}"));
            }
        }
        Ok(())
    }

    /// The event that took the body of the one at `offset`.
    fn redacted_at(&self, offset: Offset) -> Option<Offset> {
        let about = self.life.events.get(&offset)?.event.target;
        let targets = [Some(offset), about.filter(|_| self.is(offset, EventKind::EDIT))];
        let is_by = |event: &&Event| event.kind == EventKind::REDACTION && targets.contains(&event.target);
        self.life.events().find(is_by).map(|event| event.offset)
    }

    fn is(&self, offset: Offset, kind: EventKind) -> bool {
        self.life.events.get(&offset).is_some_and(|known| known.event.kind == kind)
    }

    /// Each event is that of the log; without its body only if somebody redacted it.
    fn events(&self, events: &[Event]) -> Result<(), String> {
        for event in events {
            let Some(known) = self.life.events.get(&event.offset) else {
                return Err(format!("was told {}, which is not there", event.offset));
            };
            let is_hidden = event.body.is_none() && self.redacted_at(event.offset).is_some();
            let body = if is_hidden { None } else { known.event.body.clone() };
            if known.event.chain != event.chain || event.body != body {
                return Err(format!("was told {event:?}, and the log has {:?}", known.event));
            }
        }
        Ok(())
    }
}

/// A page of history.
pub(super) fn page(told: &Told<'_>, range: &HistoryRange, limit: u64, page: &Page) -> Result<(), String> {
    told.events(&page.events)?;
    told.at_some_moment(|moment| {
        let Some((after, until)) = moment.range else { return Err("could read nothing".to_owned()) };
        // Whose end was trimmed is told where the room begins.
        let until_here = until.map_or(Offset(u64::MAX), |until| until.max(page.horizon.previous()));
        let head = page.head;
        let least = told.moments.told(told.from).min(until_here);
        if head < least || head > moment.head.min(until_here) {
            return Err(format!("was told that {head} is the newest, and could read up to {until:?}"));
        }
        let horizons = &told.horizons;
        let is_horizon = page.horizon == after.next() || horizons.has(page.horizon);
        if !is_horizon || page.horizon < after.next() || page.horizon < horizons.least.min(head.next()) {
            let what = format!("was told that {} is the oldest", page.horizon);
            return Err(format!("{what}, and could read behind {after}, not below {horizons:?}"));
        }
        if let Some(gap) = page.gap.filter(|gap| gap.reason == GapReason::Hidden)
            && gap.to != after
        {
            return Err(format!("was told that {} to {} are hidden behind {after}", gap.from, gap.to));
        }
        if let Some(gap) = page.gap.filter(|gap| gap.reason == GapReason::Trimmed)
            && !horizons.has(gap.to.next())
        {
            return Err(format!("was told that {} to {} were trimmed, and {horizons:?}", gap.from, gap.to));
        }
        if let Some(event) = page.events.iter().find(|event| !allows(moment.range, event.offset)) {
            return Err(format!("was told {}, and could read {:?}", event.offset, moment.range));
        }
        if page.gap.is_none() {
            extent(range, limit, page)?;
        }
        let (first, last) = (page.first, page.first.0 + page.events.len() as u64);
        let is_wanted = |target: Offset| target >= first && target.0 < last;
        told.compare(head, &page.changes, &told.changes(head, moment, is_wanted))
    })
}

/// The events of a page are those that were asked for, and it says whether more follow.
fn extent(range: &HistoryRange, limit: u64, page: &Page) -> Result<(), String> {
    let offsets: Vec<u64> = page.events.iter().map(|event| event.offset.0).collect();
    let count = offsets.len() as u64;
    let (head, horizon) = (page.head.0, page.horizon.0);
    let (first, last) = match *range {
        HistoryRange::After(position) => {
            let first = position.offset.0 + 1;
            (first, first + count)
        }
        HistoryRange::Newest => ((head + 1).saturating_sub(count), head + 1),
        HistoryRange::Before(position) => before(position.offset.0, head, count),
        HistoryRange::BeforeOffset(offset) => before(offset.0, head, count),
    };
    let expected: Vec<u64> = (first..last).collect();
    let is_forward = matches!(range, HistoryRange::After(_));
    let is_end = if is_forward { last > head } else { first <= horizon };
    let next = if is_forward { last.saturating_sub(1) } else { first };
    let is_next_right = page.next.map_or(is_end, |position| position.offset.0 == next && !is_end);
    let is_empty_right = count > 0 || is_end;
    match offsets == expected && count <= limit && is_next_right && is_empty_right {
        true => Ok(()),
        false => Err(format!(
            "asked for {limit} events of {range:?} and got {offsets:?} of {horizon} to {head}, and then {:?}",
            page.next
        )),
    }
}

/// The offsets of `count` events before one, the second end excluded.
fn before(offset: u64, head: u64, count: u64) -> (u64, u64) {
    let end = offset.min(head + 1);
    (end.saturating_sub(count), end)
}

/// A page of a thread.
pub(super) fn thread(
    told: &Told<'_>,
    (root, from, limit): (Offset, Direction, u64),
    page: &ThreadPage,
) -> Result<(), String> {
    let events: Vec<Event> = page.root.iter().chain(&page.replies).cloned().collect();
    told.events(&events)?;
    let is_reply = |event: &&Event| event.kind == EventKind::MESSAGE && event.target == Some(root);
    let all: Vec<Offset> = told.life.events().filter(is_reply).map(|event| event.offset).collect();
    let least = told.moments.told(told.from);
    told.at_some_moment(|moment| {
        let Some((after, until)) = moment.range else { return Err("could read nothing".to_owned()) };
        let until_here = until.unwrap_or(Offset(u64::MAX));
        if page.head < least.min(until_here) || page.head > moment.head.min(until_here) {
            return Err(format!("was told a thread as of {}, and could read up to {until:?}", page.head));
        }
        thread_as_of(told, moment, after, (root, from, limit), &all, page)
    })
}

fn thread_as_of(
    told: &Told<'_>,
    moment: &Moment,
    after: Offset,
    (root, from, limit): (Offset, Direction, u64),
    all: &[Offset],
    page: &ThreadPage,
) -> Result<(), String> {
    let head = page.head;
    let seen: Vec<Offset> = all.iter().copied().filter(|offset| *offset > after && *offset <= head).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (replies, more) = match from {
        Direction::After(offset) => {
            let asked = &seen[seen.partition_point(|reply| *reply <= offset)..];
            let replies = &asked[..asked.len().min(limit)];
            (replies, replies.last().filter(|_| asked.len() > limit))
        }
        Direction::Before(offset) => {
            let asked = &seen[..seen.partition_point(|reply| *reply < offset)];
            let replies = &asked[asked.len() - asked.len().min(limit)..];
            (replies, replies.first().filter(|_| asked.len() > limit))
        }
    };
    let got: Vec<Offset> = page.replies.iter().map(|event| event.offset).collect();
    // Of a thread whose beginning is gone, what is left is told.
    if root < told.horizons.most() {
        return match got.iter().all(|reply| seen.contains(reply)) {
            true => Ok(()),
            false => Err(format!("was told {got:?} of {root}, whose replies as of {head} were {seen:?}")),
        };
    }
    if root > head || (got != replies) || page.total != seen.len() as u64 || page.next != more.copied() {
        return Err(format!(
            "asked for the thread of {root} {from:?} and got {got:?} of {}, next {:?}, and as of {head} there were {seen:?}",
            page.total, page.next
        ));
    }
    if page.root.is_some() != (root > after) {
        return Err(format!(
            "was told {:?} as the root of a thread, and could read behind {after}",
            page.root
        ));
    }
    let targets: BTreeSet<Offset> = got.into_iter().chain(page.root.as_ref().map(|_| root)).collect();
    let expected = told.changes(head, moment, |target| targets.contains(&target));
    told.compare(head, &page.changes, &expected)
}

/// Somebody is said to be no reader.
pub(super) fn denied(told: &Told<'_>) -> Result<(), String> {
    told.at_some_moment(|moment| match moment.range {
        None | Some((_, Some(_))) => Ok(()),
        Some(range) => Err(format!("was sent away, and could read {range:?}")),
    })
}
