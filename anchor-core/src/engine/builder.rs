//! How an engine is put together.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::sessions::Sessions;
use super::tails::Tails;
use super::{Anchor, Ear, Engine, failure};
use crate::bus::{Bus, BusListener, LocalBus};
use crate::environment::Environment;
use crate::limits::HEARTBEAT;
use crate::publish::MissingRoom;
use crate::store::{CommitObserver, Store};

/// Collects the parts of an [`Anchor`].
#[derive(Debug)]
pub struct AnchorBuilder {
    store: Arc<dyn Store>,
    env: Arc<dyn Environment>,
    bus: Arc<dyn Bus>,
    missing_room: MissingRoom,
    heartbeat: Duration,
}

impl AnchorBuilder {
    pub(crate) fn new(store: Arc<dyn Store>, env: Arc<dyn Environment>) -> Self {
        let missing_room = MissingRoom::Create;
        Self { store, env, bus: LocalBus.into(), missing_room, heartbeat: HEARTBEAT }
    }

    /// Tells other nodes over `bus`. Default: this process is the only node.
    #[must_use]
    pub fn bus(mut self, bus: impl Bus) -> Self {
        self.bus = Arc::new(bus);
        self
    }

    /// What a publish to a room without events does. Default: the room comes into being.
    #[must_use]
    pub const fn missing_room(mut self, missing_room: MissingRoom) -> Self {
        self.missing_room = missing_room;
        self
    }

    /// Silence after which either side of a session says that it is there. Default: [`HEARTBEAT`].
    #[must_use]
    pub const fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// The engine. It observes the store's commits from here on.
    #[must_use]
    pub fn build(self) -> Anchor {
        let Self { store, env, bus, missing_room, heartbeat } = self;
        let (tails, sessions) = (Tails::new(bus.clone()), Sessions::default());
        let (sender, failed) = failure();
        let ear = Arc::new(Ear {
            tails: tails.clone(),
            sessions: sessions.clone(),
            bus: bus.clone(),
            env: env.clone(),
            failed: Mutex::new(Some(sender)),
        });
        let listener: Arc<dyn BusListener> = ear.clone();
        bus.attach(Arc::downgrade(&listener));
        let observer: Arc<dyn CommitObserver> = ear;
        store.observe(observer);
        let heads_known_at = AtomicU64::new(env.unix_ms());
        Anchor(Arc::new(Engine {
            store,
            bus,
            env,
            missing_room,
            heartbeat,
            tails,
            sessions,
            heads_known_at,
            failed,
        }))
    }
}
