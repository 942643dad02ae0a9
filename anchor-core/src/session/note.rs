//! What a client says of its user without asking anything: how far the user has come, is there, types. The engine is told one
//! thing after another.

use std::collections::VecDeque;

use super::action::{Action, Ask};
use super::frame::{CursorFrame, Presence};
use crate::id::RoomId;
use crate::limits::NOTES_WAITING_MAX;

/// Something that the engine is told, and that is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// How far the user has come in a room.
    Cursor(CursorFrame),
    /// How the user is there, as far as the session goes.
    Presence(Presence),
    /// The user types, or has stopped.
    Typing {
        /// In which room.
        room: RoomId,
        /// True while it goes on.
        typing: bool,
    },
}

impl Note {
    /// True if whoever is told `later` need not be told this.
    pub(super) fn is_overtaken_by(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::Cursor(one), Self::Cursor(other)) => one.room == other.room,
            (Self::Presence(_), Self::Presence(_)) => true,
            (Self::Typing { room: one, .. }, Self::Typing { room: other, .. }) => one == other,
            _ => false,
        }
    }

    /// Becomes what both come to.
    pub(super) fn overtake(&mut self, later: Self) {
        let earlier = std::mem::replace(self, later);
        if let (Self::Cursor(now), Self::Cursor(earlier)) = (self, earlier)
            && now.epoch == earlier.epoch
        {
            now.delivered = now.delivered.max(earlier.delivered);
            now.read = now.read.max(earlier.read);
        }
    }
}

/// What the engine is to be told.
#[derive(Debug, Default)]
pub(super) struct Notes {
    waiting: VecDeque<Note>,
    /// It is being told something.
    is_noting: bool,
}

impl Notes {
    /// Has the engine told something, in turn, instead of what waits and is overtaken by it; dropped where too much waits.
    pub(super) fn put(&mut self, note: Note, out: &mut VecDeque<Action>) {
        let is_full = self.waiting.len() >= NOTES_WAITING_MAX;
        match self.waiting.iter_mut().find(|waiting| waiting.is_overtaken_by(&note)) {
            Some(waiting) => waiting.overtake(note),
            None if is_full => {}
            None => self.waiting.push_back(note),
        }
        self.advance(out);
    }

    /// Learns that the engine was told.
    pub(super) fn noted(&mut self, out: &mut VecDeque<Action>) {
        self.is_noting = false;
        self.advance(out);
    }

    /// True if nothing waits, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.is_noting
    }

    fn advance(&mut self, out: &mut VecDeque<Action>) {
        if !self.is_noting
            && let Some(note) = self.waiting.pop_front()
        {
            self.is_noting = true;
            out.push_back(Action::Ask(Ask::Note(Box::new(note))));
        }
    }
}

#[cfg(test)]
mod tests;
