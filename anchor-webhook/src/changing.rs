//! What admins change about webhooks: one change at a time, written before it is believed.

use anchor_core::code::Code;
use anchor_core::engine::{Anchor, ConsumerError, ConsumerName, ReadError};
use anchor_core::limits::{WEBHOOK_KINDS_MAX, WEBHOOKS_MAX};
use anchor_core::session::frame::{From, Webhook, WebhookChange};

use crate::consumers::{consumer_id, consumer_name, infos, open, read_error};
use crate::dead::DeadLetters;
use crate::failing;
use crate::row::{Row, dropped_key, encode, row_key, write};
use crate::service::{DAMAGED, Hook, WebhookService, denied, invalid, known, refused, unknown};
use crate::signature::Secret;
use crate::status::Status;
use crate::target::Target;
use crate::worker;

enum Change {
    Pause,
    Resume,
    Replay(From),
}

impl WebhookService {
    pub(crate) async fn change_now(&self, anchor: &Anchor, change: WebhookChange) -> Result<(), ReadError> {
        let (name, change) = match change {
            WebhookChange::Put(webhook) => return self.put(anchor, webhook).await,
            WebhookChange::Remove(name) => return self.remove(anchor, &name).await,
            WebhookChange::RetryDead(name, event) => {
                let dead = self.dead_of(&name)?;
                if infos(anchor).await?.get(&name).is_none_or(|(paused, _)| *paused) {
                    return Err(invalid("the webhook is paused: resume it first"));
                }
                known(dead.again(event.as_ref()).await?)?;
                return self.with(|hooks| {
                    let worker = hooks.get(&name).and_then(|hook| hook.worker.as_ref());
                    worker.iter().for_each(|worker| worker.job.nudge.notify_one());
                });
            }
            WebhookChange::DropDead(name, event) => {
                return known(self.dead_of(&name)?.drop(event.as_ref()).await?);
            }
            WebhookChange::Pause(name) => (name, Change::Pause),
            WebhookChange::Resume(name) => (name, Change::Resume),
            WebhookChange::Replay(name, from) => (name, Change::Replay(from)),
        };
        self.change_consumer(anchor, &name, change).await
    }

    async fn put(&self, anchor: &Anchor, webhook: Webhook) -> Result<(), ReadError> {
        let Webhook { name, url, room, secret, kinds } = webhook;
        consumer_name(&name)?;
        let target: Target = url.parse().map_err(invalid)?;
        self.poster().check(&target).map_err(invalid)?;
        if room.as_ref().is_some_and(worker::is_private) {
            return Err(denied(
                "what two users say to each other, and users' own logs, are not sent to anybody",
            ));
        }
        if kinds.len() > WEBHOOK_KINDS_MAX {
            return Err(invalid(format!("a webhook names at most {WEBHOOK_KINDS_MAX} kinds of events")));
        }
        let (count, old) = self.with(|hooks| (hooks.len(), hooks.get(&name).map(|hook| hook.row.clone())))?;
        let old = match old {
            Some(row) => Some(row.ok_or_else(|| invalid(DAMAGED))?),
            None if count >= WEBHOOKS_MAX => {
                return Err(refused(Code::Full, format!("there are at most {WEBHOOKS_MAX} webhooks")));
            }
            None => None,
        };
        let is_new = old.is_none();
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
        // First, so that nothing that the old one still writes of itself comes behind the new row.
        let stopped = self.rest(&name).await?;
        let row = Row { url, room, kinds, secret, stopped };
        let kept = write(&**anchor.store(), vec![(row_key(&name), Some(encode(&row)))]).await;
        match is_new {
            true => {
                kept?;
                let dead = DeadLetters::load(anchor.store().clone(), name.clone()).await?;
                let hook = Hook { row: Some(row), dead, status: Status::default(), worker: None };
                self.with(|hooks| hooks.insert(name.clone(), hook))?;
                self.begin(anchor, &name).await
            }
            false => {
                if kept.is_ok() {
                    self.with_hook(&name, |hook| (hook.row, hook.status) = (Some(row), Status::default()))?;
                }
                // As it was, if it could not be changed.
                let begun = self.begin(anchor, &name).await;
                Ok(kept?).and(begun)
            }
        }
    }

    async fn remove(&self, anchor: &Anchor, name: &ConsumerName) -> Result<(), ReadError> {
        let dead = self.dead_of(name)?;
        self.rest(name).await?;
        dead.drop(None).await?;
        match anchor.remove_consumer(&consumer_id(name)?).await {
            Ok(()) | Err(ConsumerError::Removed) => {}
            Err(error) => return Err(read_error(error)),
        }
        failing::forget(&**anchor.store(), name).await?;
        // Last, so that what is left of it has a name after a crash.
        write(&**anchor.store(), vec![(dropped_key(name), None), (row_key(name), None)]).await?;
        self.with(|hooks| drop(hooks.remove(name)))
    }

    /// Changes the consumer of a webhook while it rests.
    async fn change_consumer(
        &self,
        anchor: &Anchor,
        name: &ConsumerName,
        change: Change,
    ) -> Result<(), ReadError> {
        self.with_hook(name, |hook| hook.row.is_some())?.then_some(()).ok_or_else(|| invalid(DAMAGED))?;
        self.rest(name).await?;
        let id = consumer_id(name)?;
        let resumes = matches!(change, Change::Resume);
        let changed = match change {
            Change::Pause => anchor.pause_consumer(&id).await,
            Change::Resume => anchor.resume_consumer(&id).await,
            Change::Replay(from) => {
                failing::forget(&**anchor.store(), name).await?;
                anchor.replay_consumer(&id, from).await
            }
        };
        let row = self.with_hook(name, |hook| hook.row.clone())?;
        if let Some(row) = row.filter(|row| resumes && row.stopped.is_some()) {
            let row = Row { stopped: None, ..row };
            let put = (row_key(name), Some(encode(&row)));
            self.with_hook(name, |hook| (hook.row, hook.status) = (Some(row), Status::default()))?;
            write(&**anchor.store(), vec![put]).await?;
        }
        self.begin(anchor, name).await?;
        changed.map_err(read_error)
    }

    /// Puts a webhook to work that rests, unless it is paused. Where its consumer cannot be opened it says so, and tries again by
    /// itself.
    async fn begin(&self, anchor: &Anchor, name: &ConsumerName) -> Result<(), ReadError> {
        let row = self.with_hook(name, |hook| hook.row.clone())?.ok_or_else(|| invalid(DAMAGED))?;
        let opened = open(anchor, name, &row).await;
        let paused =
            infos(anchor).await.is_ok_and(|infos| infos.get(name).is_some_and(|(paused, _)| *paused));
        let (consumer, opened) = match opened {
            Ok(consumer) => (Some(consumer), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.with_hook(name, |hook| self.begin_work(anchor, name, hook, paused, consumer))?;
        opened
    }

    /// Ends the work of a webhook, if it works, and notes what became of it; why it was stopped by itself, if it was.
    async fn rest(&self, name: &ConsumerName) -> Result<Option<String>, ReadError> {
        let worker = self.with(|hooks| hooks.get_mut(name).and_then(|hook| hook.worker.take()))?;
        let why = match worker {
            Some(worker) => worker.stop().await,
            None => None,
        };
        self.with(|hooks| {
            let row = hooks.get_mut(name)?.row.as_mut()?;
            row.stopped = why.or(row.stopped.take());
            row.stopped.clone()
        })
    }

    fn dead_of(&self, name: &ConsumerName) -> Result<DeadLetters, ReadError> {
        self.with_hook(name, |hook| hook.dead.clone())
    }

    fn with_hook<T>(&self, name: &ConsumerName, look: impl FnOnce(&mut Hook) -> T) -> Result<T, ReadError> {
        self.with(|hooks| hooks.get_mut(name).map(look))?.ok_or_else(unknown)
    }
}
