//! Readers that take nothing: they hold up the connection for a moment, then their rooms are given back to the server.

use std::collections::HashMap;
use std::time::Duration;

use anchor_core::environment::Monotonic;
use anchor_core::id::RoomId;
use anchor_core::session::frame::{ClientFrame, From, RequestId};

use super::{Asked, Room, Stage, Subscriptions};
use crate::client::command::SubscriptionId;
use crate::client::machine::action::Output;
use crate::client::machine::requests::Requests;

impl Subscriptions {
    /// A reader takes no more than it was handed. `is_live`: whether there is a session that goes on sending.
    pub(in crate::client::machine) fn full(
        &mut self,
        id: SubscriptionId,
        is_live: bool,
        now: Monotonic,
        requests: &mut Requests,
        out: &mut Output,
    ) {
        let is_read = |(_, room): &(&RoomId, &mut Room)| room.subscription == Some(id);
        let Some((name, room)) = self.rooms.iter_mut().find(is_read) else { return };
        let Stage::Live(cursor) = room.stage else { return };
        room.is_full = true;
        match is_live {
            true if room.is_of_library() => give_back(name, room, &mut self.asked, requests, out),
            true => {
                self.blocking.insert(id);
                self.blocked_since.get_or_insert(now);
            }
            false => room.stage = Stage::Parked(room.owed.take().unwrap_or(From::After(cursor))),
        }
    }

    /// A reader that was full has taken what it was handed.
    pub(in crate::client::machine) fn drained(
        &mut self,
        id: SubscriptionId,
        is_live: bool,
        requests: &mut Requests,
        out: &mut Output,
    ) {
        self.unblock(id);
        let is_read = |room: &&mut Room| room.subscription == Some(id);
        let Some(room) = self.rooms.values_mut().find(is_read) else { return };
        room.is_full = false;
        if let Stage::Parked(from) = room.stage {
            room.stage = Stage::Wanted(from);
            if is_live {
                self.open_wanted(requests, out);
            }
        }
    }

    /// True while a full reader is not parked: what comes now could not be handed over.
    pub(in crate::client::machine) fn is_blocked(&self) -> bool {
        !self.blocking.is_empty()
    }

    /// Gives the rooms of full readers back to the server, so that everybody else goes on.
    pub(super) fn park(&mut self, requests: &mut Requests, out: &mut Output) {
        self.blocking.clear();
        self.blocked_since = None;
        for (name, room) in self.rooms.iter_mut().filter(|(_, room)| room.is_full) {
            give_back(name, room, &mut self.asked, requests, out);
        }
    }

    pub(super) fn unblock(&mut self, id: SubscriptionId) {
        self.blocking.remove(&id);
        if self.blocking.is_empty() {
            self.blocked_since = None;
        }
    }
}

/// Has the server send nothing more of a room that is live.
fn give_back(
    name: &RoomId,
    room: &mut Room,
    asked: &mut HashMap<RequestId, Asked>,
    requests: &mut Requests,
    out: &mut Output,
) {
    let Stage::Live(cursor) = room.stage else { return };
    let id = requests.number();
    room.stage = Stage::Parking(id, room.owed.take().unwrap_or(From::After(cursor)));
    asked.insert(id, Asked::Unsubscribe(name.clone()));
    out.send(ClientFrame::Unsubscribe { id, room: name.clone() });
}

/// How long a full reader may hold up the connection before its room is parked. Source: chosen; long enough that a reader
/// which is merely slow costs no second asking, short against what waits for acks.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
