//! Paging through a room's log, in both directions.

use super::Anchor;
use crate::event::Event;
use crate::id::RoomId;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX, RUN_EVENTS_MAX};
use crate::position::{Epoch, Offset, Position};
use crate::resume::{self, Gap, Resume};
use crate::run::Run;
use crate::session::frame::{HistoryRange, Page, RequestId};
use crate::store::{Direction, Place, Read, RoomState, StoreError};

impl Anchor {
    /// A page of a room's log: contiguous events of one epoch, in rising order, at most `limit`.
    ///
    /// What was asked and cannot be had stands in `gap`. `next` is the position to ask with for the page that follows in
    /// the same direction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(
        &self,
        id: RequestId,
        room: &RoomId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, HISTORY_EVENTS_MAX);
        let empty = |head, horizon, gap| Page {
            id,
            room: room.clone(),
            epoch: None,
            first: Offset::ZERO,
            events: Vec::new(),
            head,
            horizon,
            gap,
            next: None,
        };
        let Some(state) = self.store().room(room).await? else {
            return Ok(empty(Offset::ZERO, Offset(1), self.page_gap(room, &range, None).await?));
        };
        let gap = self.page_gap(room, &range, Some(&state)).await?;
        let from = match (range, gap) {
            (HistoryRange::Newest, _) => Direction::Before(state.head.offset.next()),
            (HistoryRange::BeforeOffset(offset), _) => {
                Direction::Before(offset.min(state.head.offset.next()))
            }
            (HistoryRange::Before(_), Some(_)) => return Ok(empty(state.head.offset, state.horizon, gap)),
            (HistoryRange::After(_), Some(told)) => {
                // A page names one gap; behind it may lie another, so the asker goes on from its position.
                return Ok(Page { next: told.position, ..empty(state.head.offset, state.horizon, gap) });
            }
            (HistoryRange::Before(position), None) => Direction::Before(position.offset),
            (HistoryRange::After(position), None) => Direction::After(position.offset),
        };
        // The run nearest to the offset may lie on its other side but for one event.
        let events_max = limit + RUN_EVENTS_MAX;
        let read = Read { room: room.clone(), from, events_max, bytes_max: HISTORY_BYTES_MAX };
        let runs = self.store().read(read).await?;
        let (epoch, events) = cut(&runs, from, limit)?;
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(empty(state.head.offset, state.horizon, gap));
        };
        let next = match from {
            Direction::Before(_) if first.offset > state.horizon => Some(first),
            Direction::After(_) if last.offset < state.head.offset => Some(last),
            _ => None,
        };
        let next = next.map(|event| Position::at(epoch, event.mark()));
        let (head, horizon, first) = (state.head.offset, state.horizon, first.offset);
        Ok(Page { id, room: room.clone(), epoch: Some(epoch), first, events, head, horizon, gap, next })
    }

    /// The gap that a range meets: its position is not in this log, or some of what was asked was trimmed.
    async fn page_gap(
        &self,
        room: &RoomId,
        range: &HistoryRange,
        state: Option<&RoomState>,
    ) -> Result<Option<Gap>, StoreError> {
        let (HistoryRange::Before(position) | HistoryRange::After(position)) = range else { return Ok(None) };
        let chain = match resume::chain_needed(position, state) {
            None => None,
            Some(offset) => self.store().locate(room, Place::Offset(offset)).await?.map(|mark| mark.chain),
        };
        Ok(match resume::decide(position, state, chain) {
            Resume::From(_) => None,
            Resume::Gap(gap) => Some(gap),
        })
    }
}

/// Cuts runs to the events of one epoch on the asked side of the offset, at most `limit`, those nearest to it.
fn cut(runs: &[Run], from: Direction, limit: usize) -> Result<(Epoch, Vec<Event>), StoreError> {
    let nearest = match from {
        Direction::After(_) => runs.first(),
        Direction::Before(_) => runs.last(),
    };
    let epoch = nearest.map_or(Epoch::from_bytes([0; 8]), Run::epoch);
    let mut events = Vec::new();
    for run in runs.iter().filter(|run| run.epoch() == epoch) {
        for event in run.events() {
            let event = event.map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let wanted = match from {
                Direction::After(offset) => event.offset > offset,
                Direction::Before(offset) => event.offset < offset,
            };
            if wanted {
                events.push(event);
            }
        }
    }
    match from {
        Direction::After(_) => events.truncate(limit),
        Direction::Before(_) => drop(events.drain(..events.len().saturating_sub(limit))),
    }
    Ok((epoch, events))
}
