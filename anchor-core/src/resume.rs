//! Where a reader goes on: a pure and total decision from its position and the state of the log.
//!
//! A resume is verified, not assumed: whatever does not fit is a gap with a reason, never "you are up to date".

use crate::position::{Chain, Mark, Offset, Ordinal, Position};
use crate::sabotage::{self, Sabotage};
use crate::store::RoomState;

/// What a resume comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// The position stands in this log: read from it.
    From(Position),
    /// It does not: tell the gap, then decide again from the gap's position.
    Gap(Gap),
}

/// A range of events that a reader will not get, or must drop; its cursor becomes `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first offset concerned.
    pub from: Offset,
    /// The last offset concerned.
    pub to: Offset,
    /// Why.
    pub reason: GapReason,
    /// Where the reader goes on; `None` after `deleted`.
    pub position: Option<Position>,
    /// Messages up to that position.
    pub ordinal: Ordinal,
}

/// Why events can no longer be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// Retention took them away.
    Trimmed,
    /// A backup was restored: what the reader has beyond the fork is not in this log. Drop just those.
    Restored,
    /// The reader's log is not this one. Drop the whole room and read it anew.
    History,
    /// The room was deleted.
    Deleted,
    /// The reader was no member then, and the room keeps that from those who come later.
    Hidden,
    /// The reader wanted no more than the last messages of what it missed: the rest is there, in pages.
    Skipped,
}

impl GapReason {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Restored => "restored",
            Self::History => "history",
            Self::Deleted => "deleted",
            Self::Hidden => "hidden",
            Self::Skipped => "skipped",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Trimmed, Self::Restored, Self::History, Self::Deleted, Self::Hidden, Self::Skipped]
            .into_iter()
            .find(|reason| reason.name() == name)
    }
}

/// The offset whose chain [`decide`] must know to verify `position`; `None` if the state alone is enough.
#[must_use]
pub fn chain_needed(position: &Position, room: Option<&RoomState>) -> Option<Offset> {
    let room = room?;
    let inside = position.offset >= room.horizon && position.offset < room.head.offset;
    (inside && fork_after(position, room).is_none()).then_some(position.offset)
}

/// Decides where `position` goes on in `room`; `chain` is the log's chain at [`chain_needed`].
///
/// Repeat with a gap's position until [`Resume::From`]: at most once for each epoch, and once for trimming.
#[must_use]
pub fn decide(position: &Position, room: Option<&RoomState>, chain: Option<Chain>) -> Resume {
    let Some(room) = room else {
        return match position.offset {
            Offset::ZERO => Resume::From(Position::START),
            _ => another_history(position, Mark::START, Position::START),
        };
    };
    let horizon = Position::at(room.epoch_at(room.before_horizon.offset), room.before_horizon);
    if position.offset == Offset::ZERO {
        return match room.before_horizon.offset {
            Offset::ZERO => Resume::From(Position::START),
            _ => trimmed(position, room, horizon),
        };
    }
    let known = position.epoch.is_some_and(|epoch| room.epochs.iter().any(|start| start.epoch == epoch));
    if !known {
        return another_history(position, room.before_horizon, horizon);
    }
    if let Some(fork) = fork_after(position, room) {
        return Resume::Gap(Gap {
            from: fork.offset.next(),
            to: position.offset,
            reason: GapReason::Restored,
            position: Some(Position::at(room.epoch_at(fork.offset), fork)),
            ordinal: fork.ordinal,
        });
    }
    if position.offset > room.head.offset {
        return another_history(position, room.before_horizon, horizon);
    }
    if position.offset < room.before_horizon.offset {
        return trimmed(position, room, horizon);
    }
    let expected = match position.offset {
        offset if offset == room.head.offset => Some(room.head.chain),
        offset if offset == room.before_horizon.offset => Some(room.before_horizon.chain),
        _ => chain,
    };
    match expected == Some(position.chain) {
        true => Resume::From(Position { epoch: Some(room.epoch_at(position.offset)), ..*position }),
        false => another_history(position, room.before_horizon, horizon),
    }
}

/// The point at which a later epoch forked off below `position`, if one did.
fn fork_after(position: &Position, room: &RoomState) -> Option<Mark> {
    let own = room.epochs.iter().position(|start| Some(start.epoch) == position.epoch)?;
    let next = room.epochs.get(own + 1)?;
    (position.offset > next.before.offset).then_some(next.before)
}

fn trimmed(position: &Position, room: &RoomState, horizon: Position) -> Resume {
    Resume::Gap(Gap {
        from: position.offset.next(),
        to: if sabotage::is(Sabotage::HorizonOffByOne) { room.horizon } else { room.before_horizon.offset },
        reason: GapReason::Trimmed,
        position: Some(horizon),
        ordinal: room.before_horizon.ordinal,
    })
}

fn another_history(position: &Position, before_horizon: Mark, horizon: Position) -> Resume {
    Resume::Gap(Gap {
        from: Offset(1),
        to: position.offset.max(before_horizon.offset),
        reason: GapReason::History,
        position: Some(horizon),
        ordinal: before_horizon.ordinal,
    })
}

#[cfg(test)]
mod tests;
