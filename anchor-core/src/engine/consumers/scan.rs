//! A walk through all rooms and all positions of a consumer, side by side in the order of room ids: which rooms have
//! something that it has not seen. Of use where commits were not heard of, as those of other nodes and of earlier lives.

use std::collections::BTreeMap;

use super::head::{Series, decode_position, position_key, room_of, series_prefix};
use super::name::{ConsumerId, Scope};
use crate::engine::Anchor;
use crate::id::RoomId;
use crate::position::{Epoch, Mark, Position};
use crate::store::StoreError;

/// Where a walk is.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    /// The room that was looked at last.
    after: Option<RoomId>,
    /// Events behind the positions that were met so far.
    pub(super) lag: u64,
}

/// What a step of a walk has met: rooms, with what the log and the consumer have of each.
#[derive(Debug, Default)]
pub(super) struct Met {
    pub(super) rooms: BTreeMap<RoomId, Sides>,
    /// It was the last step.
    pub(super) is_last: bool,
    /// The last room that the step covers; none where it covers all that are left.
    passed: Option<RoomId>,
}

/// A room's newest event, and a consumer's position in it as it is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sides {
    pub(super) head: Mark,
    /// The room's newest epoch; none where it has no events.
    pub(super) epoch: Option<Epoch>,
    pub(super) kept: Position,
}

impl Sides {
    /// True if a consumer at `position` has something to see.
    pub(super) fn is_news_at(&self, position: &Position) -> bool {
        let is_at_head = (position.offset, position.chain) == (self.head.offset, self.head.chain);
        !is_at_head || position.epoch != self.epoch
    }

    /// Events that are there behind `position`.
    pub(super) const fn lag_behind(&self, position: &Position) -> u64 {
        self.head.offset.0.saturating_sub(position.offset.0)
    }
}

impl Walk {
    /// The next rooms. The walk moves on by [`Walk::pass`], so that a step that was given up is taken again.
    pub(super) async fn step(
        &self,
        anchor: &Anchor,
        id: &ConsumerId,
        scope: &Scope,
        series: Series,
    ) -> Result<Met, StoreError> {
        let prefix = series_prefix(id, series);
        if let Scope::Room(room) = scope {
            let heads = anchor.store().heads(std::slice::from_ref(room)).await?;
            let head = heads.into_iter().next().flatten();
            let (epoch, head) =
                (head.map(|(epoch, _)| epoch), head.map(|(_, head)| head).unwrap_or_default());
            let kept = anchor.store().record(&position_key(&prefix, room)).await?;
            let kept = kept.map_or(Ok(Position::START), |value| decode_position(&value))?;
            let rooms = BTreeMap::from([(room.clone(), Sides { head, epoch, kept })]);
            return Ok(Met { rooms, is_last: true, passed: None });
        }
        let after = self.after.as_ref();
        let after_key = after.map(|room| position_key(&prefix, room));
        let rooms = anchor.store().rooms(after, AT_A_TIME).await?;
        let kept = anchor.store().records(&prefix, after_key.as_ref(), AT_A_TIME).await?;
        let is_last = rooms.len() < AT_A_TIME && kept.len() < AT_A_TIME;
        let mut met = Met { is_last, ..Met::default() };
        // Where one side goes on, nothing is known of the other behind its end.
        let mut until: Option<RoomId> = None;
        if rooms.len() == AT_A_TIME {
            until = rooms.last().map(|stored| stored.room.clone());
        }
        let mut positions = Vec::new();
        for (key, value) in kept {
            let Some(room) = room_of(&prefix, &key) else { continue };
            positions.push((room, decode_position(&value)?));
        }
        if positions.len() == AT_A_TIME
            && let Some((last, _)) = positions.last()
            && until.as_ref().is_none_or(|until| last < until)
        {
            until = Some(last.clone());
        }
        let is_within = |room: &RoomId| until.as_ref().is_none_or(|until| room <= until);
        for stored in rooms.into_iter().filter(|stored| is_within(&stored.room)) {
            if scope.has(&stored.room) {
                let (head, epoch) = (stored.state.head, Some(stored.state.epoch()));
                *met.rooms.entry(stored.room).or_default() = Sides { head, epoch, ..Sides::default() };
            }
        }
        for (room, position) in positions.into_iter().filter(|(room, _)| is_within(room)) {
            met.rooms.entry(room).or_default().kept = position;
        }
        met.passed = until;
        Ok(met)
    }

    /// Goes on behind what was met.
    pub(super) fn pass(&mut self, met: &Met) {
        self.after.clone_from(&met.passed);
    }
}

/// Rooms that one step looks at. Source: chosen; a page of a list, a millisecond.
const AT_A_TIME: usize = 500;
