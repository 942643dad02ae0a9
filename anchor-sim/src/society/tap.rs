//! Where the ledger gets what it knows: at the store, before anybody else hears of it.

use std::sync::Arc;
use std::time::Duration;

use anchor_core::id::RoomId;
use anchor_core::run::Run;
use anchor_core::store::CommitObserver;

use super::{Society, is_watched};

/// An observer that lets the ledger know first.
#[derive(Debug)]
pub struct Tap {
    society: Society,
    observer: Arc<dyn CommitObserver>,
}

impl Tap {
    /// Tells `observer` of everything, after `society`.
    #[must_use]
    pub fn new(society: Society, observer: Arc<dyn CommitObserver>) -> Self {
        Self { society, observer }
    }
}

impl CommitObserver for Tap {
    fn committed(&self, runs: &[Run]) {
        let now = self.society.0.kernel.now();
        for run in runs.iter().filter(|run| is_watched(run.room())) {
            self.society.inner().ledger.take(run, Some(now));
        }
        self.observer.committed(runs);
    }

    fn deleted(&self, room: &RoomId) {
        if is_watched(room) {
            let now = self.society.0.kernel.now();
            self.society.inner().ledger.delete(room, now);
        }
        self.observer.deleted(room);
    }

    fn failed(&self) {
        self.observer.failed();
    }
}

impl Society {
    /// A store that was asked at `asked_at` gives `runs`.
    pub fn gives(&self, runs: &[Run], asked_at: Duration) {
        for run in runs.iter().filter(|run| is_watched(run.room())) {
            self.inner().ledger.take(run, None);
            for event in run.events() {
                let event = event.expect("what a store gives is an event");
                if event.body.is_some() {
                    self.read(run.room(), run.epoch(), event.offset, asked_at);
                }
            }
        }
    }
}
