//! What events say about other events: amendments, threads, replies.

use std::collections::BTreeMap;

use anchor_core::error::BoxError;
use anchor_core::event::{Event, EventKind};
use anchor_core::id::RoomId;
use anchor_core::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use anchor_core::position::Offset;
use anchor_core::room::{Amendment, Thread};
use anchor_core::run::Contents;
use anchor_core::store::{Direction, Read};

use crate::reader::Look;

impl Look<'_> {
    /// See [`anchor_core::store::Store::amendments`].
    pub(crate) fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, BoxError> {
        let mut amendments = Vec::new();
        self.about(room, targets, |event| {
            if event.kind != EventKind::MESSAGE {
                amendments.extend(Amendment::of(event));
            }
        })?;
        amendments.sort_by_key(|amendment| (amendment.target, amendment.offset));
        amendments.truncate(limit);
        Ok(amendments)
    }

    /// See [`anchor_core::store::Store::threads`].
    pub(crate) fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, BoxError> {
        let mut threads: BTreeMap<Offset, Thread> = BTreeMap::new();
        self.about(room, roots, |event| {
            if let (EventKind::MESSAGE, Some(root)) = (event.kind, event.target) {
                let thread = threads.entry(root).or_insert(Thread { root, replies: 0, last: event.offset });
                thread.replies += 1;
                thread.last = event.offset;
            }
        })?;
        Ok(threads.into_values().collect())
    }

    /// See [`anchor_core::store::Store::replies`].
    pub(crate) fn replies(
        &self,
        room: &RoomId,
        root: Offset,
        from: Direction,
        limit: usize,
    ) -> Result<Vec<Offset>, BoxError> {
        let mut replies = Vec::new();
        self.about(room, (root, root), |event| {
            let is_within = match from {
                Direction::After(offset) => event.offset > offset,
                Direction::Before(offset) => event.offset < offset,
            };
            if event.kind == EventKind::MESSAGE && is_within {
                replies.push(event.offset);
            }
        })?;
        match from {
            Direction::After(_) => replies.truncate(limit),
            Direction::Before(_) => drop(replies.drain(..replies.len().saturating_sub(limit))),
        }
        Ok(replies)
    }

    /// Shows the events that are about one of the events from `first` to `last`, in the order of the log.
    fn about(
        &self,
        room: &RoomId,
        (first, last): (Offset, Offset),
        mut show: impl FnMut(&Event),
    ) -> Result<(), BoxError> {
        let Some(state) = self.room_state(room)? else { return Ok(()) };
        // An event is about an earlier one.
        let mut after = first.max(state.horizon.previous());
        loop {
            let from = Direction::After(after);
            let read =
                Read { room: room.clone(), from, events_max: RUN_EVENTS_MAX, bytes_max: RUN_BYTES_MAX };
            let runs = self.read(&read)?;
            let Some(newest) = runs.last() else { return Ok(()) };
            for run in runs.iter().filter(|run| run.contents().has(Contents::TARGETED)) {
                for event in run.events() {
                    let event = event?;
                    let is_about = event.target.is_some_and(|target| (first..=last).contains(&target));
                    if is_about && event.offset > after {
                        show(&event);
                    }
                }
            }
            after = newest.last();
        }
    }
}
