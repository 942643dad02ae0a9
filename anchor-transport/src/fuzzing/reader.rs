//! What the rooms of a connection look like from its other end: each a cursor that never jumps without being told why.

use std::collections::HashMap;

use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::position::{Chain, Offset, Position};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::room::Permit;
use anchor_core::run::Run;
use anchor_core::session::frame::From;
use anchor_core::store::{RoomState, Store as _, StoreExt as _};

use super::session::{ada, at_once};

/// The rooms that the server has said it reads to us.
pub(super) struct Readers {
    store: MemoryStore,
    readers: HashMap<RoomId, Reader>,
}

struct Reader {
    cursor: Offset,
    /// Unknown for a bare offset.
    chain: Option<Chain>,
    /// What was asked for is not to be had: a gap must say so before anything else.
    owes_gap: bool,
    /// Not all that is missing is wanted.
    may_skip: bool,
}

impl Readers {
    pub(super) fn new(store: MemoryStore) -> Self {
        Self { store, readers: HashMap::new() }
    }

    /// A room is read from here on; `told` is where its stream is said to start.
    pub(super) fn begin(&mut self, room: &RoomId, from: &From, told: Option<&Position>) {
        let may_skip = matches!(from, From::Recent { .. });
        let owes_gap = match (from, told) {
            (From::After(position) | From::Recent { after: position, .. }, _) => {
                !self.stands(room, position) || self.hides(room, position)
            }
            (From::Start, _) => !self.stands(room, &Position::START) || self.hides(room, &Position::START),
            (from, Some(told)) => !from.is_met_by(told),
            (_, None) => false,
        };
        let reader = match (from, told) {
            // What it skips is told by a gap from where it stood.
            (From::Recent { after: position, .. }, _) => {
                Reader { cursor: position.offset, chain: Some(position.chain), owes_gap, may_skip }
            }
            (From::After(position), _) if owes_gap => {
                Reader { cursor: position.offset, chain: Some(position.chain), owes_gap, may_skip }
            }
            (From::Start, _) if owes_gap => Reader { cursor: Offset::ZERO, chain: None, owes_gap, may_skip },
            (From::Offset(offset), _) if owes_gap => {
                Reader { cursor: *offset, chain: None, owes_gap, may_skip }
            }
            (From::After(position), None) => {
                Reader { cursor: position.offset, chain: Some(position.chain), owes_gap, may_skip }
            }
            (_, Some(told)) => Reader { cursor: told.offset, chain: Some(told.chain), owes_gap, may_skip },
            (_, None) => unreachable!("only positions are resumed"),
        };
        let before = self.readers.insert(room.clone(), reader);
        assert!(before.is_none(), "{room:?} is read to us twice");
    }

    pub(super) fn end(&mut self, room: &RoomId) {
        assert!(self.readers.remove(room).is_some(), "{room:?} was not read to us");
    }

    /// The server says that no more of a room may be read.
    pub(super) fn ended(&mut self, room: &RoomId) {
        self.end(room);
        let permit = self.permit(room);
        assert!(permit.is_none_or(|permit| permit.until.is_some()), "{room:?} ended, and may be read");
    }

    pub(super) fn run(&mut self, run: &Run) {
        let until = self.permit(run.room()).map_or(Some(Offset::ZERO), |permit| permit.until);
        let known = self.state(run.room()).is_some_and(|state| state.epoch_at(run.last()) == run.epoch());
        assert!(
            !known || until.is_none_or(|until| run.last() <= until),
            "events behind the one with which the reading ended"
        );
        let reader = self.readers.get_mut(run.room()).expect("events of a room that is read to us");
        assert!(!reader.owes_gap, "events before the gap that is due");
        if let Some(chain) = reader.chain.filter(|_| run.before().offset == reader.cursor) {
            assert_eq!(run.before().chain, chain, "events of another log");
        }
        for event in run.events() {
            let event = event.expect("a store in memory is not damaged");
            if event.offset > reader.cursor {
                assert_eq!(event.offset, reader.cursor.next(), "a silent gap");
                (reader.cursor, reader.chain) = (event.offset, Some(event.chain));
            }
        }
    }

    pub(super) fn gap(&mut self, room: &RoomId, gap: &Gap) {
        let trimmed = self.state(room).map_or(Offset::ZERO, |state| state.before_horizon.offset);
        let hidden = self.permit(room).map_or(Offset::ZERO, |permit| permit.after);
        if gap.reason == GapReason::Deleted {
            assert_eq!(gap.position, None, "{gap:?}");
            return self.end(room);
        }
        let reader = self.readers.get_mut(room).expect("a gap in a room that is read to us");
        let position = gap.position.expect("where to go on");
        assert!(gap.from <= gap.to, "{gap:?}");
        match gap.reason {
            GapReason::Skipped => assert!(reader.may_skip && !reader.owes_gap, "{gap:?} was not asked for"),
            GapReason::Hidden => assert_eq!(position.offset, hidden, "{gap:?}"),
            _ => {
                assert_eq!(position.offset, trimmed, "a gap goes to where the log can be read from: {gap:?}")
            }
        }
        if matches!(gap.reason, GapReason::Trimmed | GapReason::Hidden | GapReason::Skipped) {
            assert_eq!((gap.from, gap.to), (reader.cursor.next(), position.offset), "not what is missing");
        }
        *reader = Reader {
            cursor: position.offset,
            chain: Some(position.chain),
            owes_gap: false,
            may_skip: reader.may_skip && gap.reason != GapReason::Skipped,
        };
    }

    /// A beat names every room of which something from before its time is not delivered.
    pub(super) fn beat(&self, at: u64, lag: &[(RoomId, Offset)]) {
        for (room, reader) in &self.readers {
            let events = at_once(self.store.read_all(room)).expect("a store in memory does not fail");
            let permit = self.permit(room);
            let may_read = |offset| permit.is_some_and(|permit| permit.allows(offset));
            let missing = events
                .iter()
                .find(|event| event.offset > reader.cursor && event.ts < at && may_read(event.offset));
            let named = lag.iter().any(|(other, _)| other == room);
            assert!(missing.is_none() || named, "a beat as of {at} that does not name {room:?}");
        }
    }

    /// Everything was delivered.
    pub(super) fn check_current(&self) {
        for (room, reader) in &self.readers {
            let head = self.state(room).map_or(Offset::ZERO, |state| state.head.offset);
            let permit = self.permit(room);
            assert!(permit.is_some_and(|permit| permit.until.is_none()), "{room:?} may not be read on");
            assert!(!reader.owes_gap, "{room:?}: a position that is not in the log, and no gap");
            assert_eq!(reader.cursor, head, "{room:?} was not delivered whole");
        }
    }

    /// Whether a reader of `position` can go on there without having missed anything.
    fn stands(&self, room: &RoomId, position: &Position) -> bool {
        let Some(state) = self.state(room) else { return position.offset == Offset::ZERO };
        if position.offset == Offset::ZERO {
            return state.before_horizon.offset == Offset::ZERO;
        }
        let events = at_once(self.store.read_all(room)).expect("a store in memory does not fail");
        let known = events.iter().map(anchor_core::event::Event::mark).chain([state.before_horizon]);
        let mut known = known.map(|mark| Position::at(state.epoch_at(mark.offset), mark));
        known.any(|known| known == *position)
    }

    /// True if the user may not read what follows a position.
    fn hides(&self, room: &RoomId, position: &Position) -> bool {
        self.permit(room).is_some_and(|permit| position.offset < permit.after)
    }

    /// What the user may read of a room; none where that is nothing.
    fn permit(&self, room: &RoomId) -> Option<Permit> {
        let standing = at_once(self.store.standing(room, &ada())).expect("a store in memory does not fail");
        standing.permit(room, false, None).ok()
    }

    fn state(&self, room: &RoomId) -> Option<RoomState> {
        at_once(self.store.room(room)).expect("a store in memory does not fail")
    }
}
