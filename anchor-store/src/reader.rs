//! Reads: what is in memory and what is in the pages, as one log.
//!
//! Memory is looked at first, the pages afterwards, in one read transaction that ends with the call. What left memory in
//! between is in the pages then; what is in both is recognised by its offsets, for runs and pages have the same
//! boundaries. Reads are done in place, on the thread that polls: a page from the cache costs about 10 µs (measured
//! with the layout), less than handing the call to another thread.

use anchor_core::error::BoxError;
use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Mark, Offset, Ordinal};
use anchor_core::run::Run;
use anchor_core::store::{Direction, Place, Read, RoomState, StoreError};
use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase};

use crate::database::{contained, is_final};
use crate::pages::{Page, Row};
use crate::shared::Shared;
use crate::tables::{PAGES, ROOMS};

impl Shared {
    /// Runs a read. An error or a panic in it is an error of this read alone, unless the disk failed.
    pub(crate) fn guard_read<T>(&self, read: impl FnOnce() -> Result<T, BoxError>) -> Result<T, StoreError> {
        // Also what memory alone could answer: a closed store answers nothing.
        self.databases()?;
        let error = match contained(read) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match error.downcast::<StoreError>() {
            Ok(error) => Err(*error),
            Err(error) if is_final(&error) => Err(self.fail(error)),
            Err(error) => {
                tracing::error!(%error, "a read of the store failed");
                Err(StoreError::Corrupt(error.to_string()))
            }
        }
    }

    pub(crate) fn room_state(&self, room: &RoomId) -> Result<Option<RoomState>, BoxError> {
        if let Some(live) = self.visible().get(room) {
            return Ok(Some(live.state.clone()));
        }
        Ok(self.row(room)?.map(|row| row.state.clone()))
    }

    pub(crate) fn head(&self, room: &RoomId) -> Result<Option<(Epoch, Mark)>, BoxError> {
        Ok(self.tip(room)?.map(|tip| (tip.epoch, tip.head)))
    }

    pub(crate) fn room_list(
        &self,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, RoomState)>, BoxError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let mut names: Vec<RoomId> = self.visible().unknown_to_pages(after).take(limit).cloned().collect();
        {
            let databases = self.databases()?;
            let rooms = databases.pages.begin_read()?.open_table(ROOMS)?;
            let from = after.map_or(Unbounded, |room| Excluded(room.as_str()));
            for entry in rooms.range::<&str>((from, Unbounded))?.take(limit) {
                let (name, _) = entry?;
                names.push(RoomId::new(name.value())?);
            }
        }
        names.sort();
        names.dedup();
        names.truncate(limit);
        let state = |room: RoomId| Ok(self.room_state(&room)?.map(|state| (room, state)));
        names.into_iter().filter_map(|room| state(room).transpose()).collect()
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
        if let Some(live) = self.visible().get(room)
            && let Some((_, run)) = live.unpaged.get(live.run_behind(offset.previous()))
            && run.first() <= offset
        {
            return Ok(Some(run.clone()));
        }
        let Some(pages) = RoomPages::open(self, room)? else { return Ok(None) };
        let mut found = Vec::new();
        pages.backward(offset, |run| {
            found.extend((run.last() >= offset).then_some(run));
            false
        })?;
        Ok(found.pop())
    }

    pub(crate) fn read(&self, read: &Read) -> Result<Vec<Run>, BoxError> {
        for _ in 0..READ_ATTEMPTS {
            let runs = match read.from {
                Direction::After(offset) => self.read_after(read, offset)?,
                Direction::Before(offset) => self.read_before(read, offset)?,
            };
            if let Some(runs) = runs {
                return Ok(runs);
            }
        }
        Err(StoreError::Corrupt(format!("{}: events are missing from the log", read.room)).into())
    }

    /// `None` if the log was trimmed while it was read.
    fn read_after(&self, read: &Read, offset: Offset) -> Result<Option<Vec<Run>>, BoxError> {
        let Some(state) = self.room_state(&read.room)? else { return Ok(Some(Vec::new())) };
        if offset < state.before_horizon.offset || offset >= state.head.offset {
            return Ok(Some(Vec::new()));
        }
        let mut memory = Taken::new(read);
        if let Some(live) = self.visible().get(&read.room) {
            for (_, run) in live.unpaged.range(live.run_behind(offset)..) {
                if memory.is_full() {
                    break;
                }
                memory.push(run.clone());
            }
        }
        let mut taken = Taken::new(read);
        if memory.runs.first().is_none_or(|run| run.before().offset > offset) {
            let Some(pages) = RoomPages::open(self, &read.room)? else { return Ok(None) };
            pages.forward(offset.next(), |run| {
                taken.push(run);
                !taken.is_full()
            })?;
        }
        for run in memory.runs {
            if !taken.is_full() && taken.runs.last().is_none_or(|last| last.last() < run.last()) {
                taken.push(run);
            }
        }
        taken.finish(&state, |first, _| first.before().offset <= offset)
    }

    /// `None` if the log was trimmed while it was read.
    fn read_before(&self, read: &Read, offset: Offset) -> Result<Option<Vec<Run>>, BoxError> {
        let Some(state) = self.room_state(&read.room)? else { return Ok(Some(Vec::new())) };
        let newest = offset.previous().min(state.head.offset);
        if newest <= state.before_horizon.offset {
            return Ok(Some(Vec::new()));
        }
        let mut memory = Taken::new(read);
        if let Some(live) = self.visible().get(&read.room) {
            let until = live.run_behind(newest.previous());
            let before = live.unpaged.range(..live.unpaged.len().min(until + 1)).rev();
            for (_, run) in before.filter(|(_, run)| run.first() <= newest) {
                if memory.is_full() {
                    break;
                }
                memory.push(run.clone());
            }
        }
        let oldest = memory.runs.last().map_or(newest, |run| run.before().offset);
        let mut taken = memory;
        if !taken.is_full() && oldest > state.before_horizon.offset {
            let Some(pages) = RoomPages::open(self, &read.room)? else { return Ok(None) };
            pages.backward(oldest, |run| {
                while taken.runs.last().is_some_and(|later| later.last() <= run.last()) {
                    taken.runs.pop();
                }
                let goes_on = run.before().offset > state.before_horizon.offset;
                taken.push(run);
                goes_on && !taken.is_full()
            })?;
        }
        taken.runs.reverse();
        taken.finish(&state, |_, last| last.last() >= newest)
    }
}

/// Runs that a read has taken, against its limits.
struct Taken<'r> {
    read: &'r Read,
    runs: Vec<Run>,
    events: usize,
    bytes: usize,
}

impl<'r> Taken<'r> {
    const fn new(read: &'r Read) -> Self {
        Self { read, runs: Vec::new(), events: 0, bytes: 0 }
    }

    fn push(&mut self, run: Run) {
        self.events += run.len();
        self.bytes += run.encoded().len();
        self.runs.push(run);
    }

    /// True once a limit is reached; never before the first run.
    fn is_full(&self) -> bool {
        self.events > 0 && (self.events >= self.read.events_max || self.bytes >= self.read.bytes_max)
    }

    /// The runs in rising order, without what lies below the horizon, small ones joined; `None` if they have a hole or
    /// do not hold what they must.
    fn finish(
        mut self,
        state: &RoomState,
        holds: impl FnOnce(&Run, &Run) -> bool,
    ) -> Result<Option<Vec<Run>>, BoxError> {
        self.runs.retain(|run| run.last() >= state.horizon);
        let contiguous = self.runs.windows(2).all(|pair| pair[0].tip() == pair[1].before());
        let (Some(first), Some(last)) = (self.runs.first(), self.runs.last()) else { return Ok(None) };
        if !contiguous || !holds(first, last) {
            return Ok(None);
        }
        if first.before().offset < state.before_horizon.offset
            && let Some(rest) = first.from_offset(state.horizon)?
        {
            self.runs[0] = rest;
        }
        let mut joined: Vec<Run> = Vec::with_capacity(self.runs.len());
        for run in self.runs {
            match joined.last_mut() {
                Some(last) if let Some(both) = last.joined(&run) => *last = both,
                _ => joined.push(run),
            }
        }
        Ok(Some(joined))
    }
}

/// The pages of one room, in one read transaction.
struct RoomPages<'r> {
    room: &'r RoomId,
    number: u64,
    pages: ReadOnlyTable<(u64, u64), &'static [u8]>,
}

impl<'r> RoomPages<'r> {
    /// `None` if the pages do not know the room.
    fn open(shared: &Shared, room: &'r RoomId) -> Result<Option<Self>, BoxError> {
        let databases = shared.databases()?;
        let transaction: ReadTransaction = databases.pages.begin_read()?;
        let Some(row) = transaction.open_table(ROOMS)?.get(room.as_str())? else { return Ok(None) };
        let number = Row::decode(row.value())?.number;
        Ok(Some(Self { room, number, pages: transaction.open_table(PAGES)? }))
    }

    /// Gives the page that holds `offset`, or else the newest before it, and those behind it, as long as `take` wants.
    fn forward(&self, offset: Offset, mut take: impl FnMut(Run) -> bool) -> Result<(), BoxError> {
        let holding =
            self.pages.range((self.number, 0)..=(self.number, offset.0))?.next_back().transpose()?;
        let from = holding.map_or(offset.0, |(key, _)| key.value().1);
        for entry in self.pages.range((self.number, from)..=(self.number, u64::MAX))? {
            let (key, value) = entry?;
            if !take(self.run(key.value(), value.value())?) {
                break;
            }
        }
        Ok(())
    }

    /// Gives the page that holds `offset`, or else the newest before it, and those before it, as long as `take` wants.
    fn backward(&self, offset: Offset, mut take: impl FnMut(Run) -> bool) -> Result<(), BoxError> {
        for entry in self.pages.range((self.number, 0)..=(self.number, offset.0))?.rev() {
            let (key, value) = entry?;
            if !take(self.run(key.value(), value.value())?) {
                break;
            }
        }
        Ok(())
    }

    fn run(&self, (_, first): (u64, u64), value: &[u8]) -> Result<Run, BoxError> {
        let run = Page::decode(value)?.run(self.room);
        match run.first().0 == first {
            true => Ok(run),
            false => Err(format!("{}: the page at {first} holds other events", self.room).into()),
        }
    }
}

/// How often a read begins again because the log was trimmed beneath it. Source: chosen; a second time is rare already.
const READ_ATTEMPTS: usize = 4;
