//! A client that publishes: its seqs, from due to answered.

use std::collections::VecDeque;

use anchor_core::limits::WINDOW;

use crate::command::bench::net::Nanos;

/// One who publishes into one room.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) room: usize,
    /// The seq of the newest message that was sent.
    number: u64,
    /// From the lowest unanswered on: when each was due, and whether it was answered.
    sent: VecDeque<(Nanos, bool)>,
    /// Due, and not sent because the window is full.
    waiting: VecDeque<Nanos>,
    /// On their way, as the plan counts it.
    busy: usize,
}

/// A message to be sent now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) number: u64,
    /// The lowest seq that was not answered.
    pub(super) waits: u64,
    pub(super) due: Nanos,
}

impl Author {
    pub(super) const fn new(room: usize) -> Self {
        Self { room, number: 0, sent: VecDeque::new(), waiting: VecDeque::new(), busy: 0 }
    }

    /// A message is due.
    pub(super) fn due(&mut self, at: Nanos) {
        self.waiting.push_back(at);
        self.busy += 1;
    }

    /// The next message that the window lets go.
    pub(super) fn send(&mut self) -> Option<Sent> {
        let due = match self.sent.len() < WINDOW {
            true => self.waiting.pop_front()?,
            false => return None,
        };
        self.number += 1;
        self.sent.push_back((due, false));
        Some(Sent { number: self.number, waits: self.lowest(), due })
    }

    /// A message was answered: when it was due; `None` if no such message waits for an answer.
    pub(super) fn answered(&mut self, seq: u64) -> Option<Nanos> {
        let at = usize::try_from(seq.checked_sub(self.lowest())?).ok()?;
        let (due, is_answered) = self.sent.get_mut(at)?;
        if std::mem::replace(is_answered, true) {
            return None;
        }
        let due = *due;
        while self.sent.front().is_some_and(|(_, is_answered)| *is_answered) {
            self.sent.pop_front();
        }
        Some(due)
    }

    /// A message is no more on its way.
    pub(super) const fn done(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// Messages on their way.
    pub(super) const fn busy(&self) -> usize {
        self.busy
    }

    /// The seq of the newest message that was sent.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Messages that were sent or are due.
    pub(super) fn numbers_taken(&self) -> u64 {
        self.number + self.waiting.len() as u64
    }

    /// The lowest seq that was not answered.
    fn lowest(&self) -> u64 {
        self.number + 1 - self.sent.len() as u64
    }
}

#[cfg(test)]
mod tests;
