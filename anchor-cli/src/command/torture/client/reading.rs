//! The half that reads: some rooms from their saved cursors or from the start, each event written down before the cursor
//! that covers it is saved.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use anchor_core::conformance::promise::{Entry, Reader, Record};
use anchor_core::id::RoomId;
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::From;
use anchor_transport::client::{Client, Delivery, Subscription};
use futures::future::join_all;
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::journal::{Journal, now_ms};
use crate::command::torture::history::{Line, Place};
use crate::dice::Dice;
use crate::exit::{Exit, Failure};

/// The heads to reach; `None` while there is no end.
pub(super) type Heads = Option<BTreeMap<RoomId, Offset>>;

/// Reads until it is told the heads and has reached them.
pub(super) struct Reading {
    client: Client,
    journal: Arc<Journal>,
    reader: Reader,
    rooms: Vec<Room>,
    heads: watch::Receiver<Heads>,
    seen: Arc<AtomicU64>,
    dice: Dice,
    is_slow: bool,
    /// Up to when beats say nothing: the newest that was written down, or the newest opening. One of before that may not
    /// speak of the room that was opened.
    beat_at_ms: u64,
    skips_beats: bool,
    save_at: Instant,
}

struct Room {
    name: RoomId,
    /// `None` while it is left.
    subscription: Option<Subscription>,
    /// The server has answered.
    is_open: bool,
    /// Everything up to here was taken.
    position: Position,
    /// What was saved last, or is the beginning.
    saved: Position,
}

impl Reading {
    /// Subscribes to `rooms`, each behind its saved cursor.
    ///
    /// # Errors
    /// A sentence where the journal or the client fails.
    pub(super) async fn begin(
        arguments: &crate::args::torture::Client,
        client: &Client,
        journal: &Arc<Journal>,
        heads: watch::Receiver<Heads>,
        seen: Arc<AtomicU64>,
    ) -> Result<Self, Failure> {
        let reader = Reader(arguments.reader);
        let mut rooms = Vec::new();
        for name in &arguments.reads {
            let saved = client.saved_cursor(CURSOR, name).await?;
            let found = saved.unwrap_or(Position::START);
            journal.note([Line::Found(Place::new(reader, name, &found))])?;
            let from = saved.map_or(From::Start, From::After);
            let subscription = Some(client.subscribe(name, from).await);
            let (name, is_open) = (name.clone(), false);
            rooms.push(Room { name, subscription, is_open, position: found, saved: found });
        }
        Ok(Self {
            client: client.clone(),
            journal: journal.clone(),
            reader,
            rooms,
            heads,
            seen,
            dice: Dice::new(arguments.seed, READING),
            is_slow: arguments.is_slow,
            beat_at_ms: 0,
            skips_beats: arguments.skips_beats,
            save_at: Instant::now() + SAVE_EVERY,
        })
    }

    /// Ends when the heads are reached, and that is saved.
    ///
    /// # Errors
    /// A sentence where the journal or the client fails, or the server ends a subscription.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.is_done() {
            tokio::select! {
                (at, delivery) = next(&mut self.rooms) => self.take(at, delivery)?,
                _ = tick.tick() => {}
                changed = self.heads.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
            if self.is_slow && self.heads.borrow().is_none() {
                tokio::time::sleep(self.dice.time(Duration::ZERO, SLOW)).await;
            } else {
                self.note_beat()?;
            }
            if self.save_at <= Instant::now() {
                self.save().await?;
                self.wander().await?;
                self.save_at = Instant::now() + self.dice.time(Duration::ZERO, 2 * SAVE_EVERY);
            }
        }
        self.save().await
    }

    fn is_done(&self) -> bool {
        self.heads.borrow().as_ref().is_some_and(|heads| {
            self.rooms.iter().all(|room| {
                let head = heads.get(&room.name).copied().unwrap_or_default();
                room.is_open && room.position.offset >= head
            })
        })
    }

    fn take(&mut self, at: usize, delivery: Option<Delivery>) -> Result<(), Failure> {
        let (reader, room) = (self.reader, &mut self.rooms[at]);
        let name = || room.name.clone();
        let reached = delivery.as_ref().and_then(Delivery::position);
        match delivery {
            Some(Delivery::Started { .. }) => {
                // Where it asked to go on, whatever the server says: what is missing from there on is told as a gap.
                let position = room.position;
                self.journal.write([Record::Opened { reader, room: name(), position }])?;
                room.is_open = true;
                self.beat_at_ms = self.beat_at_ms.max(now_ms());
                return Ok(());
            }
            Some(Delivery::Events(events)) => {
                self.seen.fetch_add(events.events.len() as u64, Ordering::Relaxed);
                self.journal.write(events.events.iter().map(|event| Record::Seen {
                    reader,
                    room: name(),
                    entry: Entry::of_marked(events.epoch, event),
                }))?;
            }
            Some(Delivery::Gap(gap)) => {
                self.journal.write([Record::Told { reader, room: name(), gap }])?;
            }
            Some(Delivery::Hidden { first, .. }) => {
                let what = format!("{first} of {} was hidden, which nobody asked for", room.name);
                return Err(Failure::new(Exit::Failure, what));
            }
            Some(Delivery::Ended { code, message }) => {
                let what = format!("the server ended the reading of {}: {message} ({code})", room.name);
                return Err(Failure::new(Exit::Failure, what));
            }
            None => return Err(Failure::new(Exit::Failure, "a subscription ended without a word")),
        }
        room.position = reached.unwrap_or(room.position);
        Ok(())
    }

    /// Writes down a beat that came: what the client says of all rooms, behind everything that it delivered before.
    fn note_beat(&mut self) -> Result<(), Failure> {
        let is_news = |at_ms: &u64| *at_ms > self.beat_at_ms && !self.skips_beats;
        let Some(at_ms) = self.client.current_as_of().filter(is_news) else { return Ok(()) };
        self.beat_at_ms = at_ms;
        // Read first and then drained: what had been delivered by the time of the beat is taken before it is judged.
        for at in 0..self.rooms.len() {
            while let Some(delivery) = self.rooms[at].subscription.as_mut().and_then(ready) {
                self.take(at, delivery)?;
            }
        }
        self.journal.write([Record::Beat { reader: self.reader, at_ms, lag: Vec::new() }])
    }

    /// Leaves a room now and then, and comes back to where it was.
    async fn wander(&mut self) -> Result<(), Failure> {
        let stays = self.heads.borrow().is_some();
        for room in &mut self.rooms {
            if room.subscription.is_none() && (stays || self.dice.chance(50)) {
                let from = match room.position {
                    Position::START => From::Start,
                    position => From::After(position),
                };
                room.subscription = Some(self.client.subscribe(&room.name, from).await);
            } else if room.is_open && !stays && self.dice.chance(2) {
                room.subscription = None;
                room.is_open = false;
                self.journal.write([Record::Closed { reader: self.reader, room: room.name.clone() }])?;
            }
        }
        Ok(())
    }

    /// Saves the cursors that have moved. They are written down as about to be saved, and as saved.
    async fn save(&mut self) -> Result<(), Failure> {
        let reader = self.reader;
        let moved: Vec<_> = self
            .rooms
            .iter_mut()
            .filter(|room| room.position != room.saved)
            .map(|room| {
                room.saved = room.position;
                (room.name.clone(), room.position)
            })
            .collect();
        let place = |(room, position): &(RoomId, Position)| Place::new(reader, room, position);
        self.journal.note(moved.iter().map(place).map(Line::Saving))?;
        let saves = moved.iter().map(|(room, position)| self.client.save_cursor(CURSOR, room, *position));
        for saved in join_all(saves).await {
            saved?;
        }
        self.journal.note(moved.iter().map(place).map(Line::Saved))
    }
}

/// The next delivery of any room.
async fn next(rooms: &mut [Room]) -> (usize, Option<Delivery>) {
    poll_fn(|context| {
        for (at, room) in rooms.iter_mut().enumerate() {
            let delivery = room.subscription.as_mut().map(|reading| reading.poll_next_unpin(context));
            if let Some(Poll::Ready(delivery)) = delivery {
                return Poll::Ready((at, delivery));
            }
        }
        Poll::Pending
    })
    .await
}

/// What has been delivered already. Not subject to tokio's budget, beyond which a full channel looks empty.
fn ready(subscription: &mut Subscription) -> Option<Option<Delivery>> {
    tokio::task::unconstrained(subscription.next()).now_or_never()
}

/// Under which name cursors are saved.
const CURSOR: &str = "torture";

/// Names the dice of this half.
const READING: u64 = 2;

/// Between two looks at what comes without a delivery. Source: chosen; far more often than beats come.
const TICK: Duration = Duration::from_millis(50);

/// Between two savings of cursors, on average. Source: chosen; a kill finds some events taken and not saved.
const SAVE_EVERY: Duration = Duration::from_millis(200);

/// How long a slow reader takes for a delivery at most. Source: chosen; long enough that its buffer fills.
const SLOW: Duration = Duration::from_millis(150);
