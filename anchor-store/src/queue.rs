//! What waits for the writer, in the order in which it was handed over.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anchor_core::id::{ClientKey, RoomId, Seq, USER_ID_BYTES_MAX, UserId};
use anchor_core::limits::{BLOCKED_MAX, PROFILE_TEXT_BYTES_MAX};
use anchor_core::position::{Epoch, Offset};
use anchor_core::publish::{Outcome, Publish};
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::store::{ClientState, StoreError};
use anchor_core::user::{TooManyBlocked, UserChange, UserRow};
use futures::channel::oneshot;

/// Answers one request.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One request to the writer.
#[derive(Debug)]
pub(crate) enum Request {
    Append { batch: Vec<Publish>, reply: Reply<Vec<Outcome>> },
    Open { client: ClientKey, waits: Seq, reply: Reply<ClientState> },
    Trim { room: RoomId, epoch: Epoch, horizon: Offset, reply: Reply<()> },
    ChangeUser { user: UserId, change: UserChange, reply: Reply<Result<UserRow, TooManyBlocked>> },
    IsDecided { client: ClientKey, seq: Seq, reply: Reply<bool> },
}

impl Request {
    /// Publishes and bytes that it adds to a commit.
    fn weight(&self) -> (usize, usize) {
        match self {
            Self::Append { batch, .. } => {
                (batch.len(), batch.iter().map(|publish| publish.draft.body.bytes().len()).sum())
            }
            // All that is kept of the user is written again.
            Self::ChangeUser { .. } => (1, USER_BYTES_MAX),
            Self::Open { .. } | Self::Trim { .. } | Self::IsDecided { .. } => (1, 0),
        }
    }

    /// Answers it with an error.
    pub(crate) fn fail(self, error: StoreError) {
        match self {
            Self::Append { reply, .. } => drop(reply.send(Err(error))),
            Self::Open { reply, .. } => drop(reply.send(Err(error))),
            Self::Trim { reply, .. } => drop(reply.send(Err(error))),
            Self::ChangeUser { reply, .. } => drop(reply.send(Err(error))),
            Self::IsDecided { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

/// The line of requests. Its length is bounded by what callers have on their way: an append is answered late, not
/// refused, and each session has a bound for what it has unacknowledged.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Request>,
    /// Why nothing is taken any more.
    closed: Option<StoreError>,
    /// Set by whoever thinks that the writer can go on; cleared by the writer when it looks.
    nudged: bool,
    /// The writer waits to be told of a request.
    sleeps: bool,
}

impl Queue {
    /// Puts a request at the end of the line, or answers it if the line is closed.
    pub(crate) fn push(&self, request: Request) {
        let mut state = self.lock();
        if let Some(error) = state.closed.clone() {
            drop(state);
            return request.fail(error);
        }
        match sabotage::is(Sabotage::SeqOvertakes) {
            true => state.waiting.push_front(request),
            false => state.waiting.push_back(request),
        }
        let sleeps = std::mem::take(&mut state.sleeps);
        drop(state);
        // A writer that is at work looks by itself: to wake nobody is a system call, too.
        if sleeps {
            self.changed.notify_one();
        }
    }

    /// Closes the line to new requests; those that wait stay.
    pub(crate) fn close(&self, error: StoreError) {
        let mut state = self.lock();
        state.closed.get_or_insert(error);
        drop(state);
        self.changed.notify_all();
    }

    /// Closes the line and fails everything that waits.
    pub(crate) fn fail(&self, error: &StoreError) {
        let mut state = self.lock();
        state.closed = Some(error.clone());
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_all();
        waiting.into_iter().for_each(|request| request.fail(error.clone()));
    }

    /// True if nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// True once the line takes nothing more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// Takes what goes into one commit: everything that waits, up to a bound and at least one request.
    pub(crate) fn take(&self, publishes_max: usize, bytes_max: usize) -> Vec<Request> {
        let mut state = self.lock();
        let (mut publishes, mut bytes, mut count) = (0, 0, 0);
        for request in &state.waiting {
            let (more_publishes, more_bytes) = request.weight();
            publishes += more_publishes;
            bytes += more_bytes;
            if count > 0 && (publishes > publishes_max || bytes > bytes_max) {
                break;
            }
            count += 1;
        }
        state.waiting.drain(..count).collect()
    }

    /// Takes the openings of clients that need not wait for an append before them: see
    /// [`crate::writer::Writer::step`]. Everything else keeps its place.
    pub(crate) fn take_openings(&self) -> Vec<Request> {
        let mut state = self.lock();
        let mut openings = Vec::new();
        let mut rest = VecDeque::with_capacity(state.waiting.len());
        for request in std::mem::take(&mut state.waiting) {
            match &request {
                Request::Open { client, .. } if !settles(&rest, client) => openings.push(request),
                _ => rest.push_back(request),
            }
        }
        state.waiting = rest;
        openings
    }

    /// Takes the requests that `wanted` names. Everything else keeps its place.
    pub(crate) fn take_where(&self, mut wanted: impl FnMut(&Request) -> bool) -> Vec<Request> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        let mut rest = VecDeque::with_capacity(state.waiting.len());
        for request in std::mem::take(&mut state.waiting) {
            if wanted(&request) {
                taken.push(request);
            } else {
                rest.push_back(request);
            }
        }
        state.waiting = rest;
        taken
    }

    /// Waits until something is in the line, the line is closed, or somebody nudges; at most `timeout`. False if the
    /// time ran out.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let state = self.lock();
        let idle = |state: &mut State| {
            state.sleeps = state.waiting.is_empty() && state.closed.is_none() && !state.nudged;
            state.sleeps
        };
        let (mut state, result) =
            self.changed.wait_timeout_while(state, timeout, idle).unwrap_or_else(PoisonError::into_inner);
        state.sleeps = false;
        state.nudged = false;
        !result.timed_out()
    }

    /// Waits until somebody nudges, at most `timeout`.
    pub(crate) fn wait_for_nudge(&self, timeout: Duration) {
        let state = self.lock();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| !state.nudged)
            .unwrap_or_else(PoisonError::into_inner);
        state.nudged = false;
    }

    /// Lets the writer look again.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True if an append of `waiting` publishes for `client` outside of a session, and so will be decided.
fn settles(waiting: &VecDeque<Request>, client: &ClientKey) -> bool {
    waiting.iter().any(|request| match request {
        Request::Append { batch, .. } => {
            batch.iter().any(|publish| publish.session.is_none() && publish.client == *client)
        }
        Request::Open { client: other, .. } => other == client,
        Request::Trim { .. } | Request::ChangeUser { .. } | Request::IsDecided { .. } => false,
    })
}

/// The largest row of a user, in bytes, about. Source: its limits.
const USER_BYTES_MAX: usize = 3 * PROFILE_TEXT_BYTES_MAX + BLOCKED_MAX * USER_ID_BYTES_MAX;
