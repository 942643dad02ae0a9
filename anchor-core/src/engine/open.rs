//! How a reader gets its place in a room: registered first, then the head read, then its position verified.

use std::sync::Arc;

use super::Anchor;
use super::feed::Feed;
use super::mailbox::Watcher;
use super::tail::{Generation, Tail};
use crate::id::RoomId;
use crate::position::{Mark, Offset, Position};
use crate::resume::{self, Gap, GapReason, Resume};
use crate::sabotage::{self, Sabotage};
use crate::session::frame::{From, RoomEntry};
use crate::store::{Place, RoomState, StoreError};

/// A feed at its place, and what its reader is told first.
#[derive(Debug)]
pub struct Opened {
    /// What comes after the place.
    pub feed: Feed,
    /// The room as it stood.
    pub entry: RoomEntry,
    /// Ranges that the reader will not get or must drop, in order; the feed stands behind the last.
    pub gaps: Vec<Gap>,
}

/// A position that was verified anew, for [`Feed::resume`].
#[derive(Debug)]
pub struct Verified {
    generation: Generation,
    position: Position,
    /// Ranges that the reader will not get or must drop, in order.
    pub gaps: Vec<Gap>,
}

impl Anchor {
    /// Opens a feed of `room`; wake-ups go to `watcher` from now on.
    ///
    /// # Errors
    /// [`StoreError`] if the room cannot be read.
    pub async fn open(&self, room: &RoomId, from: From, watcher: Arc<Watcher>) -> Result<Opened, StoreError> {
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
        let (state, generation) = self.learn(watch.tail()).await?;
        let (position, mut gaps) = self.place(room, from, state.as_ref()).await?;
        let (position, more) = self.settle(watch.tail(), generation, position, state.as_ref()).await?;
        // Who asks for the newest of what there is misses nothing that was trimmed meanwhile.
        if !matches!(from, From::Last(_) | From::Now) {
            gaps.extend(more);
        }
        Ok(Opened {
            feed: Feed::new(watch, generation, position),
            entry: entry(room.clone(), state.as_ref()),
            gaps,
        })
    }

    /// Verifies a cursor whose tail was dropped.
    ///
    /// # Errors
    /// [`StoreError`] if the room cannot be read.
    pub async fn verify(&self, room: &RoomId, cursor: Position) -> Result<Verified, StoreError> {
        let Some(tail) = self.0.tails.get(room) else {
            return Ok(Verified { generation: Generation::STALE, position: cursor, gaps: Vec::new() });
        };
        let (state, generation) = self.learn(&tail).await?;
        let (position, gaps) = self.settle(&tail, generation, cursor, state.as_ref()).await?;
        if tail.is_stale(generation, &position) {
            tail.doubt(generation);
        }
        Ok(Verified { generation, position, gaps })
    }

    /// Makes a tail know its room.
    async fn learn(&self, tail: &Arc<Tail>) -> Result<(Option<RoomState>, Generation), StoreError> {
        loop {
            if let Some(known) = tail.state() {
                return Ok(known);
            }
            let asked = tail.ask();
            tail.learn(asked, self.store().room(tail.room()).await?);
        }
    }

    /// The position that `from` means, not yet verified.
    async fn place(
        &self,
        room: &RoomId,
        from: From,
        state: Option<&RoomState>,
    ) -> Result<(Position, Vec<Gap>), StoreError> {
        let horizon = || state.map_or(Position::START, |state| position_at(state, state.before_horizon));
        Ok(match (from, state) {
            (From::Start, _) => (Position::START, Vec::new()),
            (From::After(position), _) => (position, Vec::new()),
            (From::Now, state) => (state.map_or(Position::START, RoomState::head_position), Vec::new()),
            (From::Last(_), None) | (From::Offset(Offset::ZERO), _) => (Position::START, Vec::new()),
            (From::Last(messages), Some(state)) => {
                let ordinal = crate::position::Ordinal(state.head.ordinal.0.saturating_sub(messages));
                match self.store().locate(room, Place::Ordinal(ordinal)).await? {
                    Some(mark) => (position_at(state, mark), Vec::new()),
                    None => (horizon(), Vec::new()),
                }
            }
            (From::Offset(offset), Some(state)) if offset < state.before_horizon.offset => (
                horizon(),
                vec![bare_gap(offset.next(), state.before_horizon, GapReason::Trimmed, horizon())],
            ),
            (From::Offset(offset), Some(state)) if offset <= state.head.offset => {
                match self.store().locate(room, Place::Offset(offset)).await? {
                    Some(mark) => (position_at(state, mark), Vec::new()),
                    // Trimmed since the state was read: the gap begins where the reader stands, not where the horizon was.
                    None => {
                        let state = self.store().room(room).await?;
                        return Box::pin(self.place(room, from, state.as_ref())).await;
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

    /// Follows the gaps from `position` to a place that the log vouches for.
    async fn settle(
        &self,
        tail: &Tail,
        generation: Generation,
        mut position: Position,
        known: Option<&RoomState>,
    ) -> Result<(Position, Vec<Gap>), StoreError> {
        let (room, mut gaps) = (tail.room(), Vec::new());
        // A position at the head, as most are, costs one comparison.
        if known.is_some_and(|state| position == state.head_position()) {
            return Ok((position, gaps));
        }
        // Where the tail goes back as far as that, the store is not asked.
        if let Some(mark) = resume::chain_needed(&position, known).and_then(|at| tail.mark_at(generation, at))
            && let Resume::From(position) = resume::decide(&position, known, Some(mark.chain))
        {
            return Ok((position, gaps));
        }
        loop {
            let state = self.store().room(room).await?;
            let chain = match resume::chain_needed(&position, state.as_ref()) {
                None => None,
                Some(offset) => match self.store().locate(room, Place::Offset(offset)).await? {
                    Some(mark) => Some(mark.chain),
                    // Trimmed since the state was read: look again.
                    None => continue,
                },
            };
            match resume::decide(&position, state.as_ref(), chain) {
                Resume::From(position) => return Ok((position, gaps)),
                Resume::Gap(gap) => {
                    position = gap.position.unwrap_or(Position::START);
                    gaps.push(gap);
                }
            }
        }
    }
}

impl Feed {
    /// Goes on from a cursor that [`Anchor::verify`] verified.
    pub fn resume(&mut self, verified: &Verified) {
        self.verified(verified.generation, verified.position);
    }
}

/// A room as lists show it.
pub(super) fn entry(room: RoomId, state: Option<&RoomState>) -> RoomEntry {
    RoomEntry {
        room,
        epoch: state.map(RoomState::epoch),
        head: state.map_or(Offset::ZERO, |state| state.head.offset),
        horizon: state.map_or(Offset(1), |state| state.horizon),
    }
}

fn position_at(state: &RoomState, mark: Mark) -> Position {
    Position::at(state.epoch_at(mark.offset), mark)
}

fn bare_gap(from: Offset, before_horizon: Mark, reason: GapReason, position: Position) -> Gap {
    Gap { from, to: before_horizon.offset, reason, position: Some(position), ordinal: before_horizon.ordinal }
}
