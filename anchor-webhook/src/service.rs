//! All webhooks of a server: set up, listed and changed; each at work on its own.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use anchor_core::code::Code;
use anchor_core::engine::{
    Anchor, Begin, Consumer, ConsumerError, ConsumerId, ConsumerName, ReadError, Scope, Whose,
};
use anchor_core::error::ErrorKind;
use anchor_core::event::{EventKey, EventKind};
use anchor_core::id::RoomId;
use anchor_core::limits::{WEBHOOK_KINDS_MAX, WEBHOOKS_MAX};
use anchor_core::publish::Refusal;
use anchor_core::record::{RecordKey, RecordWrite, Written};
use anchor_core::session::frame::{DeadLetter, From, Webhook, WebhookChange, WebhookListing};
use anchor_core::store::StoreError;
use anchor_core::webhooks::Webhooks;
use async_trait::async_trait;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

use crate::dead::DeadLetters;
use crate::keeping::keep_working;
use crate::options::Retry;
use crate::poster::Poster;
use crate::row::{ROWS, Row, dropped_key, encode, name_of, row_key};
use crate::signature::Secret;
use crate::status::Status;
use crate::target::Target;
use crate::worker::{self, Job};

/// The webhooks of a server: give it to the engine ([`anchor_core::engine::AnchorBuilder::webhooks`]), then
/// [`WebhookService::start`] it. Clones share.
#[derive(Clone)]
pub struct WebhookService(Arc<Shared>);

struct Shared {
    poster: Poster,
    retry: Retry,
    /// By name. Held while something changes, so that there is one change at a time.
    hooks: Mutex<Option<BTreeMap<ConsumerName, Hook>>>,
}

/// A webhook that is set up.
struct Hook {
    row: Row,
    dead: DeadLetters,
    status: Status,
    worker: Option<Worker>,
}

/// A webhook at work. Dropping it ends it where it stands.
struct Worker {
    job: Arc<Job>,
    /// Says why it was stopped by itself, if it was.
    task: JoinHandle<Option<String>>,
}

impl Worker {
    /// Lets it come to rest; says why it was stopped by itself, if it was.
    async fn stop(mut self) -> Option<String> {
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
        Self(Arc::new(Shared { poster, retry, hooks: Mutex::new(None) }))
    }

    /// Puts all webhooks that are kept to work. Needs a tokio runtime, and `anchor` to be the engine that they were given to.
    ///
    /// # Errors
    /// [`ReadError`] if the store cannot be read or written; nothing works then.
    pub async fn start(&self, anchor: &Anchor) -> Result<(), ReadError> {
        let mut hooks = self.0.hooks.lock().await;
        let mut found = BTreeMap::new();
        for (key, value) in anchor.store().records(ROWS, None, WEBHOOKS_MAX).await? {
            let Some(name) = name_of(&key) else { continue };
            let Ok(row) = serde_json::from_slice::<Row>(&value) else {
                tracing::error!(webhook = %name, "what is kept of a webhook is damaged: it does not work");
                continue;
            };
            let dead = DeadLetters::load(anchor.store().clone(), name.clone()).await?;
            let mut hook = Hook { row, dead, status: Status::default(), worker: None };
            match self.begin(anchor, &name, &mut hook).await {
                // The others shall work, and an admin sees this one.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::error!(webhook = %name, %error, "it does not work");
                    hook.status.troubled(error.to_string());
                }
                begun => begun?,
            }
            found.insert(name, hook);
        }
        *hooks = Some(found);
        Ok(())
    }

    /// Ends all work, in order: what is on its way may arrive for a moment, and how far each has come is made durable.
    pub async fn stop(&self) {
        let Some(hooks) = self.0.hooks.lock().await.take() else { return };
        let workers = hooks.into_values().filter_map(|hook| hook.worker);
        futures::future::join_all(workers.map(Worker::stop)).await;
    }

    /// Puts a webhook to work, unless it is paused.
    async fn begin(&self, anchor: &Anchor, name: &ConsumerName, hook: &mut Hook) -> Result<(), ReadError> {
        let (Ok(target), Ok(secret)) = (hook.row.url.parse::<Target>(), hook.row.secret.parse::<Secret>())
        else {
            return Err(StoreError::Corrupt(format!("the webhook {name} has no URL or no secret")).into());
        };
        let consumer = open(anchor, name, &hook.row).await?;
        if self.info(anchor, name).await?.is_none_or(|(paused, _)| paused) {
            return Ok(());
        }
        let job = Arc::new(Job {
            anchor: anchor.clone(),
            poster: self.0.poster.clone(),
            retry: self.0.retry,
            name: name.clone(),
            row: hook.row.clone(),
            target,
            secret,
            dead: hook.dead.clone(),
            status: hook.status.clone(),
            nudge: Notify::new(),
            stop: Notify::new(),
        });
        let task = tokio::spawn(keep_working(job.clone(), consumer));
        hook.worker = Some(Worker { job, task });
        Ok(())
    }

    async fn put(&self, anchor: &Anchor, hooks: &mut Hooks, webhook: Webhook) -> Result<(), ReadError> {
        let Webhook { name, url, room, secret, kinds } = webhook;
        consumer_name(&name)?;
        let target: Target = url.parse().map_err(invalid)?;
        self.0.poster.check(&target).map_err(invalid)?;
        if room.as_ref().is_some_and(worker::is_private) {
            return Err(denied(
                "what two users say to each other, and users' own logs, are not sent to anybody",
            ));
        }
        if kinds.len() > WEBHOOK_KINDS_MAX {
            return Err(invalid("a webhook names at most 32 kinds of events"));
        }
        let old = hooks.get(&name).map(|hook| hook.row.clone());
        if old.is_none() && hooks.len() >= WEBHOOKS_MAX {
            return Err(refused(Code::Full, format!("there are at most {WEBHOOKS_MAX} webhooks")));
        }
        let room = room.map(|room| room.to_string());
        if old.as_ref().is_some_and(|old| old.room != room) {
            return Err(invalid("a webhook keeps its room: remove it, and make another"));
        }
        let secret = match (secret, old) {
            (Some(secret), _) => secret.0.parse::<Secret>().map_err(invalid)?.reveal(),
            (None, Some(old)) => old.secret,
            (None, None) => return Err(invalid("a new webhook needs a secret to sign with")),
        };
        let kinds = kinds.into_iter().map(|kind| kind.0).collect();
        let mut row = Row { url, room, kinds, secret, stopped: None };
        if let Some(hook) = hooks.get_mut(&name) {
            // First, so that nothing that the old one still writes of itself comes behind the new row.
            hook.rest().await;
            row.stopped.clone_from(&hook.row.stopped);
        }
        let kept = write(anchor, vec![(row_key(&name), Some(encode(&row)))]).await;
        let hook = match hooks.entry(name.clone()) {
            Entry::Occupied(hook) => hook.into_mut(),
            Entry::Vacant(_) if kept.is_err() => return kept,
            Entry::Vacant(free) => {
                let dead = DeadLetters::load(anchor.store().clone(), name.clone()).await?;
                free.insert(Hook { row: row.clone(), dead, status: Status::default(), worker: None })
            }
        };
        if kept.is_ok() {
            (hook.row, hook.status) = (row, Status::default());
        }
        // As it was, if it could not be changed.
        let begun = self.begin(anchor, &name, hook).await;
        kept.and(begun)
    }

    async fn remove(&self, anchor: &Anchor, hooks: &mut Hooks, name: &ConsumerName) -> Result<(), ReadError> {
        let mut hook = hooks.remove(name).ok_or_else(unknown)?;
        hook.rest().await;
        hook.dead.drop(None).await?;
        match anchor.remove_consumer(&consumer_id(name)?).await {
            Ok(()) | Err(ConsumerError::Removed) => {}
            Err(error) => return Err(read_error(error)),
        }
        // Last, so that what is left of it has a name after a crash.
        write(anchor, vec![(dropped_key(name), None), (row_key(name), None)]).await
    }

    /// Changes the consumer of a webhook while it rests.
    async fn change_consumer(
        &self,
        anchor: &Anchor,
        hook: &mut Hook,
        name: &ConsumerName,
        change: Change,
    ) -> Result<(), ReadError> {
        hook.rest().await;
        let id = consumer_id(name)?;
        let changed = match change {
            Change::Pause => anchor.pause_consumer(&id).await,
            Change::Resume => anchor.resume_consumer(&id).await,
            Change::Replay(from) => anchor.replay_consumer(&id, from).await,
        };
        if matches!(change, Change::Resume) && hook.row.stopped.is_some() {
            hook.row.stopped = None;
            hook.status = Status::default();
            write(anchor, vec![(row_key(name), Some(encode(&hook.row)))]).await?;
        }
        self.begin(anchor, name, hook).await?;
        changed.map_err(read_error)
    }

    /// Whether a webhook is paused, and how far it lags behind.
    async fn info(
        &self,
        anchor: &Anchor,
        name: &ConsumerName,
    ) -> Result<Option<(bool, Option<u64>)>, ReadError> {
        Ok(infos(anchor).await?.remove(name))
    }
}

type Hooks = BTreeMap<ConsumerName, Hook>;

enum Change {
    Pause,
    Resume,
    Replay(From),
}

impl Hook {
    /// Ends its work, and notes what became of it.
    async fn rest(&mut self) {
        if let Some(worker) = self.worker.take()
            && let Some(why) = worker.stop().await
        {
            self.row.stopped = Some(why);
        }
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
        let hooks = self.0.hooks.lock().await;
        let hooks = hooks.as_ref().ok_or_else(stopped)?;
        let infos = infos(anchor).await?;
        let mut rest = hooks
            .range::<ConsumerName, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let mut listings = Vec::new();
        for (name, hook) in rest.by_ref().take(limit) {
            let (paused, lag) = infos.get(name).copied().unwrap_or_default();
            let (dead, dropped) = hook.dead.count().await;
            let failures = hook.status.failures();
            let stopped = hook.row.stopped.clone().filter(|_| paused);
            listings.push(WebhookListing {
                name: name.clone(),
                url: hook.row.url.clone(),
                room: hook.row.room.as_ref().and_then(|room| RoomId::new(room).ok()),
                kinds: hook.row.kinds.iter().map(|kind| EventKind(*kind)).collect(),
                paused,
                lag,
                dead,
                failures: failures.count,
                error: failures.trouble.or(failures.last).or(stopped),
                dropped,
            });
        }
        let next = listings.last().filter(|_| rest.next().is_some()).map(|last| last.name.clone());
        Ok((listings, next))
    }

    async fn change(&self, anchor: &Anchor, change: WebhookChange) -> Result<(), ReadError> {
        let mut hooks = self.0.hooks.lock().await;
        let hooks = hooks.as_mut().ok_or_else(stopped)?;
        let (name, change) = match change {
            WebhookChange::Put(webhook) => return self.put(anchor, hooks, webhook).await,
            WebhookChange::Remove(name) => return self.remove(anchor, hooks, &name).await,
            WebhookChange::RetryDead(name, event) => {
                let hook = hooks.get(&name).ok_or_else(unknown)?;
                known(hook.dead.again(event.as_ref()).await?)?;
                hook.worker.iter().for_each(|worker| worker.job.nudge.notify_one());
                return Ok(());
            }
            WebhookChange::DropDead(name, event) => {
                let hook = hooks.get(&name).ok_or_else(unknown)?;
                return known(hook.dead.drop(event.as_ref()).await?);
            }
            WebhookChange::Pause(name) => (name, Change::Pause),
            WebhookChange::Resume(name) => (name, Change::Resume),
            WebhookChange::Replay(name, from) => (name, Change::Replay(from)),
        };
        let hook = hooks.get_mut(&name).ok_or_else(unknown)?;
        self.change_consumer(anchor, hook, &name, change).await
    }

    async fn dead_letters(
        &self,
        name: &ConsumerName,
        after: Option<&EventKey>,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, Option<EventKey>), ReadError> {
        let hooks = self.0.hooks.lock().await;
        let hook = hooks.as_ref().ok_or_else(stopped)?.get(name).ok_or_else(unknown)?;
        Ok(hook.dead.list(after, limit).await)
    }
}

/// Opens the consumer of a webhook, or makes it.
pub(crate) async fn open(anchor: &Anchor, name: &ConsumerName, row: &Row) -> Result<Consumer, ReadError> {
    anchor.consumer(&consumer_name(name)?, scope_of(row)?, Begin::Now).await.map_err(read_error)
}

/// Of the webhooks of a server: whether each is paused, and how far it lags behind.
async fn infos(anchor: &Anchor) -> Result<BTreeMap<ConsumerName, (bool, Option<u64>)>, ReadError> {
    let mut found = BTreeMap::new();
    let mut after: Option<ConsumerId> = None;
    loop {
        let some = anchor.consumers(&Whose::All, after.as_ref(), WEBHOOKS_MAX).await.map_err(read_error)?;
        let Some(last) = some.last() else { return Ok(found) };
        after = Some(last.id.clone());
        for info in &some {
            // Those of the host come first.
            if info.id.owner.is_some() {
                return Ok(found);
            }
            let name = info
                .id
                .name
                .as_str()
                .strip_prefix(CONSUMER_PREFIX)
                .and_then(|name| ConsumerName::new(name).ok());
            if let Some(name) = name {
                found.insert(name, (info.paused, info.lag));
            }
        }
    }
}

pub(crate) async fn write(anchor: &Anchor, puts: Vec<(RecordKey, Option<Vec<u8>>)>) -> Result<(), ReadError> {
    // Without a guard nothing can fail it.
    let (Written::Done | Written::GuardFailed) =
        anchor.store().write_records(RecordWrite { guard: None, puts }).await?;
    Ok(())
}

fn consumer_name(name: &ConsumerName) -> Result<ConsumerName, ReadError> {
    ConsumerName::new(format!("{CONSUMER_PREFIX}{name}"))
        .map_err(|_| invalid("the name of a webhook has at most 56 characters"))
}

pub(crate) fn consumer_id(name: &ConsumerName) -> Result<ConsumerId, ReadError> {
    Ok(ConsumerId::of_host(consumer_name(name)?))
}

fn scope_of(row: &Row) -> Result<Scope, ReadError> {
    match &row.room {
        None => Ok(Scope::All),
        Some(room) => Ok(Scope::Room(RoomId::new(room).map_err(invalid)?)),
    }
}

pub(crate) fn read_error(error: ConsumerError) -> ReadError {
    match error {
        ConsumerError::Refused(refusal) => ReadError::Refused(refusal),
        ConsumerError::Store(error) => ReadError::Store(error),
        other => invalid(other),
    }
}

fn known(found: bool) -> Result<(), ReadError> {
    if found { Ok(()) } else { Err(refused(Code::NameUnknown, "there is no such dead letter")) }
}

fn unknown() -> ReadError {
    refused(Code::NameUnknown, "there is no such webhook")
}

fn stopped() -> ReadError {
    refused(Code::StoreUnavailable, "the server is stopping, or has just begun")
}

fn denied(message: impl ToString) -> ReadError {
    refused(Code::Denied, message)
}

fn invalid(message: impl ToString) -> ReadError {
    refused(Code::Invalid, message)
}

fn refused(code: Code, message: impl ToString) -> ReadError {
    ReadError::Refused(Refusal::new(code, message.to_string()))
}

impl fmt::Debug for WebhookService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookService").finish_non_exhaustive()
    }
}

/// With what the names of the webhooks' consumers begin.
const CONSUMER_PREFIX: &str = "webhook.";
