//! What is to be sent, room by room: in order within a room, and no room waits for another.
//!
//! ```text
//! push ──▶ waiting for its turn ──take──▶ on its way ──advanced, finished──▶ waiting for its turn, or empty
//!                    ▲                         └──failed──▶ waiting for its time ──┐
//!                    └────────────────────────────────────────────────────────────┘
//! ```
//!
//! A room that fails leaves, and comes again when its time has come: while it waits it takes up nothing here. Where too many do,
//! it stays, and waits here.
//!
//! A lane holds no bodies, only where they stand: each time something is sent, it is read from the log anew. So what was
//! redacted meanwhile is sent without its body, and a room that fails for long costs a few positions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anchor_core::environment::Monotonic;
use anchor_core::id::RoomId;
use anchor_core::position::{Offset, Position};
use anchor_core::resume::Gap;

/// A part of a room's log that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The events from an offset on, up to a position.
    Events { first: Offset, end: Position },
    /// That there are none.
    Gap(Gap),
}

impl Part {
    /// Where it ends, as the consumer knows it.
    pub(crate) fn end(&self) -> Position {
        match self {
            Self::Events { end, .. } => *end,
            Self::Gap(gap) => gap.position.unwrap_or(Position::START),
        }
    }
}

/// What a room is to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) part: Part,
    /// Of the part, everything before this was sent.
    pub(crate) next: Offset,
    /// One event at a time, so that one that the receiver does not take holds up no more than it must.
    pub(crate) single: bool,
    /// How often that has failed already.
    pub(crate) failures: u32,
}

/// The lanes of all rooms that have something to send.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<RoomId, Lane>,
    /// Those that are not on their way, by the time from which they may be.
    due: BTreeSet<(Monotonic, RoomId)>,
}

#[derive(Debug)]
struct Lane {
    parts: VecDeque<Part>,
    next: Offset,
    single: bool,
    failures: u32,
}

impl Lane {
    /// Begins with the part at its head.
    fn begin_part(&mut self) {
        (self.single, self.failures) = (false, 0);
        if let Some(Part::Events { first, .. }) = self.parts.front() {
            self.next = *first;
        }
    }
}

impl Lanes {
    /// Whether something of a room is to be sent.
    pub(crate) fn has(&self, room: &RoomId) -> bool {
        self.lanes.contains_key(room)
    }

    /// Adds what comes behind everything else of its room; `single` if it is the first of it, and is to be sent one by one.
    pub(crate) fn push(&mut self, room: RoomId, part: Part, single: bool, now: Monotonic) {
        if let Some(lane) = self.lanes.get_mut(&room) {
            return lane.parts.push_back(part);
        }
        let mut lane = Lane { parts: VecDeque::from([part]), next: Offset::ZERO, single: false, failures: 0 };
        lane.begin_part();
        lane.single = single;
        self.due.insert((now, room.clone()));
        self.lanes.insert(room, lane);
    }

    /// The room whose turn it is; it is on its way until [`Lanes::advanced`], [`Lanes::finished`] or [`Lanes::failed`].
    pub(crate) fn take(&mut self, now: Monotonic) -> Option<(RoomId, Turn)> {
        if self.due.first()?.0 > now {
            return None;
        }
        let (_, room) = self.due.pop_first()?;
        let lane = self.lanes.get(&room)?;
        let turn = Turn {
            part: *lane.parts.front()?,
            next: lane.next,
            single: lane.single,
            failures: lane.failures,
        };
        Some((room, turn))
    }

    /// When the next room has its turn.
    pub(crate) fn next_due(&self) -> Option<Monotonic> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Everything of the part up to and including `offset` was sent; there is more of it.
    pub(crate) fn advanced(&mut self, room: RoomId, offset: Offset, now: Monotonic) {
        let Some(lane) = self.lanes.get_mut(&room) else { return };
        (lane.next, lane.failures) = (offset.next(), 0);
        self.due.insert((now, room));
    }

    /// The part was sent; says where it ends.
    pub(crate) fn finished(&mut self, room: RoomId, now: Monotonic) -> Option<Position> {
        let lane = self.lanes.get_mut(&room)?;
        let part = lane.parts.pop_front()?;
        match lane.parts.is_empty() {
            true => drop(self.lanes.remove(&room)),
            false => {
                lane.begin_part();
                self.due.insert((now, room));
            }
        }
        Some(part.end())
    }

    /// It was not taken: again at `due`.
    pub(crate) fn failed(&mut self, room: RoomId, due: Monotonic) {
        let Some(lane) = self.lanes.get_mut(&room) else { return };
        (lane.single, lane.failures) = (true, lane.failures.saturating_add(1));
        self.due.insert((due, room));
    }

    /// It was not taken, and is given again later: nothing of the room is known any more.
    pub(crate) fn leave(&mut self, room: &RoomId) {
        self.lanes.remove(room);
    }

    /// It was not sent at all, through no fault of the receiver: again at `due`.
    pub(crate) fn put_off(&mut self, room: RoomId, due: Monotonic) {
        self.due.insert((due, room));
    }
}

#[cfg(test)]
mod tests;
