//! What an engine hears of: the commits of its store, and of others over the bus.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;

use super::consumers::Consumers;
use super::mailbox::Notice;
use super::sessions::Sessions;
use super::tails::Tails;
use super::watched::Watched;
use crate::bus::{Bus, BusListener};
use crate::environment::Environment;
use crate::id::RoomId;
use crate::run::Run;
use crate::store::CommitObserver;

/// The engine's ear at the store and at the bus. Holds no store, so that it may be held by one.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) tails: Tails,
    pub(super) sessions: Sessions,
    pub(super) consumers: Consumers,
    pub(super) watched: Watched,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) env: Arc<dyn Environment>,
    /// Told once, when the store fails for good.
    pub(super) failed: Mutex<Option<oneshot::Sender<()>>>,
}

impl CommitObserver for Ear {
    fn committed(&self, runs: &[Run]) {
        self.tails.push_all(runs, self.env.now());
        self.consumers.committed(runs);
        runs.iter().for_each(|run| self.watched.committed(run));
        runs.iter().for_each(|run| self.bus.publish(run));
    }

    fn deleted(&self, room: &RoomId) {
        if let Some(tail) = self.tails.get(room) {
            tail.distrust();
        }
        self.consumers.deleted(room);
        self.watched.turned(room);
    }

    fn failed(&self) {
        let sender = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            self.sessions.tell_all(Notice::StoreFailed);
            // Nobody may be waiting for it.
            let _ = sender.send(());
        }
    }
}

impl BusListener for Ear {
    fn heard(&self, run: &Run) {
        self.tails.push(run, self.env.now());
        self.consumers.committed(std::slice::from_ref(run));
        self.watched.committed(run);
    }

    fn interrupted(&self) {
        self.tails.all().iter().for_each(|tail| tail.distrust());
        self.watched.all_turned();
    }
}
