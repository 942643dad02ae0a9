//! A bus of several nodes in one process, whose messages a test may hold, lose, repeat and reorder.
//!
//! Together with [`crate::memory::MemoryStore::node`] it makes a cluster that fits in a test.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;

use crate::bus::{Bus, BusListener};
use crate::id::RoomId;
use crate::run::Run;

/// What the nodes hang on. Clones are the same hub; messages are heard at once until [`Hub::hold`].
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<State>>);

/// One node's bus. Clones are the same node.
#[derive(Clone)]
pub struct HubBus {
    hub: Hub,
    node: usize,
}

#[derive(Default)]
struct State {
    nodes: Vec<Node>,
    holding: bool,
    held: Vec<Message>,
}

#[derive(Default)]
struct Node {
    listener: Option<Weak<dyn BusListener>>,
    joined: BTreeSet<RoomId>,
}

#[derive(Clone)]
struct Message {
    from: usize,
    run: Run,
}

impl Hub {
    /// A hub without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more node.
    #[must_use]
    pub fn node(&self) -> HubBus {
        let mut state = self.state();
        state.nodes.push(Node::default());
        HubBus { hub: self.clone(), node: state.nodes.len() - 1 }
    }

    /// Holds every message from now on.
    pub fn hold(&self) {
        self.state().holding = true;
    }

    /// The messages that are held, oldest first.
    #[must_use]
    pub fn held(&self) -> Vec<Run> {
        self.state().held.iter().map(|message| message.run.clone()).collect()
    }

    /// Delivers the held message at this index, and keeps it: it may come again.
    ///
    /// # Panics
    /// If no such message is held.
    pub fn repeat(&self, index: usize) {
        let message = self.state().held[index].clone();
        self.deliver_message(&message);
    }

    /// Delivers the held message at this index.
    ///
    /// # Panics
    /// If no such message is held.
    pub fn deliver(&self, index: usize) {
        let message = self.state().held.remove(index);
        self.deliver_message(&message);
    }

    /// Loses the held message at this index.
    ///
    /// # Panics
    /// If no such message is held.
    pub fn lose(&self, index: usize) {
        self.state().held.remove(index);
    }

    /// Delivers everything that is held, in order, and holds nothing more.
    pub fn release_all(&self) {
        let held = {
            let mut state = self.state();
            state.holding = false;
            std::mem::take(&mut state.held)
        };
        held.iter().for_each(|message| self.deliver_message(message));
    }

    /// Loses everything that is held, and tells every node that it may have missed something.
    pub fn interrupt(&self) {
        let listeners: Vec<_> = {
            let mut state = self.state();
            state.held.clear();
            state.nodes.iter().filter_map(Node::listener).collect()
        };
        listeners.iter().for_each(|listener| listener.interrupted());
    }

    /// Hands a message to whom it concerns, without the lock: a listener may call back.
    fn deliver_message(&self, message: &Message) {
        let listeners: Vec<_> = {
            let state = self.state();
            let others = state.nodes.iter().enumerate().filter(|(node, _)| *node != message.from);
            let joined = others.filter(|(_, node)| node.joined.contains(message.run.room()));
            joined.filter_map(|(_, node)| node.listener()).collect()
        };
        listeners.iter().for_each(|listener| listener.heard(&message.run));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn listener(&self) -> Option<Arc<dyn BusListener>> {
        self.listener.as_ref().and_then(Weak::upgrade)
    }
}

#[async_trait]
impl Bus for HubBus {
    fn attach(&self, listener: Weak<dyn BusListener>) {
        self.hub.state().nodes[self.node].listener = Some(listener);
    }

    async fn join(&self, room: &RoomId) {
        self.hub.state().nodes[self.node].joined.insert(room.clone());
    }

    fn leave(&self, room: &RoomId) {
        self.hub.state().nodes[self.node].joined.remove(room);
    }

    fn publish(&self, run: &Run) {
        let message = Message { from: self.node, run: run.clone() };
        {
            let mut state = self.hub.state();
            if state.holding {
                state.held.push(message);
                return;
            }
        }
        self.hub.deliver_message(&message);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let (nodes, held) = (state.nodes.len(), state.held.len());
        drop(state);
        f.debug_struct("Hub").field("nodes", &nodes).field("held", &held).finish()
    }
}

impl fmt::Debug for HubBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubBus").field("node", &self.node).finish_non_exhaustive()
    }
}
