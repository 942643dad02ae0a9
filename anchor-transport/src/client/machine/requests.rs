//! Questions to the server that may be asked again: who waits for which, and which are open now.
//!
//! At most [`READS_OPEN_MAX`] are open at once; the others wait in their order. A disconnect puts the open ones back to
//! the front. Each ends with its answer, an error of the server, or its time.
//!
//! Signals are among them whose caller wants to know. They have no number, so what the server says against one names none: it
//! is told by its place, between the signal and the answer to the question behind it. Only one at a time is therefore under
//! way. It is never said twice: where the connection goes before that answer, it has failed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anchor_core::code::{Class, Code};
use anchor_core::environment::Monotonic;
use anchor_core::limits::READS_OPEN_MAX;
use anchor_core::session::frame::{ClientFrame, RequestId};

use super::action::{Action, Output};
use crate::client::command::{Request, Waiter};
use crate::client::error::RequestError;

/// The open and the waiting requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
    newest: u64,
    waiting: VecDeque<Question>,
    /// By the number of the request, which rises in the order of asking.
    open: BTreeMap<u64, Question>,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// An application.
    Application(Waiter),
    /// The search of the log for a publish of forgotten outcome.
    Search,
}

/// An `error` of the server for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// That of the request.
    pub id: RequestId,
    /// Why.
    pub code: Code,
    /// One sentence for a person.
    pub message: String,
    /// After which to ask again.
    pub retry_after: Option<Duration>,
}

#[derive(Debug)]
struct Question {
    origin: Origin,
    request: Request,
    /// When the application stops waiting.
    deadline: Option<Monotonic>,
    /// Not to be asked before.
    not_before: Monotonic,
    /// What the server said against it already, of a signal alone.
    refusal: Option<RequestError>,
}

impl Requests {
    /// A number that no request of this client had.
    pub(super) const fn number(&mut self) -> RequestId {
        self.newest += 1;
        RequestId(self.newest)
    }

    /// Takes a request, to be answered before `deadline`. One without is never turned away.
    pub(super) fn ask(
        &mut self,
        request: Request,
        waiter: Waiter,
        deadline: Option<Monotonic>,
        out: &mut Output,
    ) {
        if deadline.is_some() && self.waiting.len() >= WAITING_MAX {
            return out.act(Action::Answer(waiter, Err(RequestError::Busy)));
        }
        self.waiting.push_back(Question::new(Origin::Application(waiter), request, deadline));
    }

    /// Takes a request of the search, before all others.
    pub(super) fn search(&mut self, request: Request) {
        self.waiting.push_front(Question::new(Origin::Search, request, None));
    }

    /// Asks what may be asked now; only while there is a session.
    pub(super) fn pump(&mut self, now: Monotonic, out: &mut Output) {
        loop {
            let is_full = self.is_full();
            let is_signalling = self.open.values().any(Question::is_signal);
            let may_go = |question: &Question| {
                let waits = (is_signalling && question.is_signal()) || (is_full && question.is_counted());
                question.not_before <= now && !waits
            };
            let Some(at) = self.waiting.iter().position(may_go) else { return };
            let Some(question) = self.waiting.remove(at) else { return };
            let id = self.number();
            if let Request::Signal(signal) = &question.request {
                out.send(ClientFrame::Signal(signal.clone()));
            }
            out.send(question.request.clone().frame(id));
            self.open.insert(id.0, question);
        }
    }

    /// Who asked the open request `id`, which is closed with this.
    pub(super) fn answered(&mut self, id: RequestId) -> Option<Origin> {
        self.open.remove(&id.0).map(|question| question.origin)
    }

    /// Takes an error of the server that names no request; false if no signal is under way that it could be about.
    pub(super) fn refused(&mut self, code: Code, message: &str) -> bool {
        let Some(signal) = self.open.values_mut().find(|question| question.is_signal()) else { return false };
        signal.refusal.get_or_insert_with(|| RequestError::Refused { code, message: message.to_owned() });
        true
    }

    /// What the server said against the open request `id`.
    pub(super) fn refusal(&mut self, id: RequestId) -> Option<RequestError> {
        self.open.get_mut(&id.0)?.refusal.take()
    }

    /// Takes an error of the server: gives who asked, unless the request is asked again by itself or nobody knows it.
    pub(super) fn failed(&mut self, failure: &Failure, now: Monotonic) -> Option<Origin> {
        let mut question = self.open.remove(&failure.id.0)?;
        if failure.code.class() != Class::Retry || question.is_signal() {
            return Some(question.origin);
        }
        question.not_before = now + failure.retry_after.unwrap_or(RETRY_AFTER);
        self.waiting.push_front(question);
        None
    }

    /// The connection is gone: what was open is asked again on the next, but for a signal; a search begins anew by itself.
    pub(super) fn disconnected(&mut self, out: &mut Output) {
        while let Some((_, question)) = self.open.pop_last() {
            match question.origin {
                Origin::Application(waiter) if question.is_signal() => {
                    let error = question.refusal.unwrap_or(RequestError::Lost);
                    out.act(Action::Answer(waiter, Err(error)));
                }
                _ => self.waiting.push_front(question),
            }
        }
        self.waiting.retain(|question| question.origin != Origin::Search);
    }

    /// Ends what waited too long.
    pub(super) fn tick(&mut self, now: Monotonic, out: &mut Output) {
        let mut late = |question: &Question| {
            let is_late = question.deadline.is_some_and(|deadline| deadline <= now);
            if let (true, Origin::Application(waiter)) = (is_late, question.origin) {
                out.act(Action::Answer(waiter, Err(RequestError::TimedOut)));
            }
            is_late
        };
        self.open.retain(|_, question| !late(question));
        self.waiting.retain(|question| !late(question));
    }

    /// Ends everything with `error`.
    pub(super) fn fail_all(&mut self, error: &RequestError, out: &mut Output) {
        let open = std::mem::take(&mut self.open).into_values();
        for question in open.chain(std::mem::take(&mut self.waiting)) {
            if let Origin::Application(waiter) = question.origin {
                out.act(Action::Answer(waiter, Err(error.clone())));
            }
        }
    }

    /// When to be ticked; `is_live`: whether questions can be asked.
    pub(super) fn deadline(&self, is_live: bool) -> Option<Monotonic> {
        let open = self.open.values().filter_map(|question| question.deadline);
        let waiting = self.waiting.iter().filter_map(|question| question.deadline);
        // Those that could go now wait for an answer, not for time; so do signals, always.
        let again = self.waiting.iter().filter(|question| {
            is_live && !(self.is_full() && question.is_counted()) && !question.is_signal()
        });
        open.chain(waiting).chain(again.map(|question| question.not_before)).min()
    }
}

impl Requests {
    /// True while the server takes no more of those that it counts.
    fn is_full(&self) -> bool {
        self.open.values().filter(|question| question.is_counted()).count() >= READS_OPEN_MAX
    }
}

impl Question {
    fn new(origin: Origin, request: Request, deadline: Option<Monotonic>) -> Self {
        Self { origin, request, deadline, not_before: Monotonic::default(), refusal: None }
    }

    /// Whether it is among those of which the server answers so many at a time.
    const fn is_counted(&self) -> bool {
        !matches!(self.request, Request::Consume(_))
    }

    const fn is_signal(&self) -> bool {
        matches!(self.request, Request::Signal(_))
    }
}

/// Requests that wait to be asked. Beyond it: [`RequestError::Busy`]. Source: chosen.
const WAITING_MAX: usize = 1_024;

/// After which a request is asked again that the server could not answer. Source: chosen; a store's hiccup.
const RETRY_AFTER: Duration = Duration::from_millis(250);
