//! Paging through a room's log, in both directions.

use std::ops::RangeInclusive;

use super::open::is_same_log;
use super::redacted::{hide, without};
use super::{Anchor, ReadError, open};
use crate::id::RoomId;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX, RUN_EVENTS_MAX};
use crate::msgpack::Malformed;
use crate::position::{Offset, Position};
use crate::resume::Resume;
use crate::run::Run;
use crate::session::Identity;
use crate::session::frame::{HistoryRange, Page, RequestId, RoomEntry, StoredPage};
use crate::store::{Direction, Read, RoomState, StoreError};

impl Anchor {
    /// A page of a room's log for `reader`, none being the host itself: contiguous events of one epoch, in rising order, at
    /// most `limit`; and what later events made of them, as far as the reader may read those.
    ///
    /// What was asked and cannot be had stands in `gap`. `next` is the position to ask with for the page that follows in
    /// the same direction.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn history(
        &self,
        id: RequestId,
        room: &RoomId,
        range: HistoryRange,
        limit: usize,
        reader: Option<&Identity>,
    ) -> Result<Page, ReadError> {
        let page = self.stored_history(id, room, range, limit, reader).await?;
        Ok(page.decode()?)
    }

    /// As [`Anchor::history`], with the events as they are stored: what a server sends on, it need not look at.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn stored_history(
        &self,
        id: RequestId,
        room: &RoomId,
        range: HistoryRange,
        limit: usize,
        reader: Option<&Identity>,
    ) -> Result<StoredPage, ReadError> {
        let limit = limit.clamp(1, HISTORY_EVENTS_MAX);
        let mut seen = None;
        for _ in 0..LOOKS_MAX {
            let state = self.store().room(room).await?;
            let asked = Asked { id, room, range: &range, limit, reader };
            if let Some(page) = self.page(&asked, state.as_ref()).await? {
                return Ok(page);
            }
            // Trimmed or set back since the state was read: look again.
            if seen.as_ref() == Some(&state) {
                break;
            }
            seen = Some(state);
        }
        Err(StoreError::Corrupt(format!("{room} has no events where it must have some")).into())
    }

    /// The page, by a state that was just read; `None` if the log does not look like that any more.
    ///
    /// The permit is asked for behind the state and holds for everything up to that state's head, as long as the log is
    /// still the same once all is read: a page and its changes never go beyond that head.
    async fn page(
        &self,
        asked: &Asked<'_>,
        state: Option<&RoomState>,
    ) -> Result<Option<StoredPage>, ReadError> {
        let Asked { id, room, range, limit, reader } = *asked;
        if let HistoryRange::Before(position) | HistoryRange::After(position) = range {
            match self.check_deleted(room, position, reader, state).await {
                Err(ReadError::Deleted(gap)) => {
                    return Ok(Some(Page { gap: Some(gap), ..bare(id, open::entry(room.clone(), None)) }));
                }
                checked => checked?,
            }
        }
        let grant = self.grant(room, reader).await?;
        let bare = bare(id, grant.seen(open::entry(room.clone(), state)));
        let (head, horizon) = (bare.head, bare.horizon);
        let place = match range {
            HistoryRange::Before(position) | HistoryRange::After(position) => {
                self.decided(room, position, state).await?
            }
            _ => Some(Resume::From(Position::START)),
        };
        let Some(place) = place else { return Ok(None) };
        if let Resume::Gap(gap) = place {
            // A page names one gap; behind it may lie another, so the asker goes on from its position.
            let next = gap.position.filter(|_| matches!(range, HistoryRange::After(_)));
            return Ok(Some(Page { gap: Some(gap), next, ..bare }));
        }
        if let (HistoryRange::After(position), Some(state)) = (range, state)
            && position.offset < grant.permit.after
        {
            let hidden = self.hidden(room, position.offset, grant.permit.after, state).await?;
            return Ok(hidden.map(|gap| Page { gap: Some(gap), next: gap.position, ..bare }));
        }
        let (from, has_events) = match range {
            HistoryRange::Newest => (Direction::Before(head.next()), head >= horizon),
            HistoryRange::BeforeOffset(offset) | HistoryRange::Before(Position { offset, .. }) => {
                let offset = (*offset).min(head.next());
                (Direction::Before(offset), offset > horizon)
            }
            HistoryRange::After(position) => (Direction::After(position.offset), position.offset < head),
        };
        if !has_events {
            return Ok(Some(bare));
        }
        // The run nearest to the offset may lie on its other side but for one event.
        let events_max = limit + RUN_EVENTS_MAX;
        let read = Read { room: room.clone(), from, events_max, bytes_max: HISTORY_BYTES_MAX };
        let runs = self.store().read(read).await?;
        let events = cut(&runs, from, limit, horizon..=head)?;
        let (mut events, mut changes) = match events.is_empty() {
            true => return Ok(None),
            false => self.changed(room, events, from, &grant, head, reader).await?,
        };
        // What was read of a log that was set back meanwhile does not follow what the asker has.
        let now = self.store().room(room).await?;
        let is_set_back = !is_same_log(now.as_ref(), state);
        let redacted = self.redacted_since(room, state, now.as_ref()).await?;
        if !redacted.is_empty() {
            events = without(&events, &redacted)?;
            hide(&mut changes, &redacted);
        }
        let (Some(oldest), Some(newest), false) = (events.first(), events.last(), is_set_back) else {
            return Ok(None);
        };
        let (epoch, first) = (oldest.epoch(), oldest.first());
        let next = match from {
            Direction::Before(_) if first > horizon => oldest.mark_at(first)?,
            Direction::After(_) if newest.last() < head => Some(newest.tip()),
            _ => None,
        };
        let next = next.map(|mark| Position::at(epoch, mark));
        Ok(Some(Page { epoch: Some(epoch), first, events, next, changes, ..bare }))
    }
}

/// Who asks for which page.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    id: RequestId,
    room: &'a RoomId,
    range: &'a HistoryRange,
    limit: usize,
    reader: Option<&'a Identity>,
}

/// A page without events.
fn bare(id: RequestId, entry: RoomEntry) -> StoredPage {
    let RoomEntry { room, head, horizon, .. } = entry;
    let (epoch, first, events, changes) = (None, Offset::ZERO, Vec::new(), Vec::new());
    Page { id, room, epoch, first, events, head, horizon, gap: None, next: None, changes }
}

/// Cuts runs to the events of one epoch on the asked side of the offset that lie within `allowed`, at most `limit`, those
/// nearest to the offset.
fn cut(
    runs: &[Run],
    from: Direction,
    limit: usize,
    allowed: RangeInclusive<Offset>,
) -> Result<Vec<Run>, Malformed> {
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
    let runs = runs.iter().filter(|run| run.epoch() == nearest.epoch());
    between(runs, first.max(*allowed.start()), last.min(*allowed.end()))
}

/// What runs hold from the event at `first` to the one at `last`.
pub(super) fn between<'a>(
    runs: impl IntoIterator<Item = &'a Run>,
    first: Offset,
    last: Offset,
) -> Result<Vec<Run>, Malformed> {
    let mut cut = Vec::new();
    for run in runs {
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
