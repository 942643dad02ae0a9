//! What later events said about some, from memory and the pages, each exactly once.
//!
//! Memory is looked at first, and what it has begins behind one offset; of the rows only those up to that offset count,
//! for the snapshot may be newer. Rows of events below the horizon may still be there and never count.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::room::{Amendment, Thread, UserSigns};
use anchor_core::store::Direction;
use redb::ReadOnlyTable;

use super::Unpaged;
use super::rows::{Key, TargetTables, decode, rows_in};
use super::signs::SignsRow;
use crate::reader::Look;
use crate::visible::{Found, LiveRoom};

/// What is known of a room's index, of one moment.
#[derive(Default)]
struct Seen<T> {
    /// The room's number in the pages, if they know it.
    number: Option<u64>,
    horizon: Offset,
    /// The newest event that is not in memory.
    paged: Offset,
    /// What memory has of what was asked for.
    unpaged: T,
}

impl Look<'_> {
    /// See [`anchor_core::store::Store::amendments`].
    pub(crate) fn amendments(
        &self,
        room: &RoomId,
        targets: (Offset, Offset),
        limit: usize,
    ) -> Result<Vec<Amendment>, BoxError> {
        let unpaged = |unpaged: &Unpaged, horizon: Offset| -> Vec<Amendment> {
            let amendments = unpaged.amendments(targets).filter(|amendment| amendment.offset >= horizon);
            amendments.take(limit).cloned().collect()
        };
        let mut seen = self.seen_of_targets(room, unpaged)?;
        let mut amendments = std::mem::take(&mut seen.unpaged);
        if let Some(keys) = seen.keys(targets) {
            let snapshot = self.snapshot()?;
            amendments.extend(seen.amendments(&snapshot.targets.amendments, keys, limit)?);
            amendments.sort_unstable_by_key(|amendment| (amendment.target, amendment.offset));
        }
        amendments.truncate(limit);
        Ok(amendments)
    }

    /// See [`anchor_core::store::Store::edits`].
    pub(crate) fn edits(&self, room: &RoomId, targets: (Offset, Offset)) -> Result<Vec<Amendment>, BoxError> {
        let unpaged = |unpaged: &Unpaged, horizon: Offset| -> Vec<Amendment> {
            unpaged.edits(targets).filter(|edit| edit.offset >= horizon).cloned().collect()
        };
        let mut seen = self.seen_of_targets(room, unpaged)?;
        let newer = std::mem::take(&mut seen.unpaged);
        let Some(keys) = seen.keys(targets) else { return Ok(newer) };
        let mut edits = seen.amendments(&self.snapshot()?.targets.edits, keys, usize::MAX)?;
        edits.extend(newer);
        edits.sort_unstable_by_key(|edit| (edit.target, edit.offset));
        Ok(edits)
    }

    /// The signs that a user has set on the event at `target`.
    pub(crate) fn signs(&self, room: &RoomId, target: Offset, user: &UserId) -> Result<UserSigns, BoxError> {
        let unpaged = |unpaged: &Unpaged, _: Offset| -> Vec<Amendment> {
            unpaged.signs(target, user).cloned().collect()
        };
        let mut seen = self.seen_of_targets(room, unpaged)?;
        let newer = std::mem::take(&mut seen.unpaged);
        let mut row = SignsRow::default();
        if let Some(keys) = seen.keys((target, target)) {
            let (number, ..) = *keys.start();
            let snapshot = self.snapshot()?;
            let found = snapshot.targets.signs.get((number, target.0, user.as_str()))?;
            row = found.map_or(Ok(row), |found| SignsRow::decode(found.value()))?;
        }
        // The snapshot may be newer, and have some of these already.
        newer.iter().for_each(|amendment| row.take(amendment));
        Ok(row.signs)
    }

    /// See [`anchor_core::store::Store::threads`].
    pub(crate) fn threads(&self, room: &RoomId, roots: (Offset, Offset)) -> Result<Vec<Thread>, BoxError> {
        let unpaged = |unpaged: &Unpaged, horizon: Offset| {
            let mut threads: BTreeMap<Offset, Thread> = BTreeMap::new();
            for (root, offset) in unpaged.replies(roots).filter(|(_, offset)| *offset >= horizon) {
                let thread = threads.entry(root).or_insert(Thread { root, replies: 0, last: offset });
                (thread.replies, thread.last) = (thread.replies + 1, offset);
            }
            threads
        };
        let mut seen = self.seen_of_targets(room, unpaged)?;
        let mut threads = std::mem::take(&mut seen.unpaged);
        if let Some(keys) = seen.keys(roots) {
            let ((number, first, _), (_, last, _)) = keys.into_inner();
            let snapshot = self.snapshot()?;
            for row in snapshot.targets.threads.range((number, first)..=(number, last))? {
                let (key, row) = row?;
                let root = Offset(key.value().1);
                if let Some(paged) = seen.thread(&snapshot.targets, number, root, row.value())? {
                    let thread = threads.entry(root).or_insert(Thread { replies: 0, ..paged });
                    thread.replies += paged.replies;
                }
            }
        }
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
        let (least, most) = match from {
            Direction::After(offset) => (offset.next(), Offset(u64::MAX)),
            Direction::Before(offset) if offset == Offset::ZERO => return Ok(Vec::new()),
            Direction::Before(offset) => (Offset::ZERO, offset.previous()),
        };
        let unpaged = |unpaged: &Unpaged, horizon: Offset| -> Vec<Offset> {
            let replies = unpaged.replies((root, root)).map(|(_, offset)| offset);
            let replies = replies.filter(|offset| (least.max(horizon)..=most).contains(offset));
            match from {
                Direction::After(_) => replies.take(limit).collect(),
                Direction::Before(_) => replies.rev().take(limit).collect(),
            }
        };
        let mut seen = self.seen_of_targets(room, unpaged)?;
        let newer = std::mem::take(&mut seen.unpaged);
        let (least, most) = (least.max(seen.horizon), most.min(seen.paged));
        let mut paged = Vec::new();
        if let Some(keys) = seen.keys((root, root)).filter(|_| least <= most) {
            let (number, ..) = *keys.start();
            let snapshot = self.snapshot()?;
            let keys = (number, root.0, least.0)..=(number, root.0, most.0);
            let mut rows = snapshot.targets.replies.range(keys)?;
            let mut next = || match from {
                Direction::After(_) => rows.next(),
                Direction::Before(_) => rows.next_back(),
            };
            // Going back, the newest come first, and those are in memory.
            let left = if matches!(from, Direction::Before(_)) { limit - newer.len() } else { limit };
            while paged.len() < left
                && let Some(row) = next()
            {
                paged.push(Offset(row?.0.value().2));
            }
        }
        Ok(match from {
            Direction::After(_) => paged.into_iter().chain(newer).take(limit).collect(),
            Direction::Before(_) => paged.into_iter().rev().chain(newer.into_iter().rev()).collect(),
        })
    }

    /// What memory has of a room's index; nothing of a room that is not there.
    fn seen_of_targets<T: Default>(
        &self,
        room: &RoomId,
        unpaged: impl FnOnce(&Unpaged, Offset) -> T,
    ) -> Result<Seen<T>, BoxError> {
        match self.shared.visible().find(room) {
            Found::Live(live) => {
                let LiveRoom { state, number, targets, .. } = live;
                let paged = live.unpaged.front().map_or(state.head, |(_, run)| run.before()).offset;
                let unpaged = unpaged(targets, state.horizon);
                return Ok(Seen { number: *number, horizon: state.horizon, paged, unpaged });
            }
            Found::Gone(_) => return Ok(Seen::default()),
            Found::Paged => {}
        }
        let row = self.shared.row(room, self.reach)?;
        let (number, horizon, paged) = row.map_or((None, Offset::ZERO, Offset::ZERO), |row| {
            (Some(row.number), row.state.horizon, row.state.head.offset)
        });
        Ok(Seen { number, horizon, paged, unpaged: T::default() })
    }
}

impl<T> Seen<T> {
    /// The keys of rows about the events from `first` to `last`; none where there can be no such row: what is about an event
    /// is behind it.
    fn keys(&self, (first, last): (Offset, Offset)) -> Option<RangeInclusive<Key>> {
        let number = self.number.filter(|_| first <= last && first < self.paged)?;
        Some((number, first.0, 0)..=(number, last.0, u64::MAX))
    }

    /// The first `limit` of the rows that count.
    fn amendments(
        &self,
        rows: &ReadOnlyTable<Key, &'static [u8]>,
        keys: RangeInclusive<Key>,
        limit: usize,
    ) -> Result<Vec<Amendment>, BoxError> {
        let mut amendments = Vec::new();
        let mut rows = rows.range(keys)?;
        while amendments.len() < limit
            && let Some(row) = rows.next()
        {
            let (key, value) = row?;
            let (_, target, offset) = key.value();
            if (self.horizon..=self.paged).contains(&Offset(offset)) {
                amendments.push(decode(Offset(target), Offset(offset), value.value())?);
            }
        }
        Ok(amendments)
    }

    /// What counts of a thread: its row says how many replies the pages have, and where the newest is.
    fn thread(
        &self,
        tables: &TargetTables,
        number: u64,
        root: Offset,
        (count, last): (u64, u64),
    ) -> Result<Option<Thread>, BoxError> {
        let of_root = |least: Offset, most: Offset| (number, root.0, least.0)..=(number, root.0, most.0);
        let trimmed = match self.horizon > Offset(1) {
            true => rows_in(tables.replies.range(of_root(Offset::ZERO, self.horizon.previous()))?)?,
            false => 0,
        };
        let newest = self.paged.next().max(self.horizon);
        let newer = match Offset(last) >= newest {
            true => rows_in(tables.replies.range(of_root(newest, Offset(u64::MAX)))?)?,
            false => 0,
        };
        let replies = count.saturating_sub(trimmed + newer);
        // Where `last` is newer, memory knows a newest reply, and that one holds.
        Ok((replies > 0).then_some(Thread { root, replies, last: Offset(last).min(self.paged) }))
    }
}
