//! How far the user has come in rooms: told to the server at most once for each room and second, and again with each
//! session, until the user's own receipt says that it is durable. Nothing is resumed from it.

use std::collections::{BTreeMap, BTreeSet};

use anchor_core::environment::Monotonic;
use anchor_core::id::RoomId;
use anchor_core::limits::CURSORS_EVERY;
use anchor_core::position::{Epoch, Offset, Position};
use anchor_core::session::frame::{ClientFrame, CursorFrame, Receipt};

use super::action::Output;

/// What is to be told of all rooms.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    rooms: BTreeMap<RoomId, Cursor>,
    /// Rooms of which there is something to tell in this session.
    due: BTreeSet<RoomId>,
}

#[derive(Debug)]
struct Cursor {
    epoch: Epoch,
    /// The newest event that this client has taken, and how far the server is known to have that.
    delivered: Progress,
    /// The newest event that the user has read, as said here.
    read: Progress,
    /// The server keeps no `delivered` of this room.
    is_large: bool,
    /// Not to be told before.
    not_before: Monotonic,
}

#[derive(Debug, Default)]
struct Progress {
    wanted: Offset,
    /// Told in this session.
    sent: Offset,
    /// Durable.
    known: Offset,
}

impl Cursors {
    /// This client has taken everything up to `position`.
    pub(super) fn delivered(&mut self, room: &RoomId, position: &Position) {
        self.moved(room, position, |cursor| (!cursor.is_large).then_some(&mut cursor.delivered));
    }

    /// The user has read everything up to `position`.
    pub(super) fn read(&mut self, room: &RoomId, position: &Position) {
        self.moved(room, position, |cursor| Some(&mut cursor.read));
    }

    fn moved(
        &mut self,
        room: &RoomId,
        position: &Position,
        progress: impl FnOnce(&mut Cursor) -> Option<&mut Progress>,
    ) {
        let Some(epoch) = position.epoch else { return };
        if !self.rooms.contains_key(room) {
            self.rooms.insert(room.clone(), Cursor::new(epoch));
        }
        let Some(cursor) = self.rooms.get_mut(room) else { return };
        if cursor.epoch != epoch {
            // Another log: what was said of the one before is nothing to it.
            *cursor =
                Cursor { not_before: cursor.not_before, is_large: cursor.is_large, ..Cursor::new(epoch) };
        }
        let Some(progress) = progress(cursor) else { return };
        progress.wanted = progress.wanted.max(position.offset);
        if progress.is_due() {
            self.due.insert(room.clone());
        }
    }

    /// The user's own receipt of a room. It names no log, and may be of the one before: what was not said here is not known by it.
    pub(super) fn told(&mut self, room: &RoomId, receipt: &Receipt) {
        let Some(cursor) = self.rooms.get_mut(room) else { return };
        cursor.read.answered(receipt.read);
        match receipt.delivered {
            Some(delivered) => cursor.delivered.answered(delivered),
            None => (cursor.is_large, cursor.delivered) = (true, Progress::default()),
        }
        if !cursor.is_due() {
            self.due.remove(room);
        }
    }

    /// A session begins: what is not known to be durable is told again.
    pub(super) fn welcomed(&mut self) {
        for (room, cursor) in &mut self.rooms {
            cursor.delivered.sent = Offset::ZERO;
            cursor.read.sent = Offset::ZERO;
            if cursor.is_due() {
                self.due.insert(room.clone());
            }
        }
    }

    /// Tells what may be told now; only while there is a session.
    pub(super) fn pump(&mut self, now: Monotonic, out: &mut Output) {
        let ready = |room: &&RoomId| self.rooms.get(*room).is_none_or(|cursor| cursor.not_before <= now);
        let ready: Vec<_> = self.due.iter().filter(ready).cloned().collect();
        for room in ready {
            self.due.remove(&room);
            let Some(cursor) = self.rooms.get_mut(&room) else { continue };
            cursor.not_before = now + CURSORS_EVERY;
            let (delivered, read) = (cursor.delivered.take(), cursor.read.take());
            out.send(ClientFrame::Cursor(CursorFrame { room, epoch: cursor.epoch, delivered, read }));
        }
    }

    /// When to be pumped.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        self.due.iter().filter_map(|room| Some(self.rooms.get(room)?.not_before)).min()
    }
}

impl Cursor {
    fn new(epoch: Epoch) -> Self {
        let (delivered, read) = (Progress::default(), Progress::default());
        Self { epoch, delivered, read, is_large: false, not_before: Monotonic::default() }
    }

    fn is_due(&self) -> bool {
        self.delivered.is_due() || self.read.is_due()
    }
}

impl Progress {
    fn is_due(&self) -> bool {
        self.wanted > self.known.max(self.sent)
    }

    /// The server has it up to there.
    fn answered(&mut self, offset: Offset) {
        self.known = self.known.max(offset.min(self.wanted));
    }

    /// What is to be told, which is told with this.
    fn take(&mut self) -> Option<Offset> {
        let due = self.is_due().then_some(self.wanted);
        self.sent = self.wanted.max(self.sent);
        due
    }
}
