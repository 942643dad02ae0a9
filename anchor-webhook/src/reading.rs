//! What is to be sent, read from the log when it is sent: redacted if it is by now, and a gap if it is gone.
//!
//! The log itself is read, no pages of history: those hold fewer events where later ones made much of them.

use anchor_core::event::{Event, EventKey};
use anchor_core::id::RoomId;
use anchor_core::limits::RUN_EVENTS_MAX;
use anchor_core::position::{Offset, Position};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::run::Run;
use anchor_core::store::{Direction, Place, Read, Store, StoreError};

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
    store: &dyn Store,
    room: &RoomId,
    next: Offset,
    end: &Position,
) -> Result<Found, StoreError> {
    let wanted = end.offset.0.saturating_sub(next.0).saturating_add(1);
    // The run that holds the first of them may begin with others.
    let events_max = usize::try_from(wanted).unwrap_or(usize::MAX).saturating_add(RUN_EVENTS_MAX);
    let runs = read(store, room, next, events_max).await?;
    let Some(last_run) = runs.iter().find(|run| run.last() >= end.offset).or(runs.last()) else {
        return trimmed(store, room, next, end).await;
    };
    let events = runs.iter().flat_map(Run::events);
    let events = events
        .filter(|event| event.as_ref().map_or(true, |event| (next..=end.offset).contains(&event.offset)));
    let events = events.collect::<Result<Vec<_>, _>>()?;
    // Who has the chain of the last has all that is before it.
    let is_same = events.last().is_some_and(|last| last.offset == end.offset && last.chain == end.chain)
        && end.epoch == Some(last_run.epoch());
    Ok(if is_same { Found::Events(events) } else { Found::Gone })
}

/// One event, if the log still has it.
pub(crate) async fn event(store: &dyn Store, key: &EventKey) -> Result<Option<Event>, StoreError> {
    let runs = read(store, &key.room, key.offset, 1).await?;
    let Some(run) = runs.first().filter(|run| run.epoch() == key.epoch) else { return Ok(None) };
    let is_it = |event: &Result<Event, _>| event.as_ref().map_or(true, |event| event.offset == key.offset);
    Ok(run.events().find(is_it).transpose()?)
}

/// Tells by what the log still knows why there is nothing at `next`.
async fn trimmed(
    store: &dyn Store,
    room: &RoomId,
    next: Offset,
    end: &Position,
) -> Result<Found, StoreError> {
    let mark = store.locate(room, Place::Offset(end.offset)).await?;
    // Read behind the mark, so that a trim in between explains that there was none.
    let Some(state) = store.room(room).await? else { return Ok(Found::Gone) };
    let trimmed_to = state.horizon.previous();
    let is_same = match mark {
        Some(mark) => mark.chain == end.chain,
        // Nothing of it is left to compare.
        None => end.offset < trimmed_to,
    };
    let has_epoch = state.epochs.iter().any(|start| Some(start.epoch) == end.epoch);
    let to = end.offset.min(trimmed_to);
    if !is_same || !has_epoch || to < next {
        return Ok(Found::Gone);
    }
    let ordinal = mark.map(|mark| mark.ordinal).unwrap_or_default();
    Ok(Found::Trimmed(Gap { from: next, to, reason: GapReason::Trimmed, position: Some(*end), ordinal }))
}

/// Runs of which the first holds the event at `first`; none if that is not there.
async fn read(
    store: &dyn Store,
    room: &RoomId,
    first: Offset,
    events_max: usize,
) -> Result<Vec<Run>, StoreError> {
    let from = Direction::After(first.previous());
    // What a consumer gives at a time is one run, which bounds the bytes.
    store.read(Read { room: room.clone(), from, events_max, bytes_max: usize::MAX }).await
}
