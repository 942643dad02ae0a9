//! What is to be sent, read from the log when it is sent: redacted if it is by now, and a gap if it is gone.

use anchor_core::engine::{Anchor, ReadError};
use anchor_core::event::{Event, EventKey};
use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Offset, Position};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::session::frame::{HistoryRange, Page, RequestId};

/// What stands in the log of what was to be sent.
#[derive(Debug)]
pub(crate) enum Found {
    /// All of it.
    Events(Vec<Event>),
    /// It was trimmed away, up to here.
    Trimmed(Gap),
    /// The log is another one by now; the consumer tells of that.
    Gone,
}

/// The events of `room` from `next` up to `end`.
pub(crate) async fn events(
    anchor: &Anchor,
    room: &RoomId,
    next: Offset,
    end: &Position,
) -> Result<Found, ReadError> {
    let wanted = end.offset.0.saturating_sub(next.0).saturating_add(1);
    let page = page_before(anchor, room, end.offset, usize::try_from(wanted).unwrap_or(usize::MAX)).await?;
    let is_same = match page.events.last() {
        Some(last) => page.epoch == end.epoch && last.offset == end.offset && last.chain == end.chain,
        // Nothing of it is left to compare.
        None => page.horizon > end.offset && page.epoch.is_none(),
    };
    if !is_same {
        return Ok(Found::Gone);
    }
    let first = page.events.first().map_or(end.offset.next(), |event| event.offset);
    if first > next {
        let (to, reason) = (Offset(first.0 - 1), GapReason::Trimmed);
        let ordinal = page.events.first().map(|event| event.ordinal).unwrap_or_default();
        return Ok(Found::Trimmed(Gap { from: next, to, reason, position: Some(*end), ordinal }));
    }
    Ok(Found::Events(page.events))
}

/// One event, if the log still has it.
pub(crate) async fn event(anchor: &Anchor, key: &EventKey) -> Result<Option<Event>, ReadError> {
    let page = page_before(anchor, &key.room, key.offset, 1).await?;
    let is_same = |epoch: Option<Epoch>| epoch == Some(key.epoch);
    Ok(page.events.into_iter().last().filter(|event| event.offset == key.offset && is_same(page.epoch)))
}

/// The events up to and including `last`, at most `limit`, as the host itself reads them.
async fn page_before(anchor: &Anchor, room: &RoomId, last: Offset, limit: usize) -> Result<Page, ReadError> {
    anchor.history(RequestId(0), room, HistoryRange::BeforeOffset(last.next()), limit, None).await
}
