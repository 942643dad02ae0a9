//! Retention: what a room does not keep any longer goes, a little at a time.
//!
//! Every now and then all rooms are walked through, so many in each turn of [`Anchor::maintain`]. Nodes on one store may
//! all do so: a horizon that is raised twice is raised once.

use super::Anchor;
use crate::environment::Monotonic;
use crate::id::RoomId;
use crate::limits::{RETENTION_EVERY, RUN_BYTES_MAX};
use crate::position::Offset;
use crate::room::Retention;
use crate::store::{Direction, Read, RoomState, StoreError, StoredRoom};

/// A walk through the rooms, or the time until the next.
#[derive(Debug)]
pub(super) struct Walk {
    begins: Monotonic,
    /// While it goes on: the room that was looked at last, if any was.
    at: Option<Option<RoomId>>,
}

impl Walk {
    /// A walk that begins at once.
    pub(super) const fn new(begins: Monotonic) -> Self {
        Self { begins, at: None }
    }

    /// Goes on for one turn, if it is time. After an error the next turn goes on behind the room that it was about, whose
    /// time comes again with the next walk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn step(&mut self, anchor: &Anchor) -> Result<(), StoreError> {
        let mut at = match &self.at {
            Some(at) => at.clone(),
            None if anchor.now() < self.begins => return Ok(()),
            None => {
                self.begins = anchor.now() + RETENTION_EVERY;
                self.at = Some(None);
                None
            }
        };
        let rooms = anchor.store().rooms(at.as_ref(), ROOMS_AT_A_TIME).await?;
        let mut is_last = rooms.len() < ROOMS_AT_A_TIME;
        let (mut trims, count) = (0, rooms.len());
        for (looked_at, stored) in rooms.into_iter().enumerate() {
            at = Some(stored.room.clone());
            self.at = Some(at.clone());
            let horizon = anchor.kept_from(&stored).await?;
            if horizon > stored.state.horizon {
                anchor.trim_log(&stored.room, stored.state.epoch(), horizon).await?;
                trims += 1;
            } else if let Some(tail) = anchor.0.tails.get(&stored.room) {
                // Another node may have trimmed it.
                tail.trimmed(&stored.state);
            }
            if trims >= TRIMS_AT_A_TIME {
                is_last &= looked_at + 1 == count;
                break;
            }
        }
        self.at = if is_last { None } else { Some(at) };
        Ok(())
    }
}

impl Anchor {
    /// The oldest event that a room keeps by its retention; the one behind its head if none is.
    async fn kept_from(&self, stored: &StoredRoom) -> Result<Offset, StoreError> {
        let RoomState { head, horizon, .. } = stored.state;
        Ok(match stored.info.as_ref().map(|info| info.retention) {
            None | Some(Retention::Forever) => horizon,
            Some(Retention::Count(events)) => Offset(head.offset.next().0.saturating_sub(events)),
            Some(Retention::Age(ms)) => {
                let oldest_ts = self.env().unix_ms().saturating_sub(ms);
                self.first_since(&stored.room, (horizon, head.offset.next()), oldest_ts).await?
            }
        })
    }

    /// The first event within `range` (its second end excluded) whose `ts` is at least that; the second end if none is.
    async fn first_since(
        &self,
        room: &RoomId,
        range: (Offset, Offset),
        ts: u64,
    ) -> Result<Offset, StoreError> {
        let (mut low, mut high) = range;
        while low < high {
            let middle = Offset(low.0 + (high.0 - low.0) / 2);
            let from = Direction::After(middle.previous());
            let read = Read { room: room.clone(), from, events_max: 1, bytes_max: RUN_BYTES_MAX };
            let runs = self.store().read(read).await?;
            // Trimmed, set back or deleted meanwhile: the next walk sees what there is then.
            let Some(run) = runs.first() else { return Ok(range.0) };
            let mut before = run.before().offset;
            let mut first = None;
            for event in run.events() {
                let event = event?;
                if event.ts >= ts {
                    first = Some(event.offset);
                    break;
                }
                before = event.offset;
            }
            match first {
                None => low = run.last().next(),
                Some(first) if before >= run.first() => return Ok(first.max(low)),
                Some(first) => high = first,
            }
        }
        Ok(low)
    }
}

/// Rooms that one turn looks at. Source: chosen; a page of a list, a millisecond.
const ROOMS_AT_A_TIME: usize = 500;

/// Rooms that one turn takes something of. Source: chosen; each is a commit.
const TRIMS_AT_A_TIME: usize = 32;
