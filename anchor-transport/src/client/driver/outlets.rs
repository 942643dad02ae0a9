//! Where deliveries go: the bounded buffer of each subscription, and what found it full.
//!
//! A subscription that was full is handed more once half of its buffer is free, so that a slow reader is not waited for
//! with each single delivery. What is kept for it meanwhile is bounded by the machine, which is told that it is full and
//! has nothing more delivered to it.

use std::collections::{BTreeMap, VecDeque};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use crate::client::command::SubscriptionId;
use crate::client::subscription::Delivery;

/// The buffers of all subscriptions.
#[derive(Debug, Default)]
pub(super) struct Outlets {
    outlets: BTreeMap<SubscriptionId, Outlet>,
    /// One for each outlet that keeps something: ends when there is room, or nobody reads.
    rooms: FuturesUnordered<BoxFuture<'static, SubscriptionId>>,
}

#[derive(Debug)]
struct Outlet {
    deliveries: mpsc::Sender<Delivery>,
    /// What found it full, in order.
    kept: VecDeque<Delivery>,
    /// Nothing comes behind what is kept.
    has_ended: bool,
}

/// What became of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// Everything is in the subscription's buffer.
    All,
    /// The buffer is full: [`Outlets::next`] tells when there is room.
    Kept,
    /// Nobody reads any more; the outlet is gone.
    ToNobody,
}

impl Outlets {
    /// Adds the buffer of a subscription.
    pub(super) fn open(&mut self, id: SubscriptionId, deliveries: mpsc::Sender<Delivery>) {
        self.outlets.insert(id, Outlet { deliveries, kept: VecDeque::new(), has_ended: false });
    }

    /// Hands a delivery over, or keeps it until there is room. One for a subscription that has ended is dropped.
    pub(super) fn hand(&mut self, id: SubscriptionId, delivery: Delivery) -> Handed {
        let Some(outlet) = self.outlets.get_mut(&id) else { return Handed::All };
        outlet.kept.push_back(delivery);
        match outlet.kept.len() {
            1 => self.hand_kept(id),
            _ => Handed::Kept,
        }
    }

    /// Hands over what is kept.
    pub(super) fn hand_kept(&mut self, id: SubscriptionId) -> Handed {
        let Some(outlet) = self.outlets.get_mut(&id) else { return Handed::All };
        while let Some(delivery) = outlet.kept.pop_front() {
            match outlet.deliveries.try_send(delivery) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(delivery)) => {
                    outlet.kept.push_front(delivery);
                    self.rooms.push(room(id, outlet.deliveries.clone()).boxed());
                    return Handed::Kept;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.outlets.remove(&id);
                    return Handed::ToNobody;
                }
            }
        }
        if outlet.has_ended {
            self.outlets.remove(&id);
        }
        Handed::All
    }

    /// Nothing more comes for a subscription: it ends behind what is kept for it.
    pub(super) fn end(&mut self, id: SubscriptionId) {
        if let Some(outlet) = self.outlets.get_mut(&id) {
            outlet.has_ended = true;
            if outlet.kept.is_empty() {
                self.outlets.remove(&id);
            }
        }
    }

    /// Waits until [`Outlets::hand_kept`] is to be called; for ever if nothing is kept. Cancel-safe.
    pub(super) async fn next(&mut self) -> SubscriptionId {
        match self.rooms.next().await {
            Some(id) => id,
            None => std::future::pending().await,
        }
    }
}

/// Waits until half of a buffer is free, or its reader gone.
async fn room(id: SubscriptionId, deliveries: mpsc::Sender<Delivery>) -> SubscriptionId {
    let half = (deliveries.max_capacity() / 2).max(1);
    drop(deliveries.reserve_many(half).await);
    id
}
