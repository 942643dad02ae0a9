//! What a session says and hears in passing: signals, and the profiles of those with whom its user shares a room.

use std::collections::VecDeque;
use std::sync::Arc;

use super::action::{Action, Ask};
use super::frame::{ServerFrame, Signal};
use super::machine::error_frame;
use crate::engine::Passing;
use crate::id::RoomId;
use crate::limits::SIGNALS_WAITING_MAX;
use crate::publish::Refusal;
use crate::store::StoreError;

/// Both directions. Bounded, and whatever is too much is dropped.
#[derive(Debug, Default)]
pub(super) struct InPassing {
    heard: Passing,
    /// Signals of the client that were not answered yet, the waiting ones among them.
    said: usize,
    /// Those of them about which the engine was asked.
    asked: usize,
    /// What waits for an answer to the signals before it, and the signals that came behind that, in their order.
    behind: VecDeque<Ask>,
}

impl InPassing {
    /// Takes a signal from the wire.
    pub(super) fn say(&mut self, signal: Signal, out: &mut VecDeque<Action>) {
        if self.said < SIGNALS_WAITING_MAX {
            self.said += 1;
            self.behind.push_back(Ask::Signal(Box::new(signal)));
            self.advance(out);
        }
    }

    /// Takes the answer to a signal. Where the room could not be looked up it is dropped, as anything may drop it.
    pub(super) fn said(
        &mut self,
        answer: Result<Result<(), Refusal>, StoreError>,
        out: &mut VecDeque<Action>,
    ) {
        self.said -= 1;
        self.asked -= 1;
        self.advance(out);
        if let Ok(Err(refusal)) = answer {
            out.push_back(Action::Send(error_frame(None, refusal)));
        }
    }

    /// Asks what tells the client by its answer that the signals before it were taken: a client that leaves takes with it
    /// what was not. It does not wait for those behind it.
    pub(super) fn ask_behind(&mut self, ask: Ask, out: &mut VecDeque<Action>) {
        self.behind.push_back(ask);
        self.advance(out);
    }

    /// Asks what need not wait any longer.
    fn advance(&mut self, out: &mut VecDeque<Action>) {
        while let Some(next) = self.behind.front() {
            match next {
                Ask::Signal(_) => self.asked += 1,
                _ if self.asked > 0 => return,
                _ => {}
            }
            out.extend(self.behind.pop_front().map(Action::Ask));
        }
        // Most sessions say nothing: no buffer waits for the next.
        self.behind = VecDeque::new();
    }

    /// Takes what others have said.
    pub(super) fn hear(&mut self, passing: Passing) {
        self.heard.append(passing);
    }

    /// True if something waits to be sent: as a rule not, and this is asked often.
    pub(super) const fn has_heard(&self) -> bool {
        !self.heard.is_empty()
    }

    /// The next frame to be sent: what is said in a room is for those who are there when it is sent.
    pub(super) fn next(&mut self, is_present: impl Fn(&RoomId) -> bool) -> Option<ServerFrame> {
        while let Some(frame) = self.heard.pop() {
            let is_wanted = match &*frame {
                ServerFrame::Signal(signal) => is_present(&signal.room),
                _ => true,
            };
            if is_wanted {
                return Some(Arc::unwrap_or_clone(frame));
            }
        }
        None
    }
}
