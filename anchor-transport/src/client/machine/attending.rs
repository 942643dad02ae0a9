//! Being there: what is told of the user, and what is watched of others. Nothing of it is kept beyond the process.

use anchor_core::environment::Monotonic;
use anchor_core::id::RoomId;
use anchor_core::position::Position;
use anchor_core::session::frame::{
    ClientFrame, Presence, PublishFrame, Receipt, RequestId, RoomEntry, Unread,
};

use super::action::{Action, Learnt};
use super::cursors::Cursors;
use super::typing::Typing;
use super::watches::Watches;
use super::{Link, Machine};
use crate::client::answer::ReadTo;
use crate::client::command::{Waiter, WatchId};
use crate::client::error::RequestError;

/// What is told and watched.
#[derive(Debug, Default)]
pub(super) struct Attending {
    pub(super) cursors: Cursors,
    pub(super) typing: Typing,
    pub(super) watches: Watches,
    /// The user is away, as far as this client goes.
    is_away: bool,
}

impl Machine {
    /// The user has read everything up to there.
    pub(in crate::client) fn handle_read(&mut self, now: Monotonic, room: &RoomId, position: &Position) {
        self.attending.cursors.read(room, position);
        self.pump(now);
    }

    /// Watches a room: [`Action::Watched`] with each change of it.
    pub(in crate::client) fn handle_watch(&mut self, now: Monotonic, id: WatchId, room: RoomId) {
        if let Link::Stopped { code, message } = &self.link {
            let error = RequestError::Stopped { code: *code, message: message.clone() };
            return self.out.act(Action::Watched(id, Err(error)));
        }
        self.attending.watches.watch(id, room, &mut self.out);
        self.pump(now);
    }

    /// Watches a room no more.
    pub(in crate::client) fn handle_unwatch(&mut self, now: Monotonic, id: WatchId) {
        let is_live = self.is_live();
        self.attending.watches.unwatch(id, is_live, &mut self.requests, &mut self.out);
        self.pump(now);
    }

    /// The user is there, or away.
    pub(in crate::client) fn handle_presence(&mut self, now: Monotonic, presence: Presence) {
        let is_away = presence != Presence::Online;
        if std::mem::replace(&mut self.attending.is_away, is_away) != is_away && self.is_live() {
            self.tell_presence();
        }
        self.pump(now);
    }

    /// The user types, or has stopped: nothing where there is no session.
    pub(in crate::client) fn handle_typing(&mut self, now: Monotonic, room: RoomId, typing: bool) {
        if self.is_live() {
            match typing {
                true => self.attending.typing.typed(now, room, &mut self.out),
                false => self.attending.typing.stopped(now, room, &mut self.out),
            }
        }
        self.pump(now);
    }

    /// Answers an event: [`Action::Answer`] once it is decided.
    pub(in crate::client) fn handle_answer(&mut self, now: Monotonic, publish: PublishFrame, waiter: Waiter) {
        if let Link::Stopped { code, message } = &self.link {
            let error = RequestError::Stopped { code: *code, message: message.clone() };
            return self.out.act(Action::Answer(waiter, Err(error)));
        }
        self.attending.typing.said(&publish.room);
        self.answering.ask(publish, waiter);
        self.pump(now);
    }

    /// This client has taken everything up to there.
    pub(super) fn taken(&mut self, learnt: Option<&Learnt>) {
        if let Some(Learnt { room, position }) = learnt
            && self.options.tells_receipts
            && (!room.is_system() || room.is_direct())
        {
            self.attending.cursors.delivered(room, position);
        }
    }

    /// A session begins.
    pub(super) fn attend(&mut self, rooms: &[RoomEntry]) {
        self.attending.cursors.welcomed();
        if self.attending.is_away {
            self.tell_presence();
        }
        self.read_on(rooms);
    }

    /// What room entries say of how far the user has read.
    pub(super) fn read_on(&mut self, rooms: &[RoomEntry]) {
        for RoomEntry { room, unread, .. } in rooms {
            if let Some(Unread { read, messages }) = *unread {
                let (room, unread) = (room.clone(), Some(messages));
                self.out.act(Action::Reading(ReadTo { room, read, ordinal: None, unread }));
            }
        }
    }

    /// How far users have come: the user among them, or others in a room that is watched.
    pub(super) fn receipts(&mut self, room: &RoomId, receipts: Vec<Receipt>) {
        if let Some(own) = receipts.iter().find(|receipt| Some(&receipt.user) == self.user.as_ref()) {
            self.attending.cursors.told(room, own);
            let (room, read, ordinal) = (room.clone(), own.read, own.ordinal);
            self.out.act(Action::Reading(ReadTo { room, read, ordinal, unread: None }));
        }
        self.attending.watches.receipts(room, receipts, &mut self.out);
    }

    /// A watching has ended: by the word of the server, where nobody asked for it.
    pub(super) fn unwatched(&mut self, id: Option<RequestId>, room: &RoomId) {
        if id.is_none() {
            self.attending.watches.unwatched(room);
        }
    }

    fn tell_presence(&mut self) {
        let presence = if self.attending.is_away { Presence::Away } else { Presence::Online };
        self.out.send(ClientFrame::Presence { presence });
    }
}
