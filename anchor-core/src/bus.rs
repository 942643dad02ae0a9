//! The wake-up half between nodes. Correctness never rests on it: a lost, repeated or reordered message costs latency.

use std::fmt::Debug;
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use crate::id::RoomId;
use crate::run::Run;

/// Carries news of commits from node to node.
///
/// What a node publishes is heard by every other node that has joined the room, once, not at all, twice, or late; never
/// by itself. [`crate::conformance::bus`] is the executable meaning of this page.
#[async_trait]
pub trait Bus: Debug + Send + Sync + 'static {
    /// Hands every message from other nodes to `listener`, as long as that lives. One listener for a node; a later one
    /// replaces it.
    fn attach(&self, listener: Weak<dyn BusListener>);

    /// Begins to receive the messages of a room; returns once that is confirmed, so that a head read afterwards misses
    /// nothing. Joining twice is joining once.
    async fn join(&self, room: &RoomId);

    /// Ends what [`Bus::join`] began, be it once or twice; messages on their way may still be heard. Leaving a room that
    /// was not joined changes nothing.
    fn leave(&self, room: &RoomId);

    /// Tells the other nodes of a commit. Never blocks; may lose.
    fn publish(&self, run: &Run);
}

/// Gets what a [`Bus`] brings.
pub trait BusListener: Debug + Send + Sync {
    /// Another node committed this run, maybe long ago, maybe told before.
    fn heard(&self, run: &Run);

    /// Messages may have been lost: heads must be read from the store.
    fn interrupted(&self);
}

/// The bus of a process that is the only node: nobody else is there to be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalBus;

#[async_trait]
impl Bus for LocalBus {
    fn attach(&self, _listener: Weak<dyn BusListener>) {}

    async fn join(&self, _room: &RoomId) {}

    fn leave(&self, _room: &RoomId) {}

    fn publish(&self, _run: &Run) {}
}

impl From<LocalBus> for Arc<dyn Bus> {
    fn from(bus: LocalBus) -> Self {
        Arc::new(bus)
    }
}
