//! What readers see of the commits that are not yet in the pages.
//!
//! Invariant: a room is here exactly as long as something of it is not in the pages; its runs are contiguous, and the
//! first follows what the pages hold. A room that was deleted is told to be gone as long as the pages may still know it;
//! what comes under its id is another room, of which the pages know nothing. Changed only after a commit has returned, a
//! whole commit at once.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use anchor_core::cursor::Cursors;
use anchor_core::id::{RoomId, UserId};
use anchor_core::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use anchor_core::msgpack::Malformed;
use anchor_core::position::{Epoch, Mark, Offset};
use anchor_core::room::{Member, RoomInfo};
use anchor_core::run::Run;
use anchor_core::store::{EpochStart, RoomState};
use anchor_core::user::UserRow;

use crate::authors::{Authors, OfCommit};
use crate::hash::{Map, Seed};
use crate::journal::{Changed, Commit, Ended, Stored, Trimmed};
use crate::pages::Row;
use crate::targets::{About, Unpaged};

/// The rooms of which something is not in the pages.
#[derive(Debug)]
pub(crate) struct Visible {
    rooms: Map<RoomId, LiveRoom>,
    /// Those of them that the pages do not know at all.
    unknown_to_pages: BTreeSet<RoomId>,
    /// Rooms that were deleted, and are not among `rooms` again.
    gone: Map<RoomId, Gone>,
    /// Rooms in which the place of a user changed.
    of_users: Map<UserId, BTreeSet<RoomId>>,
    /// Users' rows, with the numbers of their commits.
    users: Map<UserId, (u64, Arc<UserRow>)>,
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
    /// What it is.
    pub(crate) info: Option<Arc<RoomInfo>>,
    /// Who wrote what of it is not in the pages.
    pub(crate) authors: Authors,
    /// The places of users that changed, with the numbers of the commits.
    pub(crate) members: BTreeMap<UserId, (u64, Member)>,
    /// The commit with which it came into being, unless the pages have known it from the first.
    begun: u64,
    /// Runs with the numbers of their commits.
    pub(crate) unpaged: VecDeque<(u64, Run)>,
    /// Events whose bodies were taken away, with the numbers of the commits: the pages may still have them.
    pub(crate) redacted: BTreeMap<Offset, u64>,
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
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    pub(crate) epoch: Epoch,
    pub(crate) head: Mark,
    pub(crate) ts: u64,
    pub(crate) info: Option<Arc<RoomInfo>>,
}

/// What memory says of a room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'v> {
    /// Something of it is not in the pages.
    Live(&'v LiveRoom),
    /// It was deleted, with this epoch as its newest.
    Gone(Epoch),
    /// What there is of it is in the pages.
    Paged,
}

/// A room that was deleted.
#[derive(Clone, Copy, Debug)]
struct Gone {
    epoch: Epoch,
    /// With which commit.
    commit: u64,
}

/// Some consecutive unpaged runs of a room.
#[derive(Debug)]
struct Group {
    epoch: Epoch,
    before: Offset,
    events: usize,
    bytes: usize,
}

impl Visible {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            rooms: Map::with_hasher(seed.clone()),
            unknown_to_pages: BTreeSet::new(),
            gone: Map::with_hasher(seed.clone()),
            of_users: Map::with_hasher(seed.clone()),
            users: Map::with_hasher(seed),
            events: 0,
            bytes: 0,
        }
    }

    /// Makes a commit visible. `known` gives what the pages say of a room that is not here. How many rooms grow that did
    /// not since commit `since`.
    pub(crate) fn add<E: From<Malformed>>(
        &mut self,
        number: u64,
        commit: &Commit,
        since: u64,
        mut known: impl FnMut(&RoomId) -> Result<Option<Arc<Row>>, E>,
    ) -> Result<usize, E> {
        let mut grown = 0;
        self.events += commit.events();
        self.bytes += commit.bytes();
        for ended in &commit.ended {
            self.end(number, ended);
            grown += 1;
        }
        let mut authors = OfCommit::new(commit);
        for (index, Stored { run, ts, .. }) in commit.runs.iter().enumerate() {
            let room = self.room(
                number,
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
            authors.note(index, number, &mut room.authors);
            room.changed = number;
            grown += usize::from(room.grown <= since);
            room.grown = number;
        }
        for Trimmed { room, horizon, before } in &commit.trims {
            let start = || EpochStart { epoch: Epoch::from_bytes([0; 8]), before: Mark::START };
            let room = self.room(number, room, start, &mut known)?;
            // Two of one commit were measured against the same state: the higher holds.
            if *horizon > room.state.horizon {
                room.state.horizon = *horizon;
                room.state.before_horizon = *before;
            }
            room.changed = number;
        }
        for Changed { run, changes } in &commit.changes {
            let id = commit.runs[*run].run.room();
            let Some(room) = self.rooms.get_mut(id) else { continue };
            room.redact(number, &changes.redacts)?;
            if let Some(info) = &changes.info {
                room.info = Some(Arc::clone(info));
            }
            for (user, member) in &changes.members {
                room.members.insert(user.clone(), (number, *member));
                self.of_users.entry(user.clone()).or_default().insert(id.clone());
            }
        }
        for (user, row) in &commit.users {
            self.users.insert(user.clone(), (number, Arc::clone(row)));
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

    /// Takes a room away that was deleted.
    fn end(&mut self, number: u64, Ended { room, epoch }: &Ended) {
        if let Some(live) = self.rooms.remove(room) {
            live.members.keys().for_each(|user| forget_member(&mut self.of_users, user, room));
        }
        self.unknown_to_pages.remove(room);
        self.gone.insert(room.clone(), Gone { epoch: *epoch, commit: number });
    }

    fn room<E>(
        &mut self,
        commit: u64,
        id: &RoomId,
        start: impl FnOnce() -> EpochStart,
        known: impl FnOnce(&RoomId) -> Result<Option<Arc<Row>>, E>,
    ) -> Result<&mut LiveRoom, E> {
        let free = match self.rooms.entry(id.clone()) {
            Entry::Occupied(room) => return Ok(room.into_mut()),
            Entry::Vacant(free) => free,
        };
        // What the pages know under the id of a room that is gone is that one.
        let is_gone = !self.gone.is_empty() && self.gone.remove(id).is_some();
        let known = if is_gone { None } else { known(id)? };
        let mut room = LiveRoom::new(self.gone.hasher().clone());
        match known {
            Some(row) => {
                room.state = row.state.clone();
                room.ts = row.ts;
                room.number = Some(row.number);
                room.info = row.info.clone();
            }
            None => {
                self.unknown_to_pages.insert(id.clone());
                room.begun = commit;
                room.state.epochs.push(start());
            }
        }
        Ok(free.insert(room))
    }

    /// Lets go of what the pages hold up to commit `applied` of the given rooms, which have these numbers there; none if
    /// they were deleted.
    pub(crate) fn paged<'a>(&mut self, applied: u64, rooms: impl Iterator<Item = (&'a RoomId, Option<u64>)>) {
        for (id, number) in rooms {
            if self.gone.get(id).is_some_and(|gone| gone.commit <= applied) {
                self.gone.remove(id);
            }
            let Entry::Occupied(mut entry) = self.rooms.entry(id.clone()) else { continue };
            // The pages may hold an earlier room of this id.
            let Some(number) = number.filter(|_| entry.get().begun <= applied) else { continue };
            self.unknown_to_pages.remove(id);
            let room = entry.get_mut();
            let is_paged = |commit: u64| commit <= applied;
            room.members.retain(|user, (commit, _)| {
                if is_paged(*commit) {
                    forget_member(&mut self.of_users, user, id);
                }
                !is_paged(*commit)
            });
            if is_paged(room.changed) {
                entry.remove();
                continue;
            }
            room.number = Some(number);
            let paged = room.unpaged.iter().take_while(|(commit, _)| is_paged(*commit)).count();
            if let Some((_, newest)) = room.unpaged.drain(..paged).next_back() {
                room.targets.forget(newest.last());
            }
            room.authors.forget(applied);
            room.redacted.retain(|_, commit| *commit > applied);
            room.regroup();
        }
    }

    /// Lets go of what the pages hold up to commit `applied` of the given users.
    pub(crate) fn users_paged<'a>(&mut self, applied: u64, users: impl Iterator<Item = &'a UserId>) {
        for user in users {
            if self.users.get(user).is_some_and(|(commit, _)| *commit <= applied) {
                self.users.remove(user);
            }
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

    pub(crate) fn find(&self, room: &RoomId) -> Found<'_> {
        match self.rooms.get(room) {
            Some(live) => Found::Live(live),
            None if self.gone.is_empty() => Found::Paged,
            None => self.gone.get(room).map_or(Found::Paged, |gone| Found::Gone(gone.epoch)),
        }
    }

    /// Who wrote what of a room is not in the pages, and came with commit `upto` or before; see [`Authors::up_to`].
    pub(crate) fn authors(&self, room: &RoomId, upto: u64) -> Vec<(UserId, Cursors)> {
        self.rooms.get(room).map_or_else(Vec::new, |live| live.authors.up_to(upto))
    }

    /// What is kept of a user, if that is not in the pages.
    pub(crate) fn user(&self, user: &UserId) -> Option<&Arc<UserRow>> {
        self.users.get(user).map(|(_, row)| row)
    }

    /// Rooms in which the place of a user changed, in rising order, those after `after`.
    pub(crate) fn rooms_of(&self, user: &UserId, after: Option<&RoomId>) -> impl Iterator<Item = &RoomId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let rooms = self.of_users.get(user).into_iter();
        rooms.flat_map(move |rooms| rooms.range((after.map_or(Unbounded, Excluded), Unbounded)))
    }

    /// Rooms that the pages do not know, in rising order, those after `after`.
    pub(crate) fn unknown_to_pages(&self, after: Option<&RoomId>) -> impl Iterator<Item = &RoomId> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.unknown_to_pages.range((after.map_or(Unbounded, Excluded), Unbounded))
    }
}

impl LiveRoom {
    /// A room of which nothing is known yet.
    fn new(seed: Seed) -> Self {
        let state = RoomState {
            epochs: Vec::new(),
            head: Mark::START,
            horizon: Offset(1),
            before_horizon: Mark::START,
        };
        Self {
            state,
            ts: 0,
            number: None,
            info: None,
            authors: Authors::new(seed),
            members: BTreeMap::new(),
            begun: 0,
            unpaged: VecDeque::new(),
            redacted: BTreeMap::new(),
            targets: Unpaged::default(),
            groups: VecDeque::new(),
            changed: 0,
            grown: 0,
        }
    }

    pub(crate) fn tip(&self) -> Tip {
        Tip { epoch: self.state.epoch(), head: self.state.head, ts: self.ts, info: self.info.clone() }
    }

    /// The epoch with which it began: no other room has it.
    pub(crate) fn begun_with(&self) -> Epoch {
        self.state.epochs[0].epoch
    }

    fn push(&mut self, number: u64, run: &Run) {
        group(&mut self.groups, run);
        self.unpaged.push_back((number, run.clone()));
    }

    /// Takes bodies away with a commit: from what is not in the pages at once, from the rest until the pages know of it.
    fn redact(&mut self, commit: u64, offsets: &[Offset]) -> Result<(), Malformed> {
        for offset in offsets {
            self.redacted.insert(*offset, commit);
            let at = self.run_behind(offset.previous());
            if let Some((_, run)) = self.unpaged.get_mut(at) {
                *run = run.redacted(&[*offset])?;
            }
        }
        Ok(())
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

/// No longer notes that a user's place in a room is here.
fn forget_member(of_users: &mut Map<UserId, BTreeSet<RoomId>>, user: &UserId, room: &RoomId) {
    if let Some(rooms) = of_users.get_mut(user) {
        rooms.remove(room);
        if rooms.is_empty() {
            of_users.remove(user);
        }
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
