//! Requests that are asked once and answered once: pages, lists, who is there, changes of what is kept of the user.

use std::collections::VecDeque;

use super::action::{Action, Ask, Request};
use super::frame::{HistoryRange, RequestId, ServerFrame, StoredPage};
use super::machine::error_frame;
use crate::code::Code;
use crate::engine::ReadError;
use crate::id::RoomId;
use crate::limits::{
    CONSUMERS_PAGE_MAX, DEAD_LETTERS_PAGE_MAX, HISTORY_EVENTS_MAX, MEMBERS_PAGE_MAX, PROFILES_MAX,
    READS_OPEN_MAX, ROOMS_PAGE_MAX, SEARCH_HITS_MAX,
};
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
        let limit = bounded(limit).min(HISTORY_EVENTS_MAX);
        self.ask(id, Ask::History { id, room, range, limit }, out);
    }

    /// Asks for what a client wants to know, bounded.
    pub(super) fn ask_for(&mut self, id: RequestId, request: Request, out: &mut VecDeque<Action>) {
        let request = match request {
            Request::Rooms { which, after, limit } => {
                Request::Rooms { which, after, limit: limit.clamp(1, ROOMS_PAGE_MAX) }
            }
            Request::Members { room, after, limit } => {
                Request::Members { room, after, limit: limit.clamp(1, MEMBERS_PAGE_MAX) }
            }
            Request::Thread { room, root, from, limit } => {
                Request::Thread { room, root, from, limit: limit.clamp(1, HISTORY_EVENTS_MAX) }
            }
            Request::Profiles(users) if users.len() > PROFILES_MAX => {
                let refusal =
                    Refusal::new(Code::Invalid, "ask for the profiles of at most 200 users at once");
                return out.push_back(Action::Send(error_frame(Some(id), refusal)));
            }
            Request::Search { text, limit, after } => {
                Request::Search { text, limit: limit.clamp(1, SEARCH_HITS_MAX), after }
            }
            Request::Consumers { after, limit, whose } => {
                Request::Consumers { after, limit: limit.clamp(1, CONSUMERS_PAGE_MAX), whose }
            }
            Request::Webhooks { after, limit } => {
                Request::Webhooks { after, limit: limit.clamp(1, CONSUMERS_PAGE_MAX) }
            }
            Request::DeadLetters { name, after, limit } => {
                Request::DeadLetters { name, after, limit: limit.clamp(1, DEAD_LETTERS_PAGE_MAX) }
            }
            request => request,
        };
        self.ask(id, Ask::Request(id, Box::new(request)), out);
    }

    pub(super) fn page(
        &mut self,
        id: RequestId,
        page: Result<StoredPage, ReadError>,
        out: &mut VecDeque<Action>,
    ) {
        self.answer(id, page.map(|page| Action::SendPage(Box::new(page))), out);
    }

    pub(super) fn answered(
        &mut self,
        id: RequestId,
        frame: Result<ServerFrame, ReadError>,
        out: &mut VecDeque<Action>,
    ) {
        self.answer(id, frame.map(Action::Send), out);
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
        if self.may_open(id, out) {
            out.push_back(Action::Ask(ask));
        }
    }

    /// Counts a request that is asked with this, or in its turn; or answers at once that there are too many.
    pub(super) fn may_open(&mut self, id: RequestId, out: &mut VecDeque<Action>) -> bool {
        if self.open >= READS_OPEN_MAX {
            let refusal = Refusal::new(Code::TooManyReads, "wait for an answer before you ask for more");
            out.push_back(Action::Send(error_frame(Some(id), refusal)));
            return false;
        }
        self.open += 1;
        true
    }

    fn answer(&mut self, id: RequestId, answer: Result<Action, ReadError>, out: &mut VecDeque<Action>) {
        self.open -= 1;
        out.push_back(answer.unwrap_or_else(|error| Action::Send(error_frame(Some(id), refusal(error)))));
    }
}

/// What a request is answered that could not be.
pub(super) fn refusal(error: ReadError) -> Refusal {
    match error {
        ReadError::Refused(refusal) => refusal,
        ReadError::Store(_) | ReadError::Deleted(_) => {
            Refusal::new(Code::StoreUnavailable, "the store could not be read; ask again")
        }
    }
}

/// How many were asked for, at least one.
pub(super) fn bounded(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).max(1)
}
