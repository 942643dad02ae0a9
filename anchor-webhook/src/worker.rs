//! One webhook at work: takes from its consumer, sends room by room, repeats what fails, and gives up what fails too often.
//!
//! Nothing is done before it was sent, or is kept as a dead letter: after a crash it is given again. A room that fails gives back
//! what it was given, and is asked for it again when its time has come: while it waits it keeps nothing but that time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::engine::{Consumer, ConsumerError, Delivery, Taken};
use anchor_core::environment::Monotonic;
use anchor_core::error::ErrorKind;
use anchor_core::event::Event;
use anchor_core::id::RoomId;
use anchor_core::limits::{CONSUMER_PARTS_MAX, WEBHOOK_POSTS_MAX};
use anchor_core::store::StoreError;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::lanes::{Lanes, Part, Turn};
use crate::poster::PostError;
use crate::row::DeadRow;
use crate::sending::{Failure, Job, Sent, Step, Until};

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

/// Works until it is stopped, which takes a bounded time, whatever the store and the receiver do.
pub(crate) async fn work(job: Arc<Job>, consumer: Consumer) -> Ended {
    let mut worker = Worker {
        consumer,
        lanes: Lanes::default(),
        resting: BTreeSet::new(),
        on_their_way: FuturesUnordered::new(),
        dead_is_away: false,
        rests_until: job.anchor.now(),
        job: job.clone(),
    };
    let ended = tokio::select! {
        biased;
        // Also while something is written that is not: on a full disk that waits for room.
        () = job.stop.notified() => Ended::Stopped,
        ended = worker.run() => ended,
    };
    worker.come_to_rest().await;
    ended
}

struct Worker {
    job: Arc<Job>,
    consumer: Consumer,
    lanes: Lanes,
    /// Rooms that have failed and are held, by the time from which they are asked again.
    resting: BTreeSet<(Monotonic, RoomId)>,
    on_their_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    dead_is_away: bool,
    /// Nothing is taken before, as the store asks for time.
    rests_until: Monotonic,
}

impl Worker {
    async fn run(&mut self) -> Ended {
        let job = self.job.clone();
        loop {
            self.end_rests();
            self.begin_turns();
            self.begin_dead();
            let now = job.anchor.now();
            let takes = self.consumer.open() < CONSUMER_PARTS_MAX && now >= self.rests_until;
            let can_send = self.on_their_way.len() < WEBHOOK_POSTS_MAX;
            let rests = Some(self.rests_until).filter(|until| *until > now);
            let rested = self.resting.first().map(|(due, _)| *due);
            let due = self.lanes.next_due().filter(|_| can_send);
            let until = [rests, rested, due].into_iter().flatten().min();
            tokio::select! {
                biased;
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
        let within = |time| job.anchor.env().sleep_until(job.anchor.now() + time);
        let arriving = async {
            while let Some(sent) = self.on_their_way.next().await {
                drop(self.sent(sent).await);
            }
        };
        tokio::select! {
            () = arriving => {}
            () = within(REST_WITHIN) => {}
        }
        let flushed = tokio::select! {
            flushed = self.consumer.flush() => flushed.map_err(|error| error.to_string()),
            () = within(FLUSH_WITHIN) => Err("it takes too long".to_owned()),
        };
        if let Err(error) = flushed {
            tracing::debug!(webhook = %job.name, error, "what was delivered last is delivered again");
        }
    }

    fn take(&mut self, taken: &Taken) {
        let room = &taken.room;
        if is_private(room) {
            return self.consumer.done(room, &taken.position());
        }
        let fails = self.job.failing.has(room);
        let part = match &taken.delivery {
            Delivery::Gap(gap) => Part::Gap(*gap),
            Delivery::Events(events) => {
                let sends = |event: Event| self.job.row.sends(event.kind);
                if !self.lanes.has(room) && !fails && !events.iter().flatten().any(sends) {
                    return self.consumer.done(room, &events.position());
                }
                let first =
                    events.iter().find_map(Result::ok).map_or(events.position().offset, |event| event.offset);
                Part::Events { first, end: events.position() }
            }
        };
        self.lanes.push(room.clone(), part, fails, self.job.anchor.now());
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

    /// Asks again for what rooms have whose time has come.
    fn end_rests(&mut self) {
        let now = self.job.anchor.now();
        while self.resting.first().is_some_and(|(due, _)| *due <= now)
            && let Some((_, room)) = self.resting.pop_first()
        {
            self.consumer.release(&room);
        }
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
    fn begin_dead(&mut self) {
        if self.dead_is_away || self.on_their_way.len() >= WEBHOOK_POSTS_MAX {
            return;
        }
        if let Some(event) = self.job.dead.due() {
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
            Step::Advanced(until) => {
                job.status.went_well();
                self.advance(room, until);
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
                let Failure { error, failures, .. } = &failure;
                tracing::debug!(webhook = %job.name, %room, failures, %error, "it was not taken");
                job.status.failed(error);
                if matches!(error, PostError::Gone) {
                    self.lanes.put_off(room, now);
                    return Some(Ended::Gone);
                }
                if *failures < job.retry.attempts.max(2) {
                    let asked = match error {
                        PostError::Status { retry_after, .. } => *retry_after,
                        _ => None,
                    };
                    let delay = job.retry.delay(*failures, asked, &**job.anchor.env());
                    self.rest(room, now + delay);
                } else {
                    self.give_up(room, turn, failure).await;
                }
            }
        }
        None
    }

    /// Has a room that has failed wait until `due`. It gives back what it was given, unless too many do so already.
    fn rest(&mut self, room: RoomId, due: Monotonic) {
        if !self.job.failing.has(&room) {
            return self.lanes.failed(room, due);
        }
        self.lanes.leave(&room);
        self.consumer.hold(&room);
        self.resting.insert((due, room));
    }

    /// Makes a dead letter of what was sent too often, and goes on behind it.
    async fn give_up(&mut self, room: RoomId, turn: Turn, failure: Failure) {
        let job = self.job.clone();
        let now = job.anchor.now();
        let Failure { error, failures, event, until, .. } = failure;
        if let Some(event) = event {
            tracing::warn!(webhook = %job.name, %event, %error, "an event is a dead letter");
            let (at, attempts) = (job.anchor.env().unix_ms(), u64::from(failures));
            let row = DeadRow { at, attempts, error: error.to_string(), again: false };
            if let Err(error) = job.dead.add(event, row).await {
                self.store_failed(&error);
                return self.lanes.put_off(room, now + STORE_REST);
            }
        } else {
            tracing::warn!(webhook = %job.name, %room, %error, "a gap was not taken, and is given up");
        }
        let over = until.map_or(turn.part.last(), |until| Some(until.offset));
        job.failing.went_on(&room, over).await;
        match until {
            Some(until) => self.advance(room, until),
            None => self.finish(room, now),
        }
    }

    /// Goes on within a part.
    fn advance(&mut self, room: RoomId, until: Until) {
        if let Some(position) = &until.position {
            self.consumer.done(&room, position);
        }
        self.lanes.advanced(room, until.offset, self.job.anchor.now());
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

/// How long what is on its way may take to arrive once a webhook stops. Source: chosen; a quarter of a server's drain.
const REST_WITHIN: Duration = Duration::from_secs(2);

/// How long how far it has come may take to be made durable then. Source: chosen; a store that is well takes milliseconds.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// How long to wait before the store is asked again. Source: chosen.
const STORE_REST: Duration = Duration::from_secs(1);
