//! Publishes whose numbers follow from what they answer: whoever sends one again, after whatever crash, sends the same one.
//!
//! One at a time is under way, and nothing of the outbox beside it: an answer of the server names a seq and no id. They take
//! turns, so that neither waits for ever.

use std::collections::VecDeque;

use anchor_core::code::Code;
use anchor_core::publish::{Ack, Refusal};
use anchor_core::session::frame::{ClientFrame, PublishFrame};

use super::action::{Action, Output};
use crate::client::command::{Answer, Waiter};
use crate::client::error::RequestError;

/// The answers that are not settled, in the order of the calls.
#[derive(Debug, Default)]
pub(super) struct Answering {
    waiting: VecDeque<(PublishFrame, Waiter)>,
    /// The first of them is sent.
    is_sent: bool,
    /// One was settled since the outbox had its turn.
    is_outbox_next: bool,
}

impl Answering {
    pub(super) fn ask(&mut self, publish: PublishFrame, waiter: Waiter) {
        self.waiting.push_back((publish, waiter));
    }

    /// True if the outbox may send now: nothing is under way here, and nothing waits or it is the outbox's turn, which this
    /// takes.
    pub(super) fn gives_way(&mut self) -> bool {
        !self.is_sent && (std::mem::take(&mut self.is_outbox_next) || self.waiting.is_empty())
    }

    /// Sends the next; only while there is a session, and nothing of the outbox without an answer.
    pub(super) fn pump(&mut self, out: &mut Output) {
        if let (Some((publish, _)), false) = (self.waiting.front(), self.is_sent) {
            self.is_sent = true;
            out.send(ClientFrame::Publish(publish.clone()));
        }
    }

    /// An ack of the server; given back if it is none of these.
    pub(super) fn acked(&mut self, ack: Ack, out: &mut Output) -> Option<Ack> {
        match self.take() {
            Some(waiter) => {
                out.act(Action::Answer(waiter, Ok(Answer::Answered(Some(ack)))));
                None
            }
            None => Some(ack),
        }
    }

    /// A refusal of the server; given back if it is none of these.
    pub(super) fn refused(&mut self, refusal: Refusal, out: &mut Output) -> Option<Refusal> {
        let Some(waiter) = self.take() else { return Some(refusal) };
        out.act(Action::Answer(
            waiter,
            match refusal.code {
                // Another was given, or given up, before this one.
                Code::SeqForgotten | Code::SeqSkipped | Code::SeqConflict => Ok(Answer::Answered(None)),
                code => Err(RequestError::Refused { code, message: refusal.message }),
            },
        ));
        None
    }

    /// The connection is gone: what was under way is sent again.
    pub(super) fn disconnected(&mut self) {
        self.is_sent = false;
    }

    pub(super) fn fail_all(&mut self, error: &RequestError, out: &mut Output) {
        self.is_sent = false;
        for (_, waiter) in self.waiting.drain(..) {
            out.act(Action::Answer(waiter, Err(error.clone())));
        }
    }

    /// Who waits for the one that was sent.
    fn take(&mut self) -> Option<Waiter> {
        if !std::mem::take(&mut self.is_sent) {
            return None;
        }
        self.is_outbox_next = true;
        self.waiting.pop_front().map(|(_, waiter)| waiter)
    }
}
