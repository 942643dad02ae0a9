//! All webhooks of a server: started, stopped, listed; each at work on its own.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use anchor_core::code::Code;
use anchor_core::engine::{Anchor, Consumer, ConsumerName, ReadError};
use anchor_core::error::ErrorKind;
use anchor_core::event::{EventKey, EventKind};
use anchor_core::id::RoomId;
use anchor_core::limits::WEBHOOKS_MAX;
use anchor_core::publish::Refusal;
use anchor_core::session::frame::{DeadLetter, WebhookChange, WebhookListing};
use anchor_core::webhooks::Webhooks;
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::consumers::infos;
use crate::dead::DeadLetters;
use crate::failing::Failing;
use crate::keeping::keep_working;
use crate::options::Retry;
use crate::poster::Poster;
use crate::row::{ROWS, Row, name_of};
use crate::sending::Job;
use crate::signature::Secret;
use crate::status::Status;
use crate::target::Target;

/// The webhooks of a server: give it to the engine ([`anchor_core::engine::AnchorBuilder::webhooks`]), then
/// [`WebhookService::start`] it. Clones share.
#[derive(Clone)]
pub struct WebhookService(Arc<Shared>);

struct Shared {
    poster: Poster,
    retry: Retry,
    /// Held while something changes, so that there is one change at a time: on a full disk that may be for long.
    changes: tokio::sync::Mutex<()>,
    /// By name; none before the start and after the stop. Never held while something waits.
    hooks: Mutex<Option<Hooks>>,
}

pub(crate) type Hooks = BTreeMap<ConsumerName, Hook>;

/// A webhook that is set up.
pub(crate) struct Hook {
    /// None if what is kept of it cannot be read.
    pub(crate) row: Option<Row>,
    pub(crate) dead: DeadLetters,
    pub(crate) status: Status,
    pub(crate) worker: Option<Worker>,
}

/// A webhook at work. Dropping it ends it where it stands.
pub(crate) struct Worker {
    pub(crate) job: Arc<Job>,
    /// Says why it was stopped by itself, if it was.
    task: JoinHandle<Option<String>>,
}

impl Worker {
    /// Lets it come to rest, within a bounded time; says why it was stopped by itself, if it was.
    pub(crate) async fn stop(mut self) -> Option<String> {
        self.job.stop.notify_one();
        // It ended in a panic, which the runtime has told of; there is nothing left to stop.
        (&mut self.task).await.ok().flatten()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl WebhookService {
    /// Webhooks that send with `poster`, and repeat as `retry` says.
    #[must_use]
    pub fn new(poster: Poster, retry: Retry) -> Self {
        let (changes, hooks) = (tokio::sync::Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { poster, retry, changes, hooks }))
    }

    /// Puts all webhooks that are kept to work. Needs a tokio runtime, and `anchor` to be the engine that they were given to.
    ///
    /// Nothing is written before it returns: on a full disk each begins to work as soon as there is room.
    ///
    /// # Errors
    /// [`ReadError`] if the store cannot be read; nothing works then.
    pub async fn start(&self, anchor: &Anchor) -> Result<(), ReadError> {
        let _changes = self.0.changes.lock().await;
        let infos = match infos(anchor).await {
            // Whose it is says so itself, when it cannot begin.
            Err(error) if error.kind() == ErrorKind::Corrupt => BTreeMap::new(),
            infos => infos?,
        };
        let mut found = Hooks::new();
        for (key, value) in anchor.store().records(ROWS, None, WEBHOOKS_MAX).await? {
            let Some(name) = name_of(&key) else {
                tracing::error!(key = key.as_str(), "the key of a webhook is damaged: it does not work");
                continue;
            };
            let dead = DeadLetters::load(anchor.store().clone(), name.clone()).await?;
            let row = serde_json::from_slice::<Row>(&value).ok();
            let mut hook = Hook { row, dead, status: Status::default(), worker: None };
            let paused = infos.get(&name).is_some_and(|(paused, _)| *paused);
            self.begin_work(anchor, &name, &mut hook, paused, None);
            found.insert(name, hook);
        }
        *self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(())
    }

    /// Ends all work, in order: what is on its way may arrive for a moment, and how far each has come is made durable, within some
    /// seconds. A change that is under way is not waited for.
    pub async fn stop(&self) {
        let hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let workers = hooks.into_iter().flatten().filter_map(|(_, hook)| hook.worker);
        futures::future::join_all(workers.map(Worker::stop)).await;
    }

    /// Puts a webhook to work, unless it is paused, on its consumer or on one that it opens itself.
    pub(crate) fn begin_work(
        &self,
        anchor: &Anchor,
        name: &ConsumerName,
        hook: &mut Hook,
        paused: bool,
        consumer: Option<Consumer>,
    ) {
        let urls = |row: &Row| Some((row.clone(), row.url.parse::<Target>().ok()?, row.secret.parse().ok()?));
        let Some((row, target, secret)): Option<(Row, Target, Secret)> = hook.row.as_ref().and_then(urls)
        else {
            tracing::error!(webhook = %name, "{DAMAGED}");
            return hook.status.troubled(DAMAGED.to_owned());
        };
        if paused {
            return;
        }
        let job = Arc::new(Job {
            anchor: anchor.clone(),
            poster: self.0.poster.clone(),
            retry: self.0.retry,
            name: name.clone(),
            row,
            target,
            secret,
            dead: hook.dead.clone(),
            failing: Failing::new(anchor.store().clone(), name.clone()),
            status: hook.status.clone(),
            nudge: Notify::new(),
            stop: Notify::new(),
        });
        let task = tokio::spawn(keep_working(job.clone(), consumer));
        hook.worker = Some(Worker { job, task });
    }

    pub(crate) fn poster(&self) -> &Poster {
        &self.0.poster
    }

    /// Looks at the webhooks, or changes what is known of them.
    ///
    /// # Errors
    /// Refused where they are not at work.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Hooks) -> T) -> Result<T, ReadError> {
        let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.as_mut().map(look).ok_or_else(stopped)
    }
}

#[async_trait]
impl Webhooks for WebhookService {
    async fn list(
        &self,
        anchor: &Anchor,
        after: Option<&ConsumerName>,
        limit: usize,
    ) -> Result<(Vec<WebhookListing>, Option<ConsumerName>), ReadError> {
        let infos = infos(anchor).await?;
        self.with(|hooks| {
            let after = after.map_or(Bound::Unbounded, Bound::Excluded);
            let mut rest = hooks.range::<ConsumerName, _>((after, Bound::Unbounded));
            let listing = |(name, hook): (&ConsumerName, &Hook)| {
                let (paused, lag) = infos.get(name).copied().unwrap_or_default();
                hook.listing(name.clone(), paused, lag)
            };
            let listings: Vec<_> = rest.by_ref().take(limit).map(listing).collect();
            let next = listings.last().filter(|_| rest.next().is_some()).map(|last| last.name.clone());
            (listings, next)
        })
    }

    async fn change(&self, anchor: &Anchor, change: WebhookChange) -> Result<(), ReadError> {
        let (service, anchor) = (self.clone(), anchor.clone());
        // Whoever asked for it may go away in the middle: it is finished nonetheless.
        let changing = tokio::spawn(async move {
            let _changes = service.0.changes.lock().await;
            service.change_now(&anchor, change).await
        });
        match changing.await {
            Ok(changed) => changed,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(stopped()),
            },
        }
    }

    async fn dead_letters(
        &self,
        name: &ConsumerName,
        after: Option<&EventKey>,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, Option<EventKey>), ReadError> {
        let dead = self.with(|hooks| hooks.get(name).map(|hook| hook.dead.clone()))?;
        Ok(dead.ok_or_else(unknown)?.list(after, limit))
    }
}

impl Hook {
    fn listing(&self, name: ConsumerName, paused: bool, lag: Option<u64>) -> WebhookListing {
        let (dead, dropped) = self.dead.count();
        let failures = self.status.failures();
        let row = self.row.as_ref();
        let stopped = row.and_then(|row| row.stopped.clone()).filter(|_| paused);
        let kinds = row.iter().flat_map(|row| &row.kinds).map(|kind| EventKind(*kind));
        WebhookListing {
            name,
            url: row.map(|row| row.url.clone()).unwrap_or_default(),
            room: row.and_then(|row| RoomId::new(row.room.as_ref()?).ok()),
            kinds: kinds.collect(),
            paused,
            lag,
            dead,
            failures: failures.count,
            error: failures.trouble.or(failures.last).or(stopped),
            dropped,
        }
    }
}

pub(crate) fn known(found: bool) -> Result<(), ReadError> {
    if found { Ok(()) } else { Err(refused(Code::NameUnknown, "there is no such dead letter")) }
}

pub(crate) fn unknown() -> ReadError {
    refused(Code::NameUnknown, "there is no such webhook")
}

pub(crate) fn stopped() -> ReadError {
    refused(Code::StoreUnavailable, "the server is stopping, or has just begun")
}

pub(crate) fn denied(message: impl ToString) -> ReadError {
    refused(Code::Denied, message)
}

pub(crate) fn invalid(message: impl ToString) -> ReadError {
    refused(Code::Invalid, message)
}

pub(crate) fn refused(code: Code, message: impl ToString) -> ReadError {
    ReadError::Refused(Refusal::new(code, message.to_string()))
}

impl fmt::Debug for WebhookService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookService").finish_non_exhaustive()
    }
}

/// What an admin reads of a webhook that cannot be read.
pub(crate) const DAMAGED: &str =
    "what is kept of the webhook is damaged: it does not work; remove it, and set it up again";
