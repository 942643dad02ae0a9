//! What readers see of the commits that are not yet in the pages.
//!
//! Invariant: a room is here exactly as long as something of it is not in the pages; its runs are contiguous, and the
//! first follows what the pages hold. Changed only after a commit has returned, a whole commit at once.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, VecDeque};

use anchor_core::id::RoomId;
use anchor_core::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use anchor_core::position::{Epoch, Mark, Offset};
use anchor_core::run::Run;
use anchor_core::store::{EpochStart, RoomState};

use crate::hash::{Map, Seed};
use crate::journal::{Commit, Stored, Trimmed};
use crate::targets::{About, Unpaged};

/// The rooms of which something is not in the pages.
#[derive(Debug)]
pub(crate) struct Visible {
    rooms: Map<RoomId, LiveRoom>,
    /// Those of them that the pages do not know at all.
    unknown_to_pages: BTreeSet<RoomId>,
    events: usize,
    bytes: usize,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct LiveRoom {
    pub(crate) state: RoomState,
    /// The `ts` of its newest event.
    pub(crate) ts: u64,
    /// Its number in the pages, if they know it.
    pub(crate) number: Option<u64>,
    /// Runs with the numbers of their commits.
    pub(crate) unpaged: VecDeque<(u64, Run)>,
    /// What their events are about.
    pub(crate) targets: Unpaged,
    /// Where readers begin to join unpaged runs: each begins a group that one run could hold. So those who ask from different
    /// places are given the same.
    groups: VecDeque<Group>,
    /// The newest commit that changed it.
    changed: u64,
    /// The newest commit that added events to it.
    grown: u64,
}

/// What the writer needs to know of a room to append to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    pub(crate) epoch: Epoch,
    pub(crate) head: Mark,
    pub(crate) ts: u64,
}

/// Some consecutive unpaged runs of a room.
#[derive(Debug)]
struct Group {
    epoch: Epoch,
    before: Offset,
    events: usize,
    bytes: usize,
}

/// What the pages say of a room: its state, the `ts` of its newest event, and its number.
pub(crate) type Known = (RoomState, u64, u64);

impl Visible {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { rooms: Map::with_hasher(seed), unknown_to_pages: BTreeSet::new(), events: 0, bytes: 0 }
    }

    /// Makes a commit visible. `known` gives what the pages say of a room that is not here. How many rooms grow that did
    /// not since commit `since`.
    pub(crate) fn add<E>(
        &mut self,
        number: u64,
        commit: &Commit,
        since: u64,
        mut known: impl FnMut(&RoomId) -> Result<Option<Known>, E>,
    ) -> Result<usize, E> {
        let mut grown = 0;
        for stored in &commit.runs {
            let Stored { run, ts, .. } = stored;
            self.events += run.len();
            self.bytes += stored.bytes();
            let room = self.room(
                run.room(),
                || EpochStart { epoch: run.epoch(), before: run.before() },
                &mut known,
            )?;
            let start = EpochStart { epoch: run.epoch(), before: run.before() };
            if room.state.epoch() != start.epoch {
                room.state.epochs.push(start);
            }
            room.state.head = run.tip();
            room.ts = *ts;
            room.push(number, run);
            room.changed = number;
            grown += usize::from(room.grown <= since);
            room.grown = number;
        }
        for Trimmed { room, horizon, before } in &commit.trims {
            let start = || EpochStart { epoch: Epoch::from_bytes([0; 8]), before: Mark::START };
            let room = self.room(room, start, &mut known)?;
            // Two of one commit were measured against the same state: the higher holds.
            if *horizon > room.state.horizon {
                room.state.horizon = *horizon;
                room.state.before_horizon = *before;
            }
            room.changed = number;
        }
        Ok(grown)
    }

    /// Notes what the events of a commit are about that was just made visible.
    pub(crate) fn index<'a>(&mut self, about: impl IntoIterator<Item = (&'a RoomId, Vec<About>)>) {
        for (room, about) in about {
            if let Some(room) = self.rooms.get_mut(room) {
                about.into_iter().for_each(|about| room.targets.add(about));
            }
        }
    }

    fn room<E>(
        &mut self,
        id: &RoomId,
        start: impl FnOnce() -> EpochStart,
        known: impl FnOnce(&RoomId) -> Result<Option<Known>, E>,
    ) -> Result<&mut LiveRoom, E> {
        let free = match self.rooms.entry(id.clone()) {
            Entry::Occupied(room) => return Ok(room.into_mut()),
            Entry::Vacant(free) => free,
        };
        let (state, ts, number) = match known(id)? {
            Some((state, ts, number)) => (state, ts, Some(number)),
            None => {
                self.unknown_to_pages.insert(id.clone());
                let state = RoomState {
                    epochs: vec![start()],
                    head: Mark::START,
                    horizon: Offset(1),
                    before_horizon: Mark::START,
                };
                (state, 0, None)
            }
        };
        let (unpaged, targets, groups) = Default::default();
        Ok(free.insert(LiveRoom { state, ts, number, unpaged, targets, groups, changed: 0, grown: 0 }))
    }

    /// Lets go of what the pages hold up to commit `applied` of the given rooms.
    pub(crate) fn paged<'a>(&mut self, applied: u64, rooms: impl Iterator<Item = (&'a RoomId, u64)>) {
        for (id, number) in rooms {
            self.unknown_to_pages.remove(id);
            let Some(room) = self.rooms.get_mut(id) else { continue };
            if room.changed <= applied {
                self.rooms.remove(id);
                continue;
            }
            room.number = Some(number);
            let paged = room.unpaged.iter().take_while(|(commit, _)| *commit <= applied).count();
            if let Some((_, newest)) = room.unpaged.drain(..paged).next_back() {
                room.targets.forget(newest.last());
            }
            room.regroup();
        }
    }

    /// No longer counts what a page step moved.
    pub(crate) fn uncount(&mut self, events: usize, bytes: usize) {
        self.events -= events;
        self.bytes -= bytes;
    }

    /// Events and bytes that are not in the pages.
    pub(crate) const fn unpaged(&self) -> (usize, usize) {
        (self.events, self.bytes)
    }

    pub(crate) fn get(&self, room: &RoomId) -> Option<&LiveRoom> {
        self.rooms.get(room)
    }

    /// Rooms that the pages do not know, in rising order, those after `after`.
    pub(crate) fn unknown_to_pages(&self, after: Option<&RoomId>) -> impl Iterator<Item = &RoomId> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.unknown_to_pages.range((after.map_or(Unbounded, Excluded), Unbounded))
    }
}

impl LiveRoom {
    pub(crate) fn tip(&self) -> Tip {
        Tip { epoch: self.state.epoch(), head: self.state.head, ts: self.ts }
    }

    fn push(&mut self, number: u64, run: &Run) {
        group(&mut self.groups, run);
        self.unpaged.push_back((number, run.clone()));
    }

    fn regroup(&mut self) {
        self.groups.clear();
        self.unpaged.iter().for_each(|(_, run)| group(&mut self.groups, run));
    }

    /// The unpaged runs that hold what follows `offset`, from the beginning of a group on.
    pub(crate) fn behind(&self, offset: Offset) -> impl Iterator<Item = &Run> {
        let next = self.groups.partition_point(|group| group.before <= offset);
        let begin = next.checked_sub(1).map_or(offset, |at| self.groups[at].before);
        self.unpaged.range(self.run_behind(begin)..).map(|(_, run)| run)
    }

    /// The index of the first unpaged run that ends behind `offset`.
    pub(crate) fn run_behind(&self, offset: Offset) -> usize {
        self.unpaged.partition_point(|(_, run)| run.last() <= offset)
    }
}

/// Adds a run to the last group, or to a new one.
fn group(groups: &mut VecDeque<Group>, run: &Run) {
    let (events, bytes) = (run.len(), run.encoded().len());
    match groups.back_mut() {
        Some(last)
            if last.epoch == run.epoch()
                && last.events + events <= RUN_EVENTS_MAX
                && last.bytes + bytes <= RUN_BYTES_MAX =>
        {
            last.events += events;
            last.bytes += bytes;
        }
        _ => groups.push_back(Group { epoch: run.epoch(), before: run.before().offset, events, bytes }),
    }
}
