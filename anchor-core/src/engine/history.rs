//! Paging through a room's log, in both directions.

use super::{Anchor, open};
use crate::id::RoomId;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX, RUN_EVENTS_MAX};
use crate::msgpack::Malformed;
use crate::position::{Offset, Position};
use crate::resume::{self, Resume};
use crate::run::Run;
use crate::session::frame::{HistoryRange, Page, RequestId, RoomEntry, StoredPage};
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
        let page = self.stored_history(id, room, range, limit).await?;
        page.decode().map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// As [`Anchor::history`], with the events as they are stored: what a server sends on, it need not look at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stored_history(
        &self,
        id: RequestId,
        room: &RoomId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<StoredPage, StoreError> {
        let limit = limit.clamp(1, HISTORY_EVENTS_MAX);
        let mut seen = None;
        for _ in 0..LOOKS_MAX {
            let state = self.store().room(room).await?;
            if let Some(page) = self.page(id, room, range, limit, state.as_ref()).await? {
                return Ok(page);
            }
            // Trimmed or set back since the state was read: look again.
            if seen.as_ref() == Some(&state) {
                break;
            }
            seen = Some(state);
        }
        Err(StoreError::Corrupt(format!("{room} has no events where it must have some")))
    }

    /// The page, by a state that was just read; `None` if the log does not look like that any more.
    async fn page(
        &self,
        id: RequestId,
        room: &RoomId,
        range: HistoryRange,
        limit: usize,
        state: Option<&RoomState>,
    ) -> Result<Option<StoredPage>, StoreError> {
        let RoomEntry { head, horizon, .. } = open::entry(room.clone(), state);
        let bare = Page {
            id,
            room: room.clone(),
            epoch: None,
            first: Offset::ZERO,
            events: Vec::new(),
            head,
            horizon,
            gap: None,
            next: None,
            changes: Vec::new(),
        };
        let Some(place) = self.place_of(room, &range, state).await? else { return Ok(None) };
        if let Resume::Gap(gap) = place {
            // A page names one gap; behind it may lie another, so the asker goes on from its position.
            let next = gap.position.filter(|_| matches!(range, HistoryRange::After(_)));
            return Ok(Some(Page { gap: Some(gap), next, ..bare }));
        }
        let (from, has_events) = match range {
            HistoryRange::Newest => (Direction::Before(head.next()), head >= horizon),
            HistoryRange::BeforeOffset(offset) => {
                let offset = offset.min(head.next());
                (Direction::Before(offset), offset > horizon)
            }
            HistoryRange::Before(position) => (Direction::Before(position.offset), position.offset > horizon),
            HistoryRange::After(position) => (Direction::After(position.offset), position.offset < head),
        };
        if !has_events {
            return Ok(Some(bare));
        }
        // The run nearest to the offset may lie on its other side but for one event.
        let events_max = limit + RUN_EVENTS_MAX;
        let read = Read { room: room.clone(), from, events_max, bytes_max: HISTORY_BYTES_MAX };
        let runs = self.store().read(read).await?;
        // What was read of a log that was set back meanwhile does not follow what the asker has.
        let is_set_back = match (self.store().room(room).await?, state) {
            (Some(now), Some(state)) => now.epochs != state.epochs,
            (now, state) => now.is_some() != state.is_some(),
        };
        if is_set_back {
            return Ok(None);
        }
        let events = cut(&runs, from, limit).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let (Some(oldest), Some(newest)) = (events.first(), events.last()) else { return Ok(None) };
        let (epoch, first) = (oldest.epoch(), oldest.first());
        let next = match from {
            Direction::Before(_) if first > horizon => {
                oldest.mark_at(first).map_err(|error| StoreError::Corrupt(error.to_string()))?
            }
            Direction::After(_) if newest.last() < head => Some(newest.tip()),
            _ => None,
        };
        let next = next.map(|mark| Position::at(epoch, mark));
        Ok(Some(Page { epoch: Some(epoch), first, events, next, ..bare }))
    }

    /// Where the position of a range stands in the log; `None` if that was trimmed since `state` was read.
    async fn place_of(
        &self,
        room: &RoomId,
        range: &HistoryRange,
        state: Option<&RoomState>,
    ) -> Result<Option<Resume>, StoreError> {
        let (HistoryRange::Before(position) | HistoryRange::After(position)) = range else {
            return Ok(Some(Resume::From(Position::START)));
        };
        let chain = match resume::chain_needed(position, state) {
            None => None,
            Some(offset) => match self.store().locate(room, Place::Offset(offset)).await? {
                Some(mark) => Some(mark.chain),
                None => return Ok(None),
            },
        };
        Ok(Some(resume::decide(position, state, chain)))
    }
}

/// Cuts runs to the events of one epoch on the asked side of the offset, at most `limit`, those nearest to it.
fn cut(runs: &[Run], from: Direction, limit: usize) -> Result<Vec<Run>, Malformed> {
    let nearest = match from {
        Direction::After(_) => runs.first(),
        Direction::Before(_) => runs.last(),
    };
    let Some(nearest) = nearest else { return Ok(Vec::new()) };
    let limit = limit as u64;
    let (first, last) = match from {
        Direction::After(offset) => {
            let first = offset.next().max(nearest.first());
            (first, Offset(first.0.saturating_add(limit - 1)))
        }
        Direction::Before(offset) => {
            let last = Offset(offset.0.saturating_sub(1)).min(nearest.last());
            (Offset((last.0 + 1).saturating_sub(limit)), last)
        }
    };
    let mut cut = Vec::with_capacity(runs.len());
    for run in runs.iter().filter(|run| run.epoch() == nearest.epoch()) {
        if let Some(run) = run.from_offset(first)?
            && let Some(run) = run.up_to(last)?
        {
            cut.push(run);
        }
    }
    Ok(cut)
}

/// How often a page is looked for whose room changes under it. Source: chosen; each takes another trim or restore.
const LOOKS_MAX: u32 = 16;
