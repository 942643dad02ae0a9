//! What the machine wants done, in the order in which it must be done.

use std::collections::VecDeque;

use anchor_core::id::{RoomId, Seq, UserId};
use anchor_core::position::Position;
use anchor_core::publish::Ack;
use anchor_core::session::frame::{ClientFrame, Signal};
use anchor_core::user::Profile;

use crate::client::answer::ReadTo;
use crate::client::command::{Answer, SubscriptionId, Waiter, WatchId};
use crate::client::error::{PublishError, RequestError};
use crate::client::notice::{ConnectionState, Notice};
use crate::client::outbox::Change;
use crate::client::subscription::Delivery;
use crate::client::watched::Told;

/// One thing for the driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::client) enum Action {
    /// Make a connection; answer with `handle_connected` or `handle_disconnected`.
    Dial,
    /// Drop the connection, or the attempt at one, and what was not yet written to it. No answer.
    HangUp,
    /// Send a frame on the connection.
    Send(ClientFrame),
    /// Make changes durable, in one piece; answer with `handle_saved`. Numbers rise by one.
    Save {
        /// The number of this write.
        write: u64,
        /// What changes.
        changes: Vec<Change>,
    },
    /// Hand a delivery to a subscription.
    Deliver(SubscriptionId, Delivery),
    /// Nothing more comes for a subscription.
    End(SubscriptionId),
    /// Tell who published that the entry is durable, or was not taken.
    Queued(Waiter, Result<Seq, PublishError>),
    /// Tell who published what became of it.
    Settled(Waiter, Result<Ack, PublishError>),
    /// Answer a request.
    Answer(Waiter, Result<Answer, RequestError>),
    /// Tell who saved a cursor, or decided about an undecided publish, that this is durable.
    Saved(Waiter, Result<(), RequestError>),
    /// So many publishes are unanswered now.
    Pending(usize),
    /// So many places in the outbox are free again.
    Release(usize),
    /// Everything subscribed was complete at this time, in milliseconds since the Unix epoch.
    Current(u64),
    /// The connection stands otherwise now.
    State(ConnectionState),
    /// Tell the application.
    Notice(Notice),
    /// Tell whoever listens what somebody said in passing.
    Signal(Signal),
    /// Tell whoever listens that somebody has another profile.
    Profile(UserId, Profile),
    /// Tell whoever listens how far the user has read.
    Reading(ReadTo),
    /// Tell who watches a room how it stands, or that it is over.
    Watched(WatchId, Told),
}

/// Where the parts of the machine put what they want done.
#[derive(Debug)]
pub(super) struct Output {
    actions: VecDeque<Action>,
    changes: Vec<Change>,
    write: u64,
    has_sent: bool,
}

impl Output {
    pub(super) const fn new() -> Self {
        Self { actions: VecDeque::new(), changes: Vec::new(), write: 1, has_sent: false }
    }

    /// Adds an action.
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Sends a frame.
    pub(super) fn send(&mut self, frame: ClientFrame) {
        self.has_sent = true;
        self.act(Action::Send(frame));
    }

    /// Whether a frame was sent since this was asked last.
    pub(super) const fn take_has_sent(&mut self) -> bool {
        std::mem::replace(&mut self.has_sent, false)
    }

    /// Adds a change to the write that is being collected; gives its number.
    pub(super) fn change(&mut self, change: Change) -> u64 {
        self.changes.push(change);
        self.write
    }

    /// The next action; what changed comes as one write, behind what was said before.
    pub(super) fn poll(&mut self) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        if self.changes.is_empty() {
            return None;
        }
        let write = self.write;
        self.write += 1;
        Some(Action::Save { write, changes: std::mem::take(&mut self.changes) })
    }
}

/// Where a room's log was seen to reach: a lower bound for what is published into it from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Learnt {
    /// Which room.
    pub room: RoomId,
    /// The newest position known.
    pub position: Position,
}
