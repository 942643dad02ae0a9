//! The rooms that are watched: asked for with each session, and kept as they stand by what comes.
//!
//! ```text
//!   (none) --- watch ---> Wanted --- asked ---> Asking --- watching ---> On
//!                           ^                    | |                      |
//!                           +---- disconnect ----+ +--- error ---> (none) |
//!                           +---- unwatched, disconnect ------------------+
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anchor_core::code::{Class, Code};
use anchor_core::environment::Monotonic;
use anchor_core::id::{RoomId, UserId};
use anchor_core::session::frame::{ClientFrame, Receipt, RequestId, Sighting, Watching};

use super::action::{Action, Output};
use super::requests::{Failure, Requests};
use crate::client::command::WatchId;
use crate::client::error::RequestError;
use crate::client::watched::Watched;

/// All rooms that this client watches.
#[derive(Debug, Default)]
pub(super) struct Watches {
    rooms: BTreeMap<RoomId, Watch>,
    /// What a `watch` that is not answered was for.
    asked: HashMap<RequestId, RoomId>,
    /// When rooms that could not be watched are asked for again.
    again_at: Option<Monotonic>,
}

#[derive(Debug)]
struct Watch {
    id: WatchId,
    stage: Stage,
    state: Arc<Watched>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Wanted,
    Asking(RequestId),
    On,
}

impl Watches {
    /// A room is to be watched.
    pub(super) fn watch(&mut self, id: WatchId, room: RoomId, out: &mut Output) {
        if self.rooms.contains_key(&room) {
            let message = format!("this client watches {room} already");
            let error = RequestError::Refused { code: Code::AlreadySubscribed, message };
            return out.act(Action::Watched(id, Err(error)));
        }
        self.rooms.insert(room, Watch { id, stage: Stage::Wanted, state: Arc::default() });
    }

    /// Nobody watches for `id` any more.
    pub(super) fn unwatch(&mut self, id: WatchId, is_live: bool, requests: &mut Requests, out: &mut Output) {
        let Some(room) = self.rooms.iter().find(|(_, watch)| watch.id == id).map(|(room, _)| room.clone())
        else {
            return;
        };
        let watch = self.rooms.remove(&room);
        if is_live && watch.is_some_and(|watch| watch.stage != Stage::Wanted) {
            out.send(ClientFrame::Unwatch { id: requests.number(), room });
        }
    }

    /// Asks for what is wanted; only while there is a session.
    pub(super) fn pump(&mut self, now: Monotonic, requests: &mut Requests, out: &mut Output) {
        if self.again_at.is_some_and(|again_at| now < again_at) {
            return;
        }
        self.again_at = None;
        for (room, watch) in self.rooms.iter_mut().filter(|(_, watch)| watch.stage == Stage::Wanted) {
            let id = requests.number();
            watch.stage = Stage::Asking(id);
            self.asked.insert(id, room.clone());
            out.send(ClientFrame::Watch { id, room: room.clone() });
        }
    }

    /// The answer to a `watch`.
    pub(super) fn watching(&mut self, watching: Watching, out: &mut Output) {
        self.asked.remove(&watching.id);
        let Some(watch) = self.rooms.get_mut(&watching.room) else { return };
        // One that was given up and begun anew has an answer of its own to come.
        if watch.stage == Stage::Asking(watching.id) {
            watch.stage = Stage::On;
            watch.state = Arc::new(Watched::from(watching));
            watch.tell(out);
        }
    }

    /// Somebody has come further.
    pub(super) fn receipts(&mut self, room: &RoomId, receipts: Vec<Receipt>, out: &mut Output) {
        self.change(room, out, |state| state.take_receipts(receipts));
    }

    /// Somebody has come or gone.
    pub(super) fn presence(
        &mut self,
        room: &RoomId,
        sightings: Vec<Sighting>,
        online: u64,
        away: u64,
        out: &mut Output,
    ) {
        self.change(room, out, |state| state.take_sightings(sightings, online, away));
    }

    /// Somebody types, or has stopped.
    pub(super) fn typing(&mut self, room: &RoomId, users: Vec<UserId>, out: &mut Output) {
        self.change(room, out, |state| state.typing = users);
    }

    fn change(&mut self, room: &RoomId, out: &mut Output, change: impl FnOnce(&mut Watched)) {
        let Some(watch) = self.rooms.get_mut(room).filter(|watch| watch.stage == Stage::On) else { return };
        change(Arc::make_mut(&mut watch.state));
        watch.tell(out);
    }

    /// The server has ended the watching by itself, and does not say why: asking anew does. The room may have become too large
    /// for a list, or it may not be read any more.
    pub(super) fn unwatched(&mut self, room: &RoomId) {
        if let Some(watch) = self.rooms.get_mut(room).filter(|watch| watch.stage == Stage::On) {
            watch.stage = Stage::Wanted;
        }
    }

    /// An error of the server; false if it was for none of these.
    pub(super) fn failed(&mut self, failure: &Failure, now: Monotonic, out: &mut Output) -> bool {
        let Failure { id, code, ref message, retry_after } = *failure;
        let Some(room) = self.asked.remove(&id) else { return false };
        let asks = self.rooms.get_mut(&room).filter(|watch| watch.stage == Stage::Asking(id));
        match asks {
            Some(watch) if code.class() == Class::Retry => {
                watch.stage = Stage::Wanted;
                self.again_at = Some(now + retry_after.unwrap_or(RETRY_AFTER));
            }
            Some(_) => self.over(&room, RequestError::Refused { code, message: message.clone() }, out),
            None => {}
        }
        true
    }

    /// The connection is gone: what is shown stays until the next session says how things stand.
    pub(super) fn disconnected(&mut self) {
        self.asked.clear();
        self.again_at = None;
        self.rooms.values_mut().for_each(|watch| watch.stage = Stage::Wanted);
    }

    /// Ends everything.
    pub(super) fn fail_all(&mut self, error: &RequestError, out: &mut Output) {
        for watch in std::mem::take(&mut self.rooms).into_values() {
            out.act(Action::Watched(watch.id, Err(error.clone())));
        }
    }

    /// When to be pumped.
    pub(super) const fn deadline(&self) -> Option<Monotonic> {
        self.again_at
    }

    fn over(&mut self, room: &RoomId, error: RequestError, out: &mut Output) {
        if let Some(watch) = self.rooms.remove(room) {
            out.act(Action::Watched(watch.id, Err(error)));
        }
    }
}

impl Watch {
    fn tell(&self, out: &mut Output) {
        out.act(Action::Watched(self.id, Ok(self.state.clone())));
    }
}

/// After which a room is asked for again that the server could not tell of. Source: chosen; a store's hiccup.
const RETRY_AFTER: Duration = Duration::from_millis(250);
