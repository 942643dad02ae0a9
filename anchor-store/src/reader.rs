//! Reads: what is in memory and what is in the pages, as one log.
//!
//! Memory is looked at first, the pages afterwards, in a snapshot that is as new as what left memory until then. What left
//! memory in between is in the pages, too; what is in both is recognised by its offsets, for runs and pages have the same
//! boundaries. Pages that were read stay for others; so do runs that were joined. A body that was redacted is taken out of
//! a page when that is read, until the page step has done so; what is kept was made without it.
//!
//! A look that must not wait for the disk ends with [`Elsewhere`] where memory does not do; then a thread of
//! [`crate::readers`] looks again.

use std::collections::VecDeque;
use std::sync::Arc;

use anchor_core::error::BoxError;
use anchor_core::id::RoomId;
use anchor_core::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use anchor_core::position::{Epoch, Mark, Offset, Ordinal};
use anchor_core::run::Run;
use anchor_core::store::{Direction, Place, Read, RoomState, StoreError};
use thiserror::Error;

use crate::database::{contained, is_final};
use crate::pages::Page;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::visible::{Found, LiveRoom};

/// Looks at the logs of a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'s> {
    pub(crate) shared: &'s Shared,
    pub(crate) reach: Reach,
}

/// How far a look goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What is in memory.
    Memory,
    /// The pages, too.
    Disk,
    /// The pages as they are, not as others read them.
    DiskAlone,
}

/// Memory does not have it: to be asked of the disk.
#[derive(Clone, Copy, Debug, Error)]
#[error("memory does not have it")]
pub(crate) struct Elsewhere;

/// A room as a read begins with it, and what of it is only in memory.
struct Seen {
    state: RoomState,
    /// Its number in the pages, if they know it.
    number: Option<u64>,
    /// What of it is not in the pages and was asked for.
    unpaged: Vec<Run>,
}

impl Shared {
    /// Looks as far as it takes.
    pub(crate) const fn look(&self) -> Look<'_> {
        Look { shared: self, reach: Reach::Disk }
    }

    /// Runs a read; `None` if memory does not do and `reach` goes no further. An error or a panic in it is an error of
    /// this read alone, unless the disk failed.
    pub(crate) fn guard_read<T>(
        &self,
        reach: Reach,
        read: impl FnOnce(Look<'_>) -> Result<T, BoxError>,
    ) -> Result<Option<T>, StoreError> {
        // Also what memory alone could answer: a closed store answers nothing.
        self.is_open()?;
        let error = match contained(|| read(Look { shared: self, reach })) {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        match error.downcast::<StoreError>() {
            Ok(error) => Err(*error),
            Err(error) if error.is::<Elsewhere>() => Ok(None),
            Err(error) if is_final(&error) => Err(self.fail(error)),
            Err(error) => {
                tracing::error!(%error, "a read of the store failed");
                Err(StoreError::Corrupt(error.to_string()))
            }
        }
    }
}

impl Look<'_> {
    pub(crate) fn room_state(&self, room: &RoomId) -> Result<Option<RoomState>, BoxError> {
        match self.shared.visible().find(room) {
            Found::Live(live) => return Ok(Some(live.state.clone())),
            Found::Gone(_) => return Ok(None),
            Found::Paged => {}
        }
        Ok(self.shared.row(room, self.reach)?.map(|row| row.state.clone()))
    }

    pub(crate) fn head(&self, room: &RoomId) -> Result<Option<(Epoch, Mark)>, BoxError> {
        Ok(self.shared.tip(room, self.reach)?.map(|tip| (tip.epoch, tip.head)))
    }

    pub(crate) fn locate(&self, room: &RoomId, place: Place) -> Result<Option<Mark>, BoxError> {
        let Some(state) = self.room_state(room)? else { return Ok(None) };
        match place {
            Place::Offset(offset) if offset == state.head.offset => Ok(Some(state.head)),
            Place::Offset(offset) if offset == state.before_horizon.offset => Ok(Some(state.before_horizon)),
            Place::Offset(offset) if offset > state.head.offset || offset < state.before_horizon.offset => {
                Ok(None)
            }
            Place::Offset(offset) => self.mark_at(room, offset),
            Place::Ordinal(ordinal) if ordinal < state.before_horizon.ordinal => Ok(None),
            Place::Ordinal(ordinal) if ordinal >= state.head.ordinal => Ok(Some(state.head)),
            Place::Ordinal(ordinal) => self.mark_at_ordinal(room, ordinal, &state).map(Some),
        }
    }

    /// The point after the event at `offset`, if the log holds that event.
    pub(crate) fn mark_at(&self, room: &RoomId, offset: Offset) -> Result<Option<Mark>, BoxError> {
        Ok(self.run_at(room, offset)?.map(|run| run.mark_at(offset)).transpose()?.flatten())
    }

    /// The newest point whose ordinal is at most `ordinal`, which lies within the log.
    fn mark_at_ordinal(&self, room: &RoomId, ordinal: Ordinal, state: &RoomState) -> Result<Mark, BoxError> {
        // Every offset at or below `newest` has such an ordinal, none above `beyond` has.
        let (mut newest, mut beyond) = (state.before_horizon, state.head.offset);
        while newest.offset < beyond {
            let middle = Offset(newest.offset.0 + (beyond.0 - newest.offset.0).div_ceil(2));
            let Some(run) = self.run_at(room, middle)? else { return Ok(newest) };
            if run.tip().ordinal <= ordinal {
                newest = run.tip();
            } else if run.before().ordinal > ordinal {
                beyond = run.before().offset;
            } else {
                let mut within = run.before();
                for event in run.events() {
                    let mark = event?.mark();
                    if mark.ordinal <= ordinal {
                        within = mark;
                    }
                }
                return Ok(if within.offset > newest.offset { within } else { newest });
            }
        }
        Ok(newest)
    }

    /// The run that holds `offset`, from memory or the pages; `None` if neither does.
    fn run_at(&self, room: &RoomId, offset: Offset) -> Result<Option<Run>, BoxError> {
        let held = |run: &Run| run.first() <= offset;
        let seen = self.seen(room, |live| {
            let at = live.run_behind(offset.previous());
            live.unpaged.get(at).map(|(_, run)| run).filter(|run| held(run)).cloned().into_iter().collect()
        })?;
        let Some(Seen { number, mut unpaged, .. }) = seen else { return Ok(None) };
        match (unpaged.pop(), number) {
            (Some(run), _) => Ok(Some(run)),
            (None, Some(number)) => self.page(room, number, offset),
            (None, None) => Ok(None),
        }
    }

    pub(crate) fn read(&self, read: &Read) -> Result<Vec<Run>, BoxError> {
        let mut look = *self;
        for _ in 0..READ_ATTEMPTS {
            let runs = match read.from {
                Direction::After(offset) => look.read_after(read, offset)?,
                Direction::Before(offset) => look.read_before(read, offset)?,
            };
            if let Some(runs) = runs {
                return Ok(runs);
            }
            self.reach_disk()?;
            look.reach = Reach::DiskAlone;
        }
        Err(StoreError::Corrupt(format!("{}: events are missing from the log", read.room)).into())
    }

    /// `None` if the log was changed while it was read.
    fn read_after(&self, read: &Read, offset: Offset) -> Result<Option<Vec<Run>>, BoxError> {
        let generation = self.shared.generation();
        let seen = self.seen(&read.room, |live| {
            if offset >= live.state.head.offset {
                return Vec::new();
            }
            let mut taken = Taken::new(read);
            // What a group holds before is given, too, and does not count.
            live.behind(offset).take_while(|run| run.last() <= offset || taken.takes(run)).cloned().collect()
        })?;
        let Some(Seen { state, number, unpaged }) = seen else { return Ok(Some(Vec::new())) };
        if offset < state.before_horizon.offset || offset >= state.head.offset {
            return Ok(Some(Vec::new()));
        }
        let mut taken = Taken::new(read);
        let paged = unpaged.first().map_or(state.head, Run::before).offset;
        let mut next = offset.next();
        while next <= paged && !taken.is_full() {
            let Some(number) = number else { return Ok(None) };
            let Some(run) = self.page(&read.room, number, next)? else { return Ok(None) };
            next = run.last().next();
            taken.push(run);
        }
        for run in unpaged {
            let is_new = taken.runs.back().is_none_or(|last| last.last() < run.last());
            if run.last() <= offset {
                taken.runs.push_back(run);
            } else if is_new && !taken.is_full() {
                taken.push(run);
            }
        }
        self.finish(generation, taken, &state, |first, _| first.before().offset <= offset)
    }

    /// `None` if the log was changed while it was read.
    fn read_before(&self, read: &Read, offset: Offset) -> Result<Option<Vec<Run>>, BoxError> {
        let generation = self.shared.generation();
        let seen = self.seen(&read.room, |live| {
            let newest = offset.previous().min(live.state.head.offset);
            let until = live.unpaged.len().min(live.run_behind(newest.previous()) + 1);
            let mut taken = Taken::new(read);
            let before = live.unpaged.range(..until).rev().map(|(_, run)| run);
            before.filter(|run| run.first() <= newest).take_while(|run| taken.takes(run)).cloned().collect()
        })?;
        let Some(Seen { state, number, unpaged }) = seen else { return Ok(Some(Vec::new())) };
        let newest = offset.previous().min(state.head.offset);
        if newest <= state.before_horizon.offset {
            return Ok(Some(Vec::new()));
        }
        let mut taken = Taken::new(read);
        unpaged.into_iter().for_each(|run| taken.push_front(run));
        let mut oldest = taken.runs.front().map_or(newest, |run| run.before().offset);
        while oldest > state.before_horizon.offset && !taken.is_full() {
            let Some(number) = number else { return Ok(None) };
            let Some(run) = self.page(&read.room, number, oldest)? else { return Ok(None) };
            while taken.runs.front().is_some_and(|later| later.last() <= run.last()) {
                taken.runs.pop_front();
            }
            oldest = run.before().offset;
            taken.push_front(run);
        }
        self.finish(generation, taken, &state, |_, last| last.last() >= newest)
    }

    /// What is known of a room, with some of its unpaged runs, all of one moment.
    fn seen(
        &self,
        room: &RoomId,
        unpaged: impl FnOnce(&LiveRoom) -> Vec<Run>,
    ) -> Result<Option<Seen>, BoxError> {
        match self.shared.visible().find(room) {
            Found::Live(live) => {
                return Ok(Some(Seen {
                    state: live.state.clone(),
                    number: live.number,
                    unpaged: unpaged(live),
                }));
            }
            Found::Gone(_) => return Ok(None),
            Found::Paged => {}
        }
        let Some(row) = self.shared.row(room, self.reach)? else { return Ok(None) };
        Ok(Some(Seen { state: row.state.clone(), number: Some(row.number), unpaged: Vec::new() }))
    }

    /// The page of room `number` that holds `offset`; `None` if there is none.
    fn page(&self, room: &RoomId, number: u64, offset: Offset) -> Result<Option<Run>, BoxError> {
        let known = || self.shared.paged_run(number, offset);
        if self.reach != Reach::DiskAlone
            && let Some(run) = known()
        {
            return Ok(Some(run));
        }
        self.reach_disk()?;
        // Whoever wants a page that another is reading waits for that one.
        let _turn = self.shared.turn_to_read(number);
        if self.reach != Reach::DiskAlone
            && let Some(run) = known()
        {
            return Ok(Some(run));
        }
        let generation = self.shared.generation();
        // Before the snapshot: what is no longer to be taken away is no longer in the pages.
        let redacted = self.redacted_near(room, offset);
        let snapshot = self.snapshot()?;
        let newest = snapshot.pages.range((number, 0)..=(number, offset.0))?.next_back().transpose()?;
        let Some((key, value)) = newest else { return Ok(None) };
        let run = Page::decode(value.value())?.run(room);
        let (_, first) = key.value();
        if run.first().0 != first {
            return Err(format!("{room}: the page at {first} holds other events").into());
        }
        if run.last() < offset {
            return Ok(None);
        }
        let run = run.redacted(&redacted)?;
        self.shared.keep_paged_run(generation, number, &run);
        Ok(Some(run))
    }

    /// The events around `offset`, as many as a page may hold, whose bodies are to be taken away while the pages still have
    /// them.
    fn redacted_near(&self, room: &RoomId, offset: Offset) -> Vec<Offset> {
        let near = RUN_EVENTS_MAX as u64;
        let around = Offset(offset.0.saturating_sub(near))..=Offset(offset.0.saturating_add(near));
        match self.shared.visible().find(room) {
            Found::Live(live) => live.redacted.range(around).map(|(offset, _)| *offset).collect(),
            Found::Gone(_) | Found::Paged => Vec::new(),
        }
    }

    /// The runs in rising order, without what lies below the horizon, small ones joined; `None` if they have a hole or
    /// do not hold what they must.
    fn finish(
        &self,
        generation: u64,
        taken: Taken<'_>,
        state: &RoomState,
        holds: impl FnOnce(&Run, &Run) -> bool,
    ) -> Result<Option<Vec<Run>>, BoxError> {
        let mut runs: Vec<Run> = taken.runs.into_iter().filter(|run| run.last() >= state.horizon).collect();
        let contiguous = runs.windows(2).all(|pair| pair[0].tip() == pair[1].before());
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(None) };
        if !contiguous || !holds(first, last) {
            return Ok(None);
        }
        if first.before().offset < state.before_horizon.offset
            && let Some(rest) = first.from_offset(state.horizon)?
        {
            runs[0] = rest;
        }
        let mut joined = Vec::new();
        let mut rest = &runs[..];
        while !rest.is_empty() {
            let (group, others) = rest.split_at(joinable(rest));
            joined.push(if let [single] = group {
                single.clone()
            } else {
                self.shared.joined(generation, group)
            });
            rest = others;
        }
        Ok(Some(joined))
    }

    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, BoxError> {
        self.reach_disk()?;
        self.shared.snapshot()
    }

    const fn reach_disk(&self) -> Result<(), Elsewhere> {
        match self.reach {
            Reach::Memory => Err(Elsewhere),
            Reach::Disk | Reach::DiskAlone => Ok(()),
        }
    }
}

/// How many of `runs`, from the first on, one run can hold.
fn joinable(runs: &[Run]) -> usize {
    let (mut events, mut bytes) = (0, 0);
    let fits = |run: &&Run| {
        events += run.len();
        bytes += run.encoded().len();
        run.epoch() == runs[0].epoch() && events <= RUN_EVENTS_MAX && bytes <= RUN_BYTES_MAX
    };
    runs.iter().take_while(fits).count().max(1)
}

/// Runs that a read has taken, in rising order, against its limits.
struct Taken<'r> {
    read: &'r Read,
    runs: VecDeque<Run>,
    events: usize,
    bytes: usize,
}

impl<'r> Taken<'r> {
    const fn new(read: &'r Read) -> Self {
        Self { read, runs: VecDeque::new(), events: 0, bytes: 0 }
    }

    fn push(&mut self, run: Run) {
        self.count(&run);
        self.runs.push_back(run);
    }

    fn push_front(&mut self, run: Run) {
        self.count(&run);
        self.runs.push_front(run);
    }

    /// Counts a run, unless a limit was reached before it.
    fn takes(&mut self, run: &Run) -> bool {
        let takes = !self.is_full();
        if takes {
            self.count(run);
        }
        takes
    }

    fn count(&mut self, run: &Run) {
        self.events += run.len();
        self.bytes += run.encoded().len();
    }

    /// True once a limit is reached; never before the first run.
    const fn is_full(&self) -> bool {
        self.events > 0 && (self.events >= self.read.events_max || self.bytes >= self.read.bytes_max)
    }
}

/// How often a read begins again because the log was trimmed beneath it. Source: chosen; a second time is rare already.
const READ_ATTEMPTS: usize = 4;
