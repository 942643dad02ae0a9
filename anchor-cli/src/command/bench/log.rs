//! A log that was written before anything is measured, by one author: what stands at an offset is known beforehand.

use anchor_core::id::RoomId;
use anchor_core::position::Position;

use super::body::Mark;
use super::check::Faults;
use super::crowd::{Crowd, Done, Plan, Role};
use super::flow::Flow;
use super::hello::Hellos;
use super::net::{EventSeen, Handler, Links, Nanos, Net, Said};
use crate::exit::Failure;

/// A room and what stands in it.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) room: RoomId,
    /// The name of its author.
    author: [u8; 8],
    /// Behind each event, in the order of offsets.
    pub(super) positions: Vec<Position>,
}

/// A crowd, and behind it connections of another kind.
#[derive(Debug)]
pub(super) struct Beside<H> {
    pub(super) crowd: Crowd,
    /// What the connections from `crowd.len()` on hear.
    pub(super) other: H,
}

impl Log {
    /// Writes `events` messages into room 0. Opens connections for that and for `others`, who publish into the rooms
    /// behind it, one each: the first connection is the author of the log.
    ///
    /// # Errors
    /// What ended it early.
    pub(super) fn write(
        net: &mut Net,
        hellos: &Hellos,
        events: u64,
        others: usize,
        body_bytes: usize,
    ) -> Result<(Self, Flow), Failure> {
        let rooms: Vec<_> = (0..=others).map(|room| hellos.room(room)).collect();
        let room = rooms[0].clone();
        let author = |room| Role { publishes: Some(room), ..Role::default() };
        let roles = (0..=others).map(author).collect();
        let mut flow = Flow::new(Plan { rooms, roles, done: Done::Acked, body_bytes }, None);
        flow.open_some(net, 0..1, hellos)?;
        flow.crowd.keep_positions(Some(Vec::new()));
        flow.send(net, &[0], events, "writing the log")?;
        let mut positions = flow.crowd.keep_positions(None).unwrap_or_default();
        positions.sort_unstable_by_key(|position| position.offset);
        flow.open_some(net, 1..others + 1, hellos)?;
        Ok((Self { room, author: flow.crowd.tag(0), positions }, flow))
    }

    /// The newest offset.
    pub(super) fn head(&self) -> u64 {
        self.positions.last().map_or(0, |position| position.offset.0)
    }

    /// Checks that an event is the one that stands at `offset`.
    pub(super) fn check(&self, who: usize, event: &EventSeen<'_>, offset: u64, faults: &mut Faults) {
        if event.offset != offset {
            faults.reorder(|| format!("connection {who} gets {} in the place of {offset}", event.offset));
        }
        let is_written = |mark: Mark| (mark.author, mark.number) == (0, event.offset);
        if (event.seq, event.client) != (event.offset, self.author)
            || !Mark::read(event.body).is_some_and(is_written)
        {
            faults.estrange(|| format!("connection {who} gets another event at {}", event.offset));
        }
    }
}

impl<H: Handler> Handler for Beside<H> {
    fn said(&mut self, links: &mut Links, who: usize, said: Said<'_>, at: Nanos) -> Result<(), Failure> {
        match who < self.crowd.len() {
            true => self.crowd.said(links, who, said, at),
            false => self.other.said(links, who, said, at),
        }
    }
}
