//! The half that publishes: bursts into several rooms, several calls at a time, and every answer written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anchor_core::conformance::promise::{Mark, PublishId, Record};
use anchor_core::event::Body;
use anchor_core::id::{RoomId, Seq};
use anchor_transport::client::{Client, Notice, PublishError, Publishing};
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use super::journal::{Journal, now_ms};
use crate::args::torture;
use crate::command::torture::history::Line;
use crate::dice::Dice;
use crate::exit::{Exit, Failure};

/// What the rest of the process may know of it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Publish no more.
    pub(super) stops: AtomicBool,
    pub(super) acked: AtomicU64,
}

/// Publishes until it is told to stop, and then waits for the answers.
pub(super) struct Publisher {
    pub(super) client: Client,
    pub(super) journal: Arc<Journal>,
    pub(super) progress: Arc<Progress>,
    pub(super) dice: Dice,
    pub(super) rooms: Vec<RoomId>,
    pub(super) author: u64,
    pub(super) next: u64,
    pub(super) is_copied: bool,
    pub(super) rate: u32,
}

type Answer = (PublishId, Result<anchor_core::publish::Ack, PublishError>);

impl Publisher {
    /// That of `arguments`; `None` if they name nothing to publish.
    pub(super) fn new(
        arguments: &torture::Client,
        client: &Client,
        journal: &Arc<Journal>,
        progress: &Arc<Progress>,
    ) -> Option<Self> {
        Some(Self {
            client: client.clone(),
            journal: journal.clone(),
            progress: progress.clone(),
            dice: Dice::new(arguments.seed, PUBLISHING),
            rooms: arguments.publishes.clone(),
            author: arguments.author.filter(|_| !arguments.publishes.is_empty())?,
            next: arguments.next,
            is_copied: arguments.is_copied,
            rate: arguments.rate.max(1),
        })
    }

    /// Ends when everything is answered after it was told to stop.
    ///
    /// # Errors
    /// A sentence where the journal or the client fails.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let mut answers: FuturesUnordered<BoxFuture<'static, Answer>> = FuturesUnordered::new();
        while !self.progress.stops.load(Ordering::Relaxed) {
            let size = self.dice.magnitude(BURST_MAX);
            for (publish, publishing) in self.burst(size, &mut answers).await? {
                answers.push(publishing.map(move |answer| (publish, answer)).boxed());
            }
            // Bursts come at any time, on average as many as make the rate.
            let mean = Duration::from_secs(size) / self.rate;
            let pause = tokio::time::sleep(self.dice.time(Duration::ZERO, 2 * mean));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    Some(answer) = answers.next() => self.answered(answer)?,
                    () = &mut pause => break,
                }
            }
        }
        while let Some(answer) = answers.next().await {
            self.answered(answer)?;
        }
        Ok(())
    }

    /// Publishes `size` at once. Takes answers meanwhile: the outbox may be full, and wait for them.
    async fn burst(
        &mut self,
        size: u64,
        answers: &mut FuturesUnordered<BoxFuture<'static, Answer>>,
    ) -> Result<Vec<(PublishId, Publishing)>, Failure> {
        let drafts: Vec<_> = (0..size).map(|_| self.draft()).collect();
        self.journal.write(drafts.iter().map(|(publish, room, body)| Record::Invoked {
            publish: *publish,
            room: room.clone(),
            body: anchor_core::conformance::promise::history::body_digest(body),
        }))?;
        let client = self.client.clone();
        // All calls are polled from the first to the last, so they are taken in this order.
        let mut calls = join_all(drafts.into_iter().map(|(publish, room, body)| {
            let client = client.clone();
            async move { (publish, client.publish(&room, body).await) }
        }));
        let queued = loop {
            tokio::select! {
                queued = &mut calls => break queued,
                Some(answer) = answers.next() => self.answered(answer)?,
            }
        };
        let mut publishings = Vec::with_capacity(queued.len());
        for (publish, outcome) in queued {
            match outcome {
                Ok(publishing) => publishings.push((publish, publishing)),
                Err(error) => self.failed(publish, error)?,
            }
        }
        self.journal.write(publishings.iter().map(|(publish, _)| Record::Queued { publish: *publish }))?;
        Ok(publishings)
    }

    fn draft(&mut self) -> (PublishId, RoomId, Body) {
        let (author, number) = match self.is_copied {
            false => (self.author, self.next),
            true => (self.author | self.next << COPIED_BITS, 1),
        };
        self.next += 1;
        let number = Seq::new(number).expect("nobody publishes 2^53 times");
        let mark = Mark { author, number };
        let bytes = if self.dice.chance(3) { self.dice.magnitude(LARGE) } else { self.dice.magnitude(SMALL) };
        let body = mark.body(usize::try_from(bytes).unwrap_or(0));
        (mark.publish(), self.room(), body)
    }

    /// Most often the first, and one in so many the last, which therefore is quiet now and then.
    fn room(&mut self) -> RoomId {
        let last = self.rooms.len() - 1;
        let room = match self.dice.below(100) {
            0 => last,
            roll if roll < 50 => 0,
            _ => self.dice.index(last.max(1)),
        };
        self.rooms[room].clone()
    }

    fn answered(&self, (publish, answer): Answer) -> Result<(), Failure> {
        match answer {
            Ok(ack) => {
                self.progress.acked.fetch_add(1, Ordering::Relaxed);
                self.journal.write([Record::Acked { publish, ack, at_ms: now_ms() }])
            }
            Err(error) => self.failed(publish, error),
        }
    }

    fn failed(&self, publish: PublishId, error: PublishError) -> Result<(), Failure> {
        match error {
            PublishError::Refused(refusal) => {
                self.journal.write([Record::Refused { publish, code: refusal.code }])
            }
            PublishError::Unconfirmed => self.journal.write([Record::Unknown { publish }]),
            error => Err(Failure::new(Exit::Failure, error.to_string())),
        }
    }
}

/// Writes down what became of publishes that an earlier process left in the outbox. Never ends but by a failure.
///
/// # Errors
/// A sentence where the journal fails.
pub(super) async fn take_notices(
    client: Client,
    journal: Arc<Journal>,
    progress: Arc<Progress>,
) -> Result<(), Failure> {
    let mut notices = client.notices();
    while let Some(notice) = notices.next().await {
        write_notice(notice, &journal, &progress)?;
    }
    Ok(())
}

fn write_notice(notice: Notice, journal: &Journal, progress: &Progress) -> Result<(), Failure> {
    let name = |body: &Body| Mark::of(body).map(Mark::publish);
    match notice {
        Notice::Settled { ack, draft } => match name(&draft.body) {
            Some(publish) => {
                progress.acked.fetch_add(1, Ordering::Relaxed);
                journal.write([Record::Acked { publish, ack, at_ms: now_ms() }])
            }
            None => journal.note([Line::Trouble("an ack of something that nobody published".to_owned())]),
        },
        Notice::Refused { draft, refusal, .. } => {
            journal.write(name(&draft.body).map(|publish| Record::Refused { publish, code: refusal.code }))
        }
        Notice::Unconfirmed { entry } => {
            journal.write(name(&entry.draft.body).map(|publish| Record::Unknown { publish }))
        }
        Notice::LostAcks { offered, older } => journal.note([Line::Trouble(format!(
            "the server said that it lost {} acknowledged publishes, and perhaps {older} older ones",
            offered.len()
        ))]),
        Notice::Cloned { .. } => Ok(()),
    }
}

/// Names the dice of this half.
const PUBLISHING: u64 = 1;

/// Most publishes at once. Source: chosen; `join_all` polls up to 30 in order each time.
const BURST_MAX: u64 = 16;

/// Bytes of most bodies at most. Source: chosen; a chat line.
const SMALL: u64 = 300;

/// Bytes of some bodies at most. Source: chosen; several of them fill a frame.
const LARGE: u64 = 20_000;

/// Where the number of a publish stands in the name of its author, where each publish has one of its own.
const COPIED_BITS: u32 = 20;
