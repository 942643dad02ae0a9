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
    /// Signals of the client about which the engine has yet to answer.
    said: usize,
    /// What is asked once it has.
    behind: VecDeque<Action>,
}

impl InPassing {
    /// Takes a signal from the wire.
    pub(super) fn say(&mut self, signal: Signal, out: &mut VecDeque<Action>) {
        if self.said < SIGNALS_WAITING_MAX {
            self.said += 1;
            out.push_back(Action::Ask(Ask::Signal(Box::new(signal))));
        }
    }

    /// Takes the answer to a signal. Where the room could not be looked up it is dropped, as anything may drop it.
    pub(super) fn said(
        &mut self,
        answer: Result<Result<(), Refusal>, StoreError>,
        out: &mut VecDeque<Action>,
    ) {
        self.said -= 1;
        if self.said == 0 {
            out.append(&mut self.behind);
        }
        if let Ok(Err(refusal)) = answer {
            out.push_back(Action::Send(error_frame(None, refusal)));
        }
    }

    /// Where that goes whose answer tells the client that its signals before it were taken: a client that leaves takes with
    /// it what was not.
    pub(super) fn behind_said<'a>(&'a mut self, out: &'a mut VecDeque<Action>) -> &'a mut VecDeque<Action> {
        if self.said == 0 { out } else { &mut self.behind }
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
