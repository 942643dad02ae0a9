//! Requests that read once and are answered once: pages, lists, who is there.

use std::collections::VecDeque;

use super::action::{Action, Ask};
use super::frame::{HistoryRange, RequestId, RoomListing, ServerFrame, StoredPage};
use super::machine::error_frame;
use crate::code::Code;
use crate::engine::ReadError;
use crate::id::{RoomId, UserId};
use crate::limits::{HISTORY_EVENTS_MAX, READS_OPEN_MAX, ROOMS_PAGE_MAX, WHO_USERS_MAX};
use crate::publish::Refusal;
use crate::store::StoreError;
use crate::user::{TooManyBlocked, UserChange};

/// The requests that are open, bounded in number.
#[derive(Debug, Default)]
pub(super) struct Requests {
    open: usize,
}

impl Requests {
    pub(super) fn ask_history(
        &mut self,
        id: RequestId,
        room: RoomId,
        range: HistoryRange,
        limit: u64,
        out: &mut VecDeque<Action>,
    ) {
        let limit = bounded(limit, HISTORY_EVENTS_MAX);
        self.ask(id, Ask::History { id, room, range, limit }, out);
    }

    pub(super) fn ask_rooms(
        &mut self,
        id: RequestId,
        after: Option<RoomId>,
        limit: u64,
        out: &mut VecDeque<Action>,
    ) {
        let limit = bounded(limit, ROOMS_PAGE_MAX);
        self.ask(id, Ask::Rooms { id, after, limit }, out);
    }

    pub(super) fn ask_who(&mut self, id: RequestId, room: RoomId, out: &mut VecDeque<Action>) {
        self.ask(id, Ask::Who { id, room }, out);
    }

    pub(super) fn page(
        &mut self,
        id: RequestId,
        page: Result<StoredPage, ReadError>,
        out: &mut VecDeque<Action>,
    ) {
        self.answer(id, page.map(Action::SendPage), out);
    }

    pub(super) fn rooms(
        &mut self,
        id: RequestId,
        limit: usize,
        rooms: Result<Vec<RoomListing>, ReadError>,
        out: &mut VecDeque<Action>,
    ) {
        let list = |rooms: Vec<RoomListing>| {
            let next = if rooms.len() < limit {
                None
            } else {
                rooms.last().map(|listing| listing.entry.room.clone())
            };
            ServerFrame::RoomList { id, rooms, next }
        };
        self.answer(id, rooms.map(list).map(Action::Send), out);
    }

    pub(super) fn who(
        &mut self,
        id: RequestId,
        room: RoomId,
        users: Result<Vec<UserId>, ReadError>,
        out: &mut VecDeque<Action>,
    ) {
        let present = |mut users: Vec<UserId>| {
            let total = users.len() as u64;
            users.truncate(WHO_USERS_MAX);
            ServerFrame::Present { id, room, users, total }
        };
        self.answer(id, users.map(present).map(Action::Send), out);
    }

    pub(super) fn ask_change_user(&mut self, id: RequestId, change: UserChange, out: &mut VecDeque<Action>) {
        self.ask(id, Ask::ChangeUser(id, Box::new(change)), out);
    }

    pub(super) fn user_changed(
        &mut self,
        id: RequestId,
        changed: Result<Result<(), TooManyBlocked>, StoreError>,
        out: &mut VecDeque<Action>,
    ) {
        let done = |changed: Result<(), TooManyBlocked>| match changed {
            Ok(()) => ServerFrame::Done { id },
            Err(error) => error_frame(Some(id), Refusal::new(Code::Full, error.to_string())),
        };
        self.answer(id, changed.map(done).map(Action::Send).map_err(ReadError::Store), out);
    }

    fn ask(&mut self, id: RequestId, ask: Ask, out: &mut VecDeque<Action>) {
        if self.open >= READS_OPEN_MAX {
            let refusal = Refusal::new(Code::TooManyReads, "wait for an answer before you ask for more");
            return out.push_back(Action::Send(error_frame(Some(id), refusal)));
        }
        self.open += 1;
        out.push_back(Action::Ask(ask));
    }

    fn answer(&mut self, id: RequestId, answer: Result<Action, ReadError>, out: &mut VecDeque<Action>) {
        self.open -= 1;
        out.push_back(answer.unwrap_or_else(|error| {
            let refusal = match error {
                ReadError::Refused(refusal) => refusal,
                ReadError::Store(_) | ReadError::Deleted(_) => {
                    Refusal::new(Code::StoreUnavailable, "the store could not be read; ask again")
                }
            };
            Action::Send(error_frame(Some(id), refusal))
        }));
    }
}

fn bounded(limit: u64, max: usize) -> usize {
    usize::try_from(limit).unwrap_or(max).clamp(1, max)
}
