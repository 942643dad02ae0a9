//! Who types here: begun and renewed at most every few seconds, ended once.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::environment::Monotonic;
use anchor_core::id::RoomId;
use anchor_core::limits::TYPING_EXPIRES;
use anchor_core::session::frame::ClientFrame;

use super::action::Output;

/// The rooms in which the user types, and when that was said last.
#[derive(Debug, Default)]
pub(super) struct Typing {
    rooms: BTreeMap<RoomId, Monotonic>,
}

impl Typing {
    /// The user presses a key; only while there is a session.
    pub(super) fn typed(&mut self, now: Monotonic, room: RoomId, out: &mut Output) {
        self.rooms.retain(|_, said_at| now < *said_at + TYPING_EXPIRES);
        if self.rooms.get(&room).is_none_or(|said_at| *said_at + RENEWED_EVERY <= now) {
            self.rooms.insert(room.clone(), now);
            out.send(ClientFrame::Typing { room, typing: true });
        }
    }

    /// The user has stopped without saying anything.
    pub(super) fn stopped(&mut self, now: Monotonic, room: RoomId, out: &mut Output) {
        let said_at = self.rooms.remove(&room);
        if said_at.is_some_and(|said_at| now < said_at + TYPING_EXPIRES) {
            out.send(ClientFrame::Typing { room, typing: false });
        }
    }

    /// The user says something there, or it stands in the log by now: that ends it for the server too, so the next key is told.
    pub(super) fn said(&mut self, room: &RoomId) {
        self.rooms.remove(room);
    }

    /// The session is gone, and what was said in it.
    pub(super) fn disconnected(&mut self) {
        self.rooms.clear();
    }
}

/// How often it is said while it goes on. Source: the design; below [`TYPING_EXPIRES`] by what a frame takes.
const RENEWED_EVERY: Duration = Duration::from_secs(3);
