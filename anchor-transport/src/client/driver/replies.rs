//! Who waits for what: the machine knows tokens, this knows the channels behind them.

use std::collections::BTreeMap;

use anchor_core::id::Seq;
use anchor_core::publish::Ack;
use tokio::sync::oneshot;

use crate::client::command::{Answer, Waiter};
use crate::client::error::{PublishError, RequestError};

/// The channels of everybody who waits. A caller that has gone away is no error. Ordered, so that a driver that ends wakes
/// whoever still waits in the order of their calls.
#[derive(Debug, Default)]
pub(super) struct Replies {
    newest: u64,
    queued: BTreeMap<Waiter, oneshot::Sender<Result<Seq, PublishError>>>,
    settled: BTreeMap<Waiter, oneshot::Sender<Result<Ack, PublishError>>>,
    requests: BTreeMap<Waiter, oneshot::Sender<Result<Answer, RequestError>>>,
    saves: BTreeMap<Waiter, oneshot::Sender<Result<(), RequestError>>>,
}

impl Replies {
    pub(super) fn publish(
        &mut self,
        queued: oneshot::Sender<Result<Seq, PublishError>>,
        settled: oneshot::Sender<Result<Ack, PublishError>>,
    ) -> Waiter {
        let waiter = self.waiter();
        self.queued.insert(waiter, queued);
        self.settled.insert(waiter, settled);
        waiter
    }

    pub(super) fn request(&mut self, reply: oneshot::Sender<Result<Answer, RequestError>>) -> Waiter {
        let waiter = self.waiter();
        self.requests.insert(waiter, reply);
        waiter
    }

    pub(super) fn save(&mut self, saved: oneshot::Sender<Result<(), RequestError>>) -> Waiter {
        let waiter = self.waiter();
        self.saves.insert(waiter, saved);
        waiter
    }

    pub(super) fn queued(&mut self, waiter: Waiter, result: Result<Seq, PublishError>) {
        if result.is_err() {
            self.settled.remove(&waiter);
        }
        if let Some(queued) = self.queued.remove(&waiter) {
            let _ = queued.send(result);
        }
    }

    pub(super) fn settled(&mut self, waiter: Waiter, result: Result<Ack, PublishError>) {
        if let Some(settled) = self.settled.remove(&waiter) {
            let _ = settled.send(result);
        }
    }

    pub(super) fn answer(&mut self, waiter: Waiter, result: Result<Answer, RequestError>) {
        if let Some(reply) = self.requests.remove(&waiter) {
            let _ = reply.send(result);
        }
    }

    pub(super) fn saved(&mut self, waiter: Waiter, result: Result<(), RequestError>) {
        if let Some(saved) = self.saves.remove(&waiter) {
            let _ = saved.send(result);
        }
    }

    const fn waiter(&mut self) -> Waiter {
        self.newest += 1;
        Waiter(self.newest)
    }
}
