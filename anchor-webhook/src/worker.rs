//! One webhook at work: takes from its consumer, sends room by room, repeats what fails, and gives up what fails too often.
//!
//! Nothing is done before it was sent, or is kept as a dead letter: after a crash it is given again.

use std::sync::Arc;
use std::time::Duration;

use anchor_core::engine::{Anchor, Consumer, ConsumerError, ConsumerName, Delivery, Taken};
use anchor_core::environment::Monotonic;
use anchor_core::error::ErrorKind;
use anchor_core::event::{Event, EventKey};
use anchor_core::id::RoomId;
use anchor_core::limits::{CONSUMER_PARTS_MAX, WEBHOOK_POSTS_MAX};
use anchor_core::position::{Epoch, Offset};
use anchor_core::resume::Gap;
use anchor_core::store::StoreError;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;

use crate::body::{self, Letter};
use crate::dead::DeadLetters;
use crate::lanes::{Lanes, Part, Turn};
use crate::options::Retry;
use crate::poster::{Message, PostError, Poster};
use crate::reading::{self, Found};
use crate::row::{DeadRow, Row};
use crate::signature::Secret;
use crate::status::Status;
use crate::target::Target;

/// What a worker needs, which does not change while it works.
pub(crate) struct Job {
    pub(crate) anchor: Anchor,
    pub(crate) poster: Poster,
    pub(crate) retry: Retry,
    pub(crate) name: ConsumerName,
    pub(crate) row: Row,
    pub(crate) target: Target,
    pub(crate) secret: Secret,
    pub(crate) dead: DeadLetters,
    pub(crate) status: Status,
    /// Something is to be sent again.
    pub(crate) nudge: Notify,
    /// Comes to an end.
    pub(crate) stop: Notify,
}

/// Why a worker ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was asked to.
    Stopped,
    /// Its consumer is over.
    Failed(ConsumerError),
    /// The receiver wants no more.
    Gone,
}

/// What became of something that was on its way.
enum Sent {
    /// A turn of a room.
    Turn(RoomId, Turn, Step),
    /// A dead letter.
    Dead(EventKey, Step),
}

enum Step {
    /// Up to here; there is more of the part.
    Advanced(Offset),
    /// All of it.
    Finished,
    /// It was not taken.
    Failed(Failure),
    /// It could not be read.
    Unread(StoreError),
    /// It is not in the log any more.
    NotThere,
}

impl Step {
    fn of(result: Result<(), PostError>, event: Option<EventKey>, until: Option<Offset>) -> Self {
        match (result, until) {
            (Err(error), until) => Self::Failed(Failure { error, event, until }),
            (Ok(()), Some(until)) => Self::Advanced(until),
            (Ok(()), None) => Self::Finished,
        }
    }
}

/// What was not taken, and why.
struct Failure {
    error: PostError,
    /// The event, unless it was a gap or several.
    event: Option<EventKey>,
    /// Where it ends, and more of the part follows; none where nothing does.
    until: Option<Offset>,
}

/// Works until it is stopped.
pub(crate) async fn work(job: Arc<Job>, consumer: Consumer) -> Ended {
    let mut worker = Worker {
        consumer,
        lanes: Lanes::default(),
        on_their_way: FuturesUnordered::new(),
        dead_is_away: false,
        rests_until: job.anchor.now(),
        job,
    };
    let ended = worker.run().await;
    worker.come_to_rest().await;
    ended
}

struct Worker {
    job: Arc<Job>,
    consumer: Consumer,
    lanes: Lanes,
    on_their_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    dead_is_away: bool,
    /// Nothing is taken before, as the store asks for time.
    rests_until: Monotonic,
}

impl Worker {
    async fn run(&mut self) -> Ended {
        let job = self.job.clone();
        loop {
            self.begin_turns();
            self.begin_dead().await;
            let now = job.anchor.now();
            let takes = self.consumer.open() < CONSUMER_PARTS_MAX && now >= self.rests_until;
            let can_send = self.on_their_way.len() < WEBHOOK_POSTS_MAX;
            let mut until = self.lanes.next_due().filter(|_| can_send);
            if now < self.rests_until {
                until = Some(until.map_or(self.rests_until, |due| due.min(self.rests_until)));
            }
            tokio::select! {
                biased;
                () = job.stop.notified() => return Ended::Stopped,
                Some(sent) = self.on_their_way.next(), if !self.on_their_way.is_empty() => {
                    if let Some(ended) = self.sent(sent).await {
                        return ended;
                    }
                }
                taken = self.consumer.next(), if takes => match taken {
                    Ok(taken) => {
                        job.status.works();
                        self.take(&taken);
                    }
                    Err(error) => if let Some(ended) = self.failed_to_take(error) {
                        return ended;
                    },
                },
                () = job.nudge.notified() => {}
                () = job.anchor.env().sleep_until(until.unwrap_or(now)), if until.is_some() => {}
            }
        }
    }

    /// Lets what is on its way arrive, for a moment, and makes durable what is done.
    async fn come_to_rest(&mut self) {
        let job = self.job.clone();
        let mut late = job.anchor.env().sleep_until(job.anchor.now() + REST_WITHIN);
        while !self.on_their_way.is_empty() {
            tokio::select! {
                Some(sent) = self.on_their_way.next() => drop(self.sent(sent).await),
                () = &mut late => break,
            }
        }
        if let Err(error) = self.consumer.flush().await {
            tracing::debug!(webhook = %job.name, %error, "what was delivered last is delivered again");
        }
    }

    fn take(&mut self, taken: &Taken) {
        let room = &taken.room;
        if is_private(room) {
            return self.consumer.done(room, &taken.position());
        }
        let part = match &taken.delivery {
            Delivery::Gap(gap) => Part::Gap(*gap),
            Delivery::Events(events) => {
                let sends = |event: Event| self.job.row.sends(event.kind);
                if !self.lanes.has(room) && !events.iter().flatten().any(sends) {
                    return self.consumer.done(room, &events.position());
                }
                let first =
                    events.iter().find_map(Result::ok).map_or(events.position().offset, |event| event.offset);
                Part::Events { first, end: events.position() }
            }
        };
        self.lanes.push(room.clone(), part, self.job.anchor.now());
    }

    fn failed_to_take(&mut self, error: ConsumerError) -> Option<Ended> {
        match error {
            // Something that is on its way will make room.
            ConsumerError::TooManyOpen => {}
            error if error.kind() == ErrorKind::Retry => {
                tracing::warn!(webhook = %self.job.name, %error, "the logs could not be read; again in a moment");
            }
            error => return Some(Ended::Failed(error)),
        }
        self.rests_until = self.job.anchor.now() + STORE_REST;
        None
    }

    fn begin_turns(&mut self) {
        while self.on_their_way.len() < WEBHOOK_POSTS_MAX
            && let Some((room, turn)) = self.lanes.take(self.job.anchor.now())
        {
            let job = self.job.clone();
            self.on_their_way.push(async move { job.turn(room, turn).await }.boxed());
        }
    }

    /// Sends a dead letter that is to be sent again; one at a time.
    async fn begin_dead(&mut self) {
        if self.dead_is_away || self.on_their_way.len() >= WEBHOOK_POSTS_MAX {
            return;
        }
        if let Some(event) = self.job.dead.due().await {
            let job = self.job.clone();
            self.dead_is_away = true;
            self.on_their_way.push(async move { job.dead(event).await }.boxed());
        }
    }

    /// Believes what became of something; the end, if that is it.
    async fn sent(&mut self, sent: Sent) -> Option<Ended> {
        match sent {
            Sent::Turn(room, turn, step) => self.turned(room, turn, step).await,
            Sent::Dead(event, step) => {
                self.dead_is_away = false;
                let failed = match &step {
                    Step::Advanced(_) | Step::Finished => None,
                    Step::Failed(failure) => Some(failure.error.to_string()),
                    Step::Unread(error) => Some(error.to_string()),
                    Step::NotThere => Some("it is not in the log any more".to_owned()),
                };
                if let Err(error) = self.job.dead.sent_again(&event, failed).await {
                    self.store_failed(&error);
                }
                matches!(step, Step::Failed(Failure { error: PostError::Gone, .. })).then_some(Ended::Gone)
            }
        }
    }

    async fn turned(&mut self, room: RoomId, turn: Turn, step: Step) -> Option<Ended> {
        let job = self.job.clone();
        let now = job.anchor.now();
        match step {
            Step::Advanced(offset) => {
                job.status.went_well();
                self.lanes.advanced(room, offset, now);
            }
            Step::Finished | Step::NotThere => {
                job.status.went_well();
                self.finish(room, now);
            }
            Step::Unread(error) => {
                tracing::warn!(webhook = %job.name, %room, %error, "a log could not be read; again in a moment");
                self.lanes.put_off(room, now + STORE_REST);
            }
            Step::Failed(failure) => {
                let error = &failure.error;
                let failures = turn.failures + 1;
                tracing::debug!(webhook = %job.name, %room, failures, %error, "it was not taken");
                job.status.failed(error);
                if matches!(error, PostError::Gone) {
                    self.lanes.put_off(room, now);
                    return Some(Ended::Gone);
                }
                if failures < job.retry.attempts.max(2) {
                    let asked = match error {
                        PostError::Status { retry_after, .. } => *retry_after,
                        _ => None,
                    };
                    let delay = job.retry.delay(failures, asked, &**job.anchor.env());
                    self.lanes.failed(room, now + delay);
                } else {
                    self.give_up(room, turn, failure).await;
                }
            }
        }
        None
    }

    /// Makes a dead letter of what was sent too often, and goes on behind it.
    async fn give_up(&mut self, room: RoomId, turn: Turn, failure: Failure) {
        let job = self.job.clone();
        let now = job.anchor.now();
        let Failure { error, event, until } = failure;
        if let Some(event) = event {
            tracing::warn!(webhook = %job.name, %event, %error, "an event is a dead letter");
            let attempts = u64::from(turn.failures) + 1;
            let row =
                DeadRow { at: job.anchor.env().unix_ms(), attempts, error: error.to_string(), again: false };
            if let Err(error) = job.dead.add(event, row).await {
                self.store_failed(&error);
                return self.lanes.put_off(room, now + STORE_REST);
            }
        } else {
            tracing::warn!(webhook = %job.name, %room, %error, "a gap was not taken, and is given up");
        }
        match until {
            Some(until) => self.lanes.advanced(room, until, now),
            None => self.finish(room, now),
        }
    }

    fn finish(&mut self, room: RoomId, now: Monotonic) {
        if let Some(end) = self.lanes.finished(room.clone(), now) {
            self.consumer.done(&room, &end);
        }
    }

    fn store_failed(&self, error: &StoreError) {
        tracing::warn!(webhook = %self.job.name, %error, "the dead letters could not be written; again in a moment");
    }
}

/// True for what is nobody's to send away, not even an admin's: what two say to each other, and users' own logs.
pub(crate) fn is_private(room: &RoomId) -> bool {
    room.is_direct() || room.is_own_log()
}

impl Job {
    /// Sends what a room's turn is.
    async fn turn(&self, room: RoomId, turn: Turn) -> Sent {
        let step = match turn.part {
            Part::Gap(gap) => self.tell_gap(&room, &gap, None).await,
            Part::Events { end, .. } => {
                match reading::events(&**self.anchor.store(), &room, turn.next, &end).await {
                    Ok(Found::Events(events)) => match end.epoch {
                        Some(epoch) => self.send(&room, epoch, events, turn.single).await,
                        None => Step::Finished,
                    },
                    Ok(Found::Trimmed(gap)) => {
                        let until = (gap.to < end.offset).then_some(gap.to);
                        self.tell_gap(&room, &gap, until).await
                    }
                    Ok(Found::Gone) => Step::NotThere,
                    Err(error) => Step::Unread(error),
                }
            }
        };
        Sent::Turn(room, turn, step)
    }

    /// Sends those of `events` that are of interest, or the first of them.
    async fn send(&self, room: &RoomId, epoch: Epoch, events: Vec<Event>, single: bool) -> Step {
        let last = events.last().map(|event| event.offset);
        let mut wanted: Vec<_> = events.into_iter().filter(|event| self.row.sends(event.kind)).collect();
        if single {
            wanted.truncate(1);
        }
        let Some(sent) = wanted.last().map(|event| event.offset) else { return Step::Finished };
        let event = (wanted.len() == 1).then(|| EventKey { room: room.clone(), epoch, offset: sent });
        // What is left behind the only one may be of interest, too.
        let until = Some(sent).filter(|_| single && Some(sent) != last);
        let result = self.post(body::of_events(&self.name, room, epoch, wanted)).await;
        Step::of(result, event, until)
    }

    /// Tells of a gap; more of the part follows where it ends at `until`.
    async fn tell_gap(&self, room: &RoomId, gap: &Gap, until: Option<Offset>) -> Step {
        Step::of(self.post(body::of_gap(&self.name, room, gap)).await, None, until)
    }

    /// Sends a dead letter again, once.
    async fn dead(&self, key: EventKey) -> Sent {
        let step = match reading::event(&**self.anchor.store(), &key).await {
            Ok(Some(event)) => self.send(&key.room, key.epoch, vec![event], true).await,
            Ok(None) => Step::NotThere,
            Err(error) => Step::Unread(error),
        };
        Sent::Dead(key, step)
    }

    async fn post(&self, letter: Letter) -> Result<(), PostError> {
        let Letter { id, body } = letter;
        let timestamp = self.anchor.env().unix_ms() / 1000;
        self.poster.post(&self.target, &self.secret, Message { id, timestamp, body }).await
    }
}

/// How long what is on its way may take to arrive once a webhook stops. Source: chosen; a quarter of a server's drain.
const REST_WITHIN: Duration = Duration::from_secs(2);

/// How long to wait before the store is asked again. Source: chosen.
const STORE_REST: Duration = Duration::from_secs(1);
