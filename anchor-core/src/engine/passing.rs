//! What is said to a session in passing: signals, profiles. Nothing of it is stored, and it is in nobody's way: where more
//! comes than is taken, the oldest is dropped.
//!
//! How far its user has come goes the same way, and waits as one receipt for each room, the newest; and which of the rooms that
//! it watches have news.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use super::mailbox::Slot;
use super::profiles::Introduction;
use crate::id::RoomId;
use crate::limits::{ROOMS_MAX, SIGNALS_WAITING_MAX};
use crate::session::frame::{Receipt, ServerFrame};

/// What waits for a session; most sessions have nothing, and pay for a pointer.
#[derive(Debug, Default)]
pub struct Passing(Option<Box<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// The oldest first.
    frames: VecDeque<Arc<ServerFrame>>,
    /// The newest of the session's own user.
    introduction: Option<Arc<Introduction>>,
    /// The newest of the session's own user for each room.
    receipts: BTreeMap<RoomId, Receipt>,
    /// Watched rooms that have news.
    watched: SmallVec<[Slot; 2]>,
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

    /// Tells how far the session's user has come in a room, instead of what was told before and not taken.
    pub(super) fn receipt(&mut self, room: RoomId, receipt: Receipt) {
        let receipts = &mut self.0.get_or_insert_default().receipts;
        // Who takes so little learns it when it comes back.
        if receipts.len() < ROOMS_MAX || receipts.contains_key(&room) {
            receipts.insert(room, receipt);
        }
    }

    /// Has the session look at a room that it watches.
    pub(super) fn look(&mut self, slot: Slot) {
        self.0.get_or_insert_default().watched.push(slot);
    }

    /// Adds all of `later`.
    pub fn append(&mut self, later: Self) {
        match (&self.0, later.0) {
            (_, None) => {}
            (None, later) => self.0 = later,
            (Some(_), Some(later)) => {
                later.frames.into_iter().for_each(|frame| self.push(frame));
                later.introduction.into_iter().for_each(|introduction| self.introduce(introduction));
                later.receipts.into_iter().for_each(|(room, receipt)| self.receipt(room, receipt));
                later.watched.into_iter().for_each(|slot| self.look(slot));
            }
        }
    }

    /// Takes the oldest frame; where there is none, a receipt.
    pub fn pop(&mut self) -> Option<Arc<ServerFrame>> {
        let waiting = self.0.as_mut()?;
        let receipts = |(room, receipt)| Arc::new(ServerFrame::Receipts { room, receipts: vec![receipt] });
        let frame = waiting.frames.pop_front().or_else(|| waiting.receipts.pop_first().map(receipts));
        self.shrink();
        frame
    }

    /// Takes which watched rooms have news.
    pub fn take_watched(&mut self) -> SmallVec<[Slot; 2]> {
        let watched = self.0.as_mut().map(|waiting| std::mem::take(&mut waiting.watched));
        self.shrink();
        watched.unwrap_or_default()
    }

    /// Forgets how far the user has come, for a session that does not want to know.
    pub fn drop_receipts(&mut self) {
        if let Some(waiting) = &mut self.0 {
            waiting.receipts.clear();
        }
        self.shrink();
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
        let is_empty = |left: &Waiting| {
            let Waiting { frames, introduction, receipts, watched } = left;
            frames.is_empty() && introduction.is_none() && receipts.is_empty() && watched.is_empty()
        };
        if self.0.as_deref().is_some_and(is_empty) {
            self.0 = None;
        }
    }
}
