//! What is said to a session in passing: signals, profiles. Nothing of it is stored, and it is in nobody's way: where more
//! comes than is taken, the oldest is dropped.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::limits::SIGNALS_WAITING_MAX;
use crate::session::frame::ServerFrame;

/// Frames that wait for a session, the oldest first; most sessions have none, and pay for a pointer.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "most sessions have none, and pay for its pointer alone")]
pub struct Passing(Option<Box<VecDeque<Arc<ServerFrame>>>>);

impl Passing {
    /// Adds a frame; where there are too many, the oldest goes.
    pub fn push(&mut self, frame: Arc<ServerFrame>) {
        let frames = self.0.get_or_insert_default();
        if frames.len() >= SIGNALS_WAITING_MAX {
            frames.pop_front();
        }
        frames.push_back(frame);
    }

    /// Adds all of `later`.
    pub fn append(&mut self, later: Self) {
        match (&self.0, later.0) {
            (_, None) => {}
            (None, later) => self.0 = later,
            (Some(_), Some(later)) => later.into_iter().for_each(|frame| self.push(frame)),
        }
    }

    /// Takes the oldest frame.
    pub fn pop(&mut self) -> Option<Arc<ServerFrame>> {
        let frame = self.0.as_mut()?.pop_front();
        if self.0.as_ref().is_some_and(|frames| frames.is_empty()) {
            self.0 = None;
        }
        frame
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}
