//! What is said to a session in passing: signals, profiles. Nothing of it is stored, and it is in nobody's way: where more
//! comes than is taken, the oldest is dropped.

use std::collections::VecDeque;
use std::sync::Arc;

use super::profiles::Introduction;
use crate::limits::SIGNALS_WAITING_MAX;
use crate::session::frame::ServerFrame;

/// What waits for a session; most sessions have nothing, and pay for a pointer.
#[derive(Debug, Default)]
pub struct Passing(Option<Box<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// The oldest first.
    frames: VecDeque<Arc<ServerFrame>>,
    /// The newest of the session's own user.
    introduction: Option<Arc<Introduction>>,
}

impl Passing {
    /// Adds a frame; where there are too many, the oldest goes.
    pub fn push(&mut self, frame: Arc<ServerFrame>) {
        let frames = &mut self.0.get_or_insert_default().frames;
        if frames.len() >= SIGNALS_WAITING_MAX {
            frames.pop_front();
        }
        frames.push_back(frame);
    }

    /// Has the session introduce its user in its rooms, by a profile that is newer than what else it was to tell there.
    pub(super) fn introduce(&mut self, introduction: Arc<Introduction>) {
        self.0.get_or_insert_default().introduction = Some(introduction);
    }

    /// Adds all of `later`.
    pub fn append(&mut self, later: Self) {
        match (&self.0, later.0) {
            (_, None) => {}
            (None, later) => self.0 = later,
            (Some(_), Some(later)) => {
                later.frames.into_iter().for_each(|frame| self.push(frame));
                later.introduction.into_iter().for_each(|introduction| self.introduce(introduction));
            }
        }
    }

    /// Takes the oldest frame.
    pub fn pop(&mut self) -> Option<Arc<ServerFrame>> {
        let frame = self.0.as_mut()?.frames.pop_front();
        self.shrink();
        frame
    }

    /// Takes what the session's user is to be introduced by.
    pub fn take_introduction(&mut self) -> Option<Arc<Introduction>> {
        let introduction = self.0.as_mut()?.introduction.take();
        self.shrink();
        introduction
    }

    /// True if there is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn shrink(&mut self) {
        if self.0.as_ref().is_some_and(|left| left.frames.is_empty() && left.introduction.is_none()) {
            self.0 = None;
        }
    }
}
