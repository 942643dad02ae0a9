//! What of a room's stream belongs to a thread, and is not in its pages already.
//!
//! ```text
//!   Listen -- started --> Ask --- page, more follow ---> Ask
//!                          ^  \-- the last page -------> Listen --- ended, or the root is gone --> Over
//!                          |                               |
//!                          +---- the log was restored -----+
//! ```
//!
//! A page counts everything up to its head and nothing behind that, and it is asked for behind everything that was taken of the
//! stream. So the stream tells a second time what stands between the two, and those of it are passed over that a page has:
//! replies up to the head of the last one, and what is about a message up to the head of the page that brought it.
//!
//! Invariant: that holds for one log. While the stream is behind the head of a page, an event in an epoch which is neither the
//! page's nor one that the stream was in when the page was asked for says that the log was restored behind the page: it is read anew.

use std::collections::{BTreeMap, VecDeque};

use anchor_core::code::Code;
use anchor_core::event::{Event, EventKind};
use anchor_core::position::{Chain, Epoch, Offset, Position};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::room::Changes;
use anchor_core::session::frame::{Events, ThreadPage};

use super::ThreadDelivery;
use crate::client::subscription::Delivery;
use crate::client::timeline::Post;

/// What the reading of a thread wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next delivery of the room.
    Listen,
    /// The page of the thread after an offset.
    Ask {
        /// That of the last reply that is known.
        after: Offset,
    },
    /// Nothing: it has ended.
    Over,
}

/// The state of a thread that is followed.
#[derive(Debug)]
pub(super) struct Reading {
    root: Offset,
    /// By what the root is known again in another log.
    root_chain: Option<Chain>,
    /// How far the stream has come.
    heard: Position,
    /// As of when the pages stand, until the stream has come there.
    paged: Option<(Epoch, Offset)>,
    /// Every reply up to here was in a page.
    head: Offset,
    /// The root and the newest replies, each with the head of the page that brought it.
    known: BTreeMap<Offset, Offset>,
}

impl Reading {
    pub(super) const fn new(root: Offset) -> Self {
        let (heard, head) = (Position::START, Offset::ZERO);
        Self { root, root_chain: None, heard, paged: None, head, known: BTreeMap::new() }
    }

    /// Takes the page that was asked for.
    pub(super) fn page(&mut self, page: ThreadPage, out: &mut VecDeque<ThreadDelivery>) -> Step {
        let ThreadPage { root, replies, changes, next, epoch, head, .. } = page;
        if self.paged.is_some_and(|(paged, _)| paged != epoch) {
            return self.anew(out);
        }
        if let Some(root) = &root {
            let is_other = self.root_chain.is_some_and(|chain| chain != root.chain);
            if is_other {
                return gone(out);
            }
            self.root_chain = Some(root.chain);
        }
        let is_first = self.paged.is_none();
        self.paged = Some((epoch, head));
        self.head = head;
        let mut changes: BTreeMap<Offset, Changes> =
            changes.into_iter().map(|changes| (changes.target, changes)).collect();
        if is_first {
            self.known.insert(self.root, head);
        }
        for event in root.into_iter().filter(|_| is_first).chain(replies) {
            let offset = event.offset;
            self.know(offset, head);
            out.push_back(ThreadDelivery::Post(Post::of_page(event, changes.remove(&offset), head)));
        }
        match next {
            Some(after) => Step::Ask { after },
            None => {
                self.heard(self.heard);
                out.push_back(ThreadDelivery::Current);
                Step::Listen
            }
        }
    }

    /// Takes what comes next of the room.
    pub(super) fn delivery(&mut self, delivery: Delivery, out: &mut VecDeque<ThreadDelivery>) -> Step {
        match delivery {
            Delivery::Started { position, .. } => {
                self.heard = position;
                Step::Ask { after: Offset::ZERO }
            }
            Delivery::Events(events) => self.events(events, out),
            Delivery::Gap(gap) => self.gap(gap, out),
            Delivery::Ended { code, message } => {
                out.push_back(ThreadDelivery::Ended { code, message });
                Step::Over
            }
            Delivery::Hidden { .. } => Step::Listen,
        }
    }

    fn events(&mut self, events: Events, out: &mut VecDeque<ThreadDelivery>) -> Step {
        let Events { epoch, first, events, .. } = events;
        let is_of_page = |paged| paged == epoch || self.heard.epoch == Some(epoch);
        let is_other_log = self.paged.is_some_and(|(paged, head)| first <= head && !is_of_page(paged));
        let last = events.last().map(|event| Position::at(epoch, event.mark()));
        last.into_iter().for_each(|last| self.heard(last));
        if is_other_log {
            return self.anew(out);
        }
        for event in events {
            if self.is_new(&event) {
                if event.kind == EventKind::MESSAGE {
                    self.know(event.offset, event.offset);
                }
                out.push_back(ThreadDelivery::Event { epoch, event });
            }
        }
        Step::Listen
    }

    fn gap(&mut self, gap: Gap, out: &mut VecDeque<ThreadDelivery>) -> Step {
        let Some(position) = gap.position else {
            out.push_back(ThreadDelivery::Gap(gap));
            return Step::Listen;
        };
        let is_other_log = matches!(gap.reason, GapReason::Restored | GapReason::History);
        let paged = self.paged.map(|(_, head)| head);
        self.heard(position);
        if is_other_log && paged.is_some_and(|head| position.offset < head) {
            return self.anew(out);
        }
        if paged.is_some_and(|head| gap.to <= head) {
            // The pages have what the stream does not bring.
            return Step::Listen;
        }
        out.push_back(ThreadDelivery::Gap(gap));
        if !is_other_log {
            return Step::Listen;
        }
        if position.offset < self.root {
            return gone(out);
        }
        // Something else will stand there, which is not to be taken for what stood there.
        self.known.split_off(&position.offset.next());
        self.known.values_mut().for_each(|as_of| *as_of = position.offset.min(*as_of));
        self.head = self.head.min(position.offset);
        Step::Listen
    }

    /// Reads the thread from its beginning: what was told is of a log that is no more.
    fn anew(&mut self, out: &mut VecDeque<ThreadDelivery>) -> Step {
        self.known.clear();
        let to = self.paged.take().map_or(self.root, |(_, head)| head);
        let (from, reason) = (Offset::ZERO.next(), GapReason::History);
        let gap = Gap { from, to, reason, position: Some(Position::START), ordinal: Default::default() };
        out.push_back(ThreadDelivery::Gap(gap));
        Step::Ask { after: Offset::ZERO }
    }

    /// The stream has come to `position`; once that is where the pages stand, both are of one log.
    fn heard(&mut self, position: Position) {
        self.heard = position;
        let is_there = |(epoch, head)| position.epoch == Some(epoch) && position.offset >= head;
        self.paged = self.paged.filter(|paged| !is_there(*paged));
    }

    /// True for what is of the thread and in no page.
    fn is_new(&self, event: &Event) -> bool {
        let Some(target) = event.target else { return false };
        if event.kind == EventKind::MESSAGE {
            return target == self.root && event.offset > self.head;
        }
        self.known.get(&target).is_some_and(|as_of| event.offset > *as_of)
    }

    fn know(&mut self, message: Offset, as_of: Offset) {
        self.known.insert(message, as_of);
        if self.known.len() > KNOWN_MAX {
            let oldest_reply = self.known.range(self.root.next()..).next().map(|(offset, _)| *offset);
            oldest_reply.map(|offset| self.known.remove(&offset));
        }
    }
}

/// The root is not in this log.
fn gone(out: &mut VecDeque<ThreadDelivery>) -> Step {
    let message = "the message that began this thread is not in the log any more".to_owned();
    out.push_back(ThreadDelivery::Ended { code: Code::TargetUnknown, message });
    Step::Over
}

/// Messages of which it is told what becomes of them: the root, and the newest of the replies. Source: chosen; a few megabytes,
/// and more than a person has in view.
const KNOWN_MAX: usize = 100_001;

#[cfg(test)]
mod tests;
