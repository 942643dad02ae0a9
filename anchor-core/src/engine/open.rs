//! How a reader gets its place in a room: registered first, then the head read, then the permit asked for, then its position
//! verified and moved to where the permit begins.

use std::sync::Arc;

use super::Anchor;
use super::feed::Feed;
use super::mailbox::Watcher;
use super::permit::{Bound, Grant, ReadError};
use super::tail::{Generation, Tail};
use crate::id::RoomId;
use crate::position::{Mark, Offset, Ordinal, Position};
use crate::resume::{self, Gap, GapReason, Resume};
use crate::room::Permit;
use crate::sabotage::{self, Sabotage};
use crate::session::Identity;
use crate::session::frame::{From, RoomEntry};
use crate::store::{Direction, Place, Read, RoomState, StoreError};

/// A feed at its place, and what its reader is told first.
#[derive(Debug)]
pub struct Opened {
    /// What comes after the place.
    pub feed: Feed,
    /// The room as it stood, as far as its reader may read it.
    pub entry: RoomEntry,
    /// Ranges that the reader will not get or must drop, in order; the feed stands behind the last.
    pub gaps: Vec<Gap>,
    /// Where something is missing that a reader had who resumes: when the newest of it was said, in milliseconds since the Unix
    /// epoch.
    pub newest_ts: Option<u64>,
}

/// A position that was verified anew, for [`Feed::resume`].
#[derive(Debug)]
pub struct Verified {
    generation: Generation,
    position: Position,
    bound: Bound,
    newest: Offset,
    /// Ranges that the reader will not get or must drop, in order.
    pub gaps: Vec<Gap>,
}

impl Anchor {
    /// Opens a feed of `room` for the reader that `watcher` names; wake-ups go to it from now on.
    ///
    /// # Errors
    /// [`ReadError`] if the room cannot be read, or nothing of it from there on by that reader. Reports are paged through,
    /// not followed: they are refused.
    pub async fn open(&self, room: &RoomId, from: From, watcher: Arc<Watcher>) -> Result<Opened, ReadError> {
        let early = match sabotage::is(Sabotage::TailRegisteredLate) {
            true => Some(self.store().room(room).await?),
            false => None,
        };
        let watch = self.0.tails.watch(room, watcher);
        self.0.bus.join(room).await;
        if let Some(state) = early {
            let asked = watch.tail().ask();
            watch.tail().learn(asked, state);
        }
        let reader = watch.watcher().reader();
        loop {
            let (state, generation, grant) = self.known(watch.tail(), reader).await?;
            if let (From::After(position) | From::Recent { after: position, .. }, None) = (&from, &state) {
                self.check_deleted(room, position, reader, state.as_ref()).await?;
            }
            grant.check_followed()?;
            let (position, mut gaps) = self.place(room, from, state.as_ref(), grant.permit.until).await?;
            let settled = self.settle(watch.tail(), generation, position, state.as_ref(), &grant).await?;
            let Some((mut position, more)) = settled else { continue };
            // Who asks for the newest of what there is misses nothing that was trimmed meanwhile, or is kept from newcomers.
            if !matches!(from, From::Last(_) | From::Now) {
                gaps.extend(more);
            }
            if let (From::Recent { last, .. }, Some(state)) = (from, state.as_ref()) {
                let skipped = self.skipped(room, position.offset, last, state, grant.permit.until).await?;
                if let Some(gap) = skipped {
                    let position_of_last = gap.position.unwrap_or(position);
                    gaps.push(gap);
                    let settled =
                        self.settle(watch.tail(), generation, position_of_last, Some(state), &grant).await?;
                    let Some((settled, more)) = settled else { continue };
                    position = settled;
                    gaps.extend(more);
                }
            }
            let entry = grant.seen(entry(room.clone(), state.as_ref()));
            let newest_ts = match from {
                From::After(_) | From::Recent { .. } if position.offset < entry.head => {
                    self.newest_ts(watch.tail(), entry.head).await?
                }
                _ => None,
            };
            let feed = Feed::new(watch, generation, position, grant.bound, grant.newest);
            return Ok(Opened { feed, entry, gaps, newest_ts });
        }
    }

    /// When the event at `head` was said; none if it is there no more.
    async fn newest_ts(&self, tail: &Tail, head: Offset) -> Result<Option<u64>, StoreError> {
        let run = match tail.run_at(head) {
            Some(run) => Some(run),
            None => {
                let from = Direction::Before(head.next());
                let read = Read { room: tail.room().clone(), from, events_max: 1, bytes_max: 1 };
                self.store().read(read).await?.pop()
            }
        };
        // Its reader may not see the rest of it.
        let run = run.map(|run| run.up_to(head)).transpose()?.flatten().filter(|run| run.last() == head);
        Ok(run.map(|run| run.newest_ts()).transpose()?)
    }

    /// Verifies a cursor whose tail was dropped, and asks anew how far `reader` may read.
    ///
    /// # Errors
    /// [`ReadError`] if the room cannot be read, or no further by that reader.
    pub async fn verify(
        &self,
        room: &RoomId,
        cursor: Position,
        reader: Option<&Identity>,
    ) -> Result<Verified, ReadError> {
        let Some(tail) = self.0.tails.get(room) else {
            let (generation, bound) = (Generation::STALE, Bound::Turn(cursor.offset));
            let (newest, gaps) = (Offset::ZERO, Vec::new());
            return Ok(Verified { generation, position: cursor, bound, newest, gaps });
        };
        loop {
            let (state, generation, grant) = self.known(&tail, reader).await?;
            self.check_deleted(room, &cursor, reader, state.as_ref()).await?;
            let settled = self.settle(&tail, generation, cursor, state.as_ref(), &grant).await?;
            let Some((position, gaps)) = settled else { continue };
            if tail.is_stale(generation, &position) {
                tail.doubt(generation);
            }
            let Grant { bound, newest, .. } = grant;
            return Ok(Verified { generation, position, bound, newest, gaps });
        }
    }

    /// Makes a tail know its room.
    pub(super) async fn learn(
        &self,
        tail: &Arc<Tail>,
    ) -> Result<(Option<RoomState>, Generation), StoreError> {
        loop {
            if let Some(known) = tail.state() {
                return Ok(known);
            }
            let asked = tail.ask();
            tail.learn(asked, self.store().room(tail.room()).await?);
        }
    }

    /// The position that `from` means, not yet verified, to a reader who may read up to `until`.
    pub(super) async fn place(
        &self,
        room: &RoomId,
        from: From,
        state: Option<&RoomState>,
        until: Option<Offset>,
    ) -> Result<(Position, Vec<Gap>), StoreError> {
        let horizon = || state.map_or(Position::START, |state| position_at(state, state.before_horizon));
        // How far the room has come is nothing to a reader who may not read as far.
        let newest =
            |state: &RoomState| until.map_or(state.head.offset, |until| until.min(state.head.offset));
        Ok(match (from, state) {
            (From::Start, _) => (Position::START, Vec::new()),
            (From::After(position) | From::Recent { after: position, .. }, _) => (position, Vec::new()),
            (From::Now, state) => (state.map_or(Position::START, RoomState::head_position), Vec::new()),
            (From::Last(_), None) | (From::Offset(Offset::ZERO), _) => (Position::START, Vec::new()),
            (From::Last(messages), Some(state)) => {
                let newest = self.newest_ordinal(room, state, until).await?;
                let ordinal = Ordinal(newest.0.saturating_sub(messages));
                // All messages that there are: then all events, those before the first message too.
                if ordinal <= state.before_horizon.ordinal {
                    return Ok((horizon(), Vec::new()));
                }
                match self.store().locate(room, Place::Ordinal(ordinal)).await? {
                    Some(mark) => (position_at(state, mark), Vec::new()),
                    None => (horizon(), Vec::new()),
                }
            }
            (From::Offset(offset), Some(state)) if offset < state.before_horizon.offset => (
                horizon(),
                vec![bare_gap(offset.next(), state.before_horizon, GapReason::Trimmed, horizon())],
            ),
            (From::Offset(offset), Some(state)) if offset <= newest(state) => {
                match self.store().locate(room, Place::Offset(offset)).await? {
                    Some(mark) => (position_at(state, mark), Vec::new()),
                    // Trimmed since the state was read: the gap begins where the reader stands, not where the horizon was.
                    None => {
                        let state = self.store().room(room).await?;
                        return Box::pin(self.place(room, from, state.as_ref(), until)).await;
                    }
                }
            }
            (From::Offset(offset), state) => {
                let before_horizon = state.map_or(Mark::START, |state| state.before_horizon);
                let mut gap = bare_gap(Offset(1), before_horizon, GapReason::History, horizon());
                gap.to = offset;
                (horizon(), vec![gap])
            }
        })
    }

    /// Messages up to the newest event of `room` that may be read, which is the one at `until` if the log goes on behind it.
    async fn newest_ordinal(
        &self,
        room: &RoomId,
        state: &RoomState,
        until: Option<Offset>,
    ) -> Result<Ordinal, StoreError> {
        let newest = match until.filter(|until| *until < state.head.offset) {
            Some(until) => self.store().locate(room, Place::Offset(until)).await?,
            None => Some(state.head),
        };
        Ok(newest.map_or(Ordinal(0), |mark| mark.ordinal))
    }

    /// The gap from `offset` to the last so many messages that may be read; none if no more than those are missing.
    async fn skipped(
        &self,
        room: &RoomId,
        offset: Offset,
        last: u64,
        state: &RoomState,
        until: Option<Offset>,
    ) -> Result<Option<Gap>, StoreError> {
        // No more messages than events: the store need not be asked.
        if state.head.offset.0.saturating_sub(offset.0) <= last {
            return Ok(None);
        }
        let newest = self.newest_ordinal(room, state, until).await?;
        let taken = match offset {
            Offset::ZERO => Ordinal(0),
            // Trimmed meanwhile: the next to look finds that.
            offset => match self.store().locate(room, Place::Offset(offset)).await? {
                Some(mark) => mark.ordinal,
                None => return Ok(None),
            },
        };
        let ordinal = Ordinal(newest.0.saturating_sub(last.max(1)));
        if ordinal <= taken {
            return Ok(None);
        }
        let mark = self.store().locate(room, Place::Ordinal(ordinal)).await?;
        Ok(mark.map(|mark| bare_gap(offset.next(), mark, GapReason::Skipped, position_at(state, mark))))
    }

    /// Follows the gaps from `position` to a place that the log vouches for and the reader may read on from. None if the
    /// log is not the one of the grant any more: ask again.
    async fn settle(
        &self,
        tail: &Tail,
        generation: Generation,
        mut position: Position,
        known: Option<&RoomState>,
        grant: &Grant,
    ) -> Result<Option<(Position, Vec<Gap>)>, ReadError> {
        let (room, mut gaps) = (tail.room(), Vec::new());
        let is_read_from = |position: &Position| {
            let Permit { after, until } = grant.permit;
            position.offset >= after && until.is_none_or(|until| position.offset < until)
        };
        // A position at the head, as most are, costs one comparison.
        if known.is_some_and(|state| position == state.head_position()) && is_read_from(&position) {
            return Ok(Some((position, gaps)));
        }
        // Where the tail goes back as far as that, the store is not asked.
        if let Some(mark) = resume::chain_needed(&position, known).and_then(|at| tail.mark_at(generation, at))
            && let Resume::From(position) = resume::decide(&position, known, Some(mark.chain))
            && is_read_from(&position)
        {
            return Ok(Some((position, gaps)));
        }
        let head = known.map_or(Offset::ZERO, |state| state.head.offset);
        loop {
            let state = self.store().room(room).await?;
            let Some(resume) = self.decided(room, &position, state.as_ref()).await? else { continue };
            match resume {
                // The grant may be older than that: what it says does not cover the turns in between.
                Resume::From(from) if grant.is_followed() && from.offset > head => {
                    tail.doubt(generation);
                    return Ok(None);
                }
                Resume::From(from) if is_read_from(&from) => return Ok(Some((from, gaps))),
                Resume::From(from) if from.offset >= grant.permit.after => {
                    return Err(ReadError::Refused(grant.ended()));
                }
                Resume::From(from) => {
                    let after = grant.permit.after;
                    let Some(state) = state.filter(|state| after <= state.head.offset) else {
                        tail.doubt(generation);
                        return Ok(None);
                    };
                    let Some(gap) = self.hidden(room, from.offset, after, &state).await? else { continue };
                    position = gap.position.unwrap_or(from);
                    gaps.push(gap);
                }
                Resume::Gap(gap) => {
                    position = gap.position.unwrap_or(Position::START);
                    gaps.push(gap);
                }
            }
        }
    }
}

impl Anchor {
    /// Where `position` goes on in a room that is as `state` says; none if its place was trimmed since that was read.
    pub(super) async fn decided(
        &self,
        room: &RoomId,
        position: &Position,
        state: Option<&RoomState>,
    ) -> Result<Option<Resume>, StoreError> {
        let chain = match resume::chain_needed(position, state) {
            None => None,
            Some(offset) => match self.store().locate(room, Place::Offset(offset)).await? {
                Some(mark) => Some(mark.chain),
                None => return Ok(None),
            },
        };
        Ok(Some(resume::decide(position, state, chain)))
    }

    /// The gap from `offset` to `after`, which a permit keeps from its reader; none if that was trimmed since `state` was
    /// read.
    pub(super) async fn hidden(
        &self,
        room: &RoomId,
        offset: Offset,
        after: Offset,
        state: &RoomState,
    ) -> Result<Option<Gap>, StoreError> {
        let mark = self.store().locate(room, Place::Offset(after)).await?;
        Ok(mark.map(|mark| bare_gap(offset.next(), mark, GapReason::Hidden, position_at(state, mark))))
    }
}

impl Feed {
    /// Goes on from a cursor that [`Anchor::verify`] verified.
    pub fn resume(&mut self, verified: &Verified) {
        self.verified(verified.generation, verified.position, verified.bound, verified.newest);
    }
}

/// A room as lists show it.
pub(super) fn entry(room: RoomId, state: Option<&RoomState>) -> RoomEntry {
    RoomEntry {
        room,
        epoch: state.map(RoomState::epoch),
        head: state.map_or(Offset::ZERO, |state| state.head.offset),
        horizon: state.map_or(Offset(1), |state| state.horizon),
        unread: None,
    }
}

/// True if what was read of a room in the one state and in the other is of the same log: it was not set back, deleted or
/// begun in between.
pub(super) fn is_same_log(one: Option<&RoomState>, other: Option<&RoomState>) -> bool {
    one.map(|state| &state.epochs) == other.map(|state| &state.epochs)
}

fn position_at(state: &RoomState, mark: Mark) -> Position {
    Position::at(state.epoch_at(mark.offset), mark)
}

fn bare_gap(from: Offset, before_horizon: Mark, reason: GapReason, position: Position) -> Gap {
    Gap { from, to: before_horizon.offset, reason, position: Some(position), ordinal: before_horizon.ordinal }
}
