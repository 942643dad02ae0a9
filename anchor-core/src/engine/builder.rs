//! How an engine is put together.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;

use super::consumers::Consumers;
use super::due::Due;
use super::ear::Ear;
use super::errands::Errands;
use super::hook::{Hook, HookFailure, Hooked};
use super::receipts::Moves;
use super::sessions::Sessions;
use super::tails::Tails;
use super::watched::Watched;
use super::{Anchor, Engine};
use crate::bus::{Bus, BusListener, LocalBus};
use crate::environment::Environment;
use crate::limits::{HEARTBEAT, HOOK_WITHIN, RECEIPTS_MEMBERS_LIMIT, RECEIPTS_MEMBERS_MAX};
use crate::publish::MissingRoom;
use crate::search::Search;
use crate::store::{CommitObserver, Store};
use crate::webhooks::Webhooks;

/// Collects the parts of an [`Anchor`].
#[derive(Debug)]
pub struct AnchorBuilder {
    store: Arc<dyn Store>,
    env: Arc<dyn Environment>,
    bus: Arc<dyn Bus>,
    missing_room: MissingRoom,
    heartbeat: Duration,
    hook: Option<Arc<dyn Hook>>,
    hook_within: Duration,
    hook_failure: HookFailure,
    search: Option<Arc<dyn Search>>,
    own_logs: bool,
    receipts_members_max: usize,
    webhooks: Option<Arc<dyn Webhooks>>,
}

impl AnchorBuilder {
    pub(crate) fn new(store: Arc<dyn Store>, env: Arc<dyn Environment>) -> Self {
        Self {
            store,
            env,
            bus: LocalBus.into(),
            missing_room: MissingRoom::Create,
            heartbeat: HEARTBEAT,
            hook: None,
            hook_within: HOOK_WITHIN,
            hook_failure: HookFailure::default(),
            search: None,
            own_logs: true,
            receipts_members_max: RECEIPTS_MEMBERS_MAX,
            webhooks: None,
        }
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

    /// Has `hook` rule on every publish before it is appended. Default: the rules of the rooms alone decide.
    #[must_use]
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// How long the hook may take for one publish. Default: [`HOOK_WITHIN`].
    #[must_use]
    pub const fn hook_within(mut self, within: Duration) -> Self {
        self.hook_within = within;
        self
    }

    /// What becomes of a publish about which the hook could not rule. Default: it is refused.
    #[must_use]
    pub const fn hook_failure(mut self, failure: HookFailure) -> Self {
        self.hook_failure = failure;
        self
    }

    /// Has `index` answer what is searched for. Default: nothing can be, [`Anchor::search`] is refused.
    #[must_use]
    pub fn search(mut self, index: Arc<dyn Search>) -> Self {
        self.search = Some(index);
        self
    }

    /// Has no users' own logs derived ([`crate::id::RoomId::own_log`]): for hosts that tell mentions in ways of their own. Default:
    /// [`Anchor::maintain`] derives them.
    #[must_use]
    pub const fn without_own_logs(mut self) -> Self {
        self.own_logs = false;
        self
    }

    /// Members of a room beyond which nobody is told one by one who has read and who is there: they are counted, and `delivered`
    /// is not kept. Zero counts in all rooms; more than [`RECEIPTS_MEMBERS_LIMIT`] is cut to it. Default:
    /// [`RECEIPTS_MEMBERS_MAX`].
    #[must_use]
    pub fn receipts_members_max(mut self, members: usize) -> Self {
        self.receipts_members_max = members.min(RECEIPTS_MEMBERS_LIMIT);
        self
    }

    /// Has `webhooks` answer what admins ask about webhooks. Default: there are none.
    #[must_use]
    pub fn webhooks(mut self, webhooks: Arc<dyn Webhooks>) -> Self {
        self.webhooks = Some(webhooks);
        self
    }

    /// The engine. It observes the store's commits from here on.
    #[must_use]
    pub fn build(self) -> Anchor {
        let Self {
            store,
            env,
            bus,
            missing_room,
            heartbeat,
            hook,
            hook_within,
            hook_failure,
            search,
            own_logs,
            receipts_members_max,
            webhooks,
        } = self;
        let hooked = hook.map(|hook| Hooked { hook, within: hook_within, on_failure: hook_failure });
        let consumers = Consumers::default();
        let (tails, due) = (Tails::new(bus.clone()), Arc::new(Due::default()));
        let sessions = Sessions::new(env.clone(), due.clone());
        let watched = Watched::new(env.clone(), due.clone(), receipts_members_max);
        let (sender, failed) = oneshot::channel();
        let ear = Arc::new(Ear {
            tails: tails.clone(),
            sessions: sessions.clone(),
            consumers: consumers.clone(),
            watched: watched.clone(),
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
            hooked,
            search,
            webhooks,
            rulings: Arc::default(),
            tails,
            sessions,
            errands: Errands::default(),
            consumers,
            own_logs,
            moves: Moves::default(),
            watched,
            due,
            heads_known_at,
            failed: failed.shared(),
        }))
    }
}
