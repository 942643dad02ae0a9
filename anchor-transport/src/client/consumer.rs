//! A durable consumer of the server's, taken from by this client.

use std::collections::{BTreeMap, VecDeque};

use anchor_core::engine::{ConsumerName, Series};
use anchor_core::event::EventKey;
use anchor_core::id::RoomId;
use anchor_core::limits::{CONSUME_DONE_MAX, HISTORY_EVENTS_MAX};
use anchor_core::position::Position;
use anchor_core::resume::Gap;
use anchor_core::session::frame::{Consumed, ConsumedPart, Events, From};
use tokio::sync::oneshot;

use super::command::{Answer, Command, ConsumeRequest, Patience, Request};
use super::error::RequestError;
use super::handle::Client;

/// What a consumer takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Contiguous events of a room.
    Events(Events),
    /// What it will not get of a room, or must drop of what it keeps of it.
    Gap {
        /// Which room.
        room: RoomId,
        /// What and why.
        gap: Gap,
    },
}

impl Work {
    /// Of which room.
    #[must_use]
    pub const fn room(&self) -> &RoomId {
        match self {
            Self::Events(events) => &events.room,
            Self::Gap { room, .. } => room,
        }
    }

    /// Up to where the work is done once this is; none behind a room that was deleted.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Events(events) => {
                events.events.last().map(|event| Position::at(events.epoch, event.mark()))
            }
            Self::Gap { gap, .. } => gap.position,
        }
    }

    /// The keys of its events, in their order: by them whoever acts on one twice knows it.
    pub fn keys(&self) -> impl Iterator<Item = EventKey> {
        let events = match self {
            Self::Events(events) => Some(events),
            Self::Gap { .. } => None,
        };
        events.into_iter().flat_map(|events| {
            events.events.iter().map(|event| EventKey {
                room: events.room.clone(),
                epoch: events.epoch,
                offset: event.offset,
            })
        })
    }
}

/// Takes from a durable consumer of the user, which the server keeps: at least once, in each room in the order of its log.
///
/// What was taken and not said to be [`Consumer::done`] comes again, after a crash of either side or a lost connection; so may what
/// was done in the second before. With the first question it takes the consumer over from whoever has it; over lost connections it
/// goes on. Once another has taken its place it is over, for good: every question is [`RequestError::Refused`] with `replaced`.
#[derive(Debug)]
pub struct Consumer {
    client: Client,
    name: ConsumerName,
    room: Option<RoomId>,
    from: From,
    /// As the server told it last. Everything below is of it, and void where the next answer is of another.
    series: Option<Series>,
    taken: VecDeque<Work>,
    /// Up to where work was handed out, in rooms of which not all of that is said to be done.
    given: BTreeMap<RoomId, Position>,
    /// To be told.
    done: BTreeMap<RoomId, Position>,
    /// Told, and perhaps not durable.
    told: BTreeMap<RoomId, Position>,
    lag: Option<u64>,
    /// A question whose answer has not come, and what it says to be done: kept, so that dropping a call loses nothing.
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    answer: oneshot::Receiver<Result<Answer, RequestError>>,
    done: Vec<(RoomId, Position)>,
    /// With its answer all that is said to be done is durable.
    flushes: bool,
}

impl Consumer {
    pub(super) fn new(client: Client, name: ConsumerName, room: Option<RoomId>, from: From) -> Self {
        let [given, done, told] = [const { BTreeMap::new() }; 3];
        let taken = VecDeque::new();
        Self { client, name, room, from, series: None, taken, given, done, told, lag: None, asked: None }
    }

    /// What comes next; waits for it as long as it takes, reconnects included.
    ///
    /// # Errors
    /// [`RequestError::Refused`]: `replaced`, `name_unknown` once it was removed, `denied`, `invalid` for a consumer of another
    /// room, or what reading the room is refused with; [`RequestError::Stopped`], [`RequestError::Closed`].
    ///
    /// # Cancellation
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Work, RequestError> {
        loop {
            if let Some(work) = self.taken.pop_front() {
                match work.position() {
                    Some(position) => drop(self.given.insert(work.room().clone(), position)),
                    None => drop(self.given.remove(work.room())),
                }
                return Ok(work);
            }
            if self.told.len() >= CONSUME_DONE_MAX {
                self.flush().await?;
            } else {
                self.ask(Wanted::Next).await?;
            }
        }
    }

    /// The work is done up to `position` in a room, of what was handed out: told with the next question, durable a second later
    /// or with [`Consumer::flush`]. Once a replay has begun, what was handed out before is passed over.
    pub fn done(&mut self, room: &RoomId, position: Position) {
        let Some(given) = self.given.get(room) else { return };
        if given.epoch == position.epoch && given.offset < position.offset {
            return;
        }
        if *given == position {
            self.given.remove(room);
        }
        let further = self.done.get(room).is_none_or(|known| {
            // Another history is further on, wherever it begins.
            known.epoch != position.epoch || known.offset < position.offset
        });
        if further {
            self.done.insert(room.clone(), position);
        }
    }

    /// Tells what is done, and returns once all of that is durable, what was told before included. What comes meanwhile is kept
    /// for [`Consumer::next`].
    ///
    /// # Errors
    /// As [`Consumer::next`].
    ///
    /// # Cancellation
    /// Dropping the future loses nothing.
    pub async fn flush(&mut self) -> Result<(), RequestError> {
        loop {
            if self.asked.is_none() {
                // Told once more: what the connection that it was told on had not kept went with it.
                for (room, position) in std::mem::take(&mut self.told) {
                    self.done.entry(room).or_insert(position);
                }
                if self.done.is_empty() {
                    return Ok(());
                }
            }
            self.ask(Wanted::Flush).await?;
        }
    }

    /// Events that were there to be taken, behind those that have come, when something came last, about; none as long as nobody
    /// has counted them.
    #[must_use]
    pub const fn lag(&self) -> Option<u64> {
        self.lag
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &ConsumerName {
        &self.name
    }

    /// Asks, or waits for the answer to what was asked before.
    async fn ask(&mut self, wanted: Wanted) -> Result<(), RequestError> {
        if self.asked.is_none() {
            let asked = self.question(wanted).await?;
            self.asked = Some(asked);
        }
        let Some(Asked { answer, .. }) = &mut self.asked else { return Ok(()) };
        let answer = answer.await;
        let Some(asked) = self.asked.take() else { return Ok(()) };
        let Answer::Consumed(consumed) = answer.map_err(|_| RequestError::Closed)?? else {
            return Err(RequestError::Closed);
        };
        self.answered(asked, consumed);
        Ok(())
    }

    async fn question(&self, wanted: Wanted) -> Result<Asked, RequestError> {
        let done: Vec<_> =
            self.done.iter().take(CONSUME_DONE_MAX).map(|(room, at)| (room.clone(), *at)).collect();
        let (limit, wait_ms) = match wanted {
            // Until it was answered once nobody can tell it from a newcomer: that is not waited for.
            Wanted::Next if self.series.is_none() => (HISTORY_EVENTS_MAX as u64, 0),
            Wanted::Next => (HISTORY_EVENTS_MAX as u64, WAIT_MS),
            Wanted::Flush => (0, 0),
        };
        let request = Request::Consume(Box::new(ConsumeRequest {
            name: self.name.clone(),
            room: self.room.clone(),
            from: self.from,
            done: done.clone(),
            limit,
            wait_ms,
            series: self.series,
        }));
        let (reply, answer) = oneshot::channel();
        self.client.send(Command::Request { request, patience: Patience::Endless, reply }).await?;
        Ok(Asked { answer, done, flushes: limit == 0 })
    }

    fn answered(&mut self, asked: Asked, consumed: Consumed) {
        let Consumed { parts, lag, series, .. } = consumed;
        if self.series != Some(series) {
            self.series = Some(series);
            self.taken.clear();
            self.given.clear();
            self.done.clear();
            self.told.clear();
        } else {
            for (room, position) in asked.done {
                if self.done.get(&room) == Some(&position) {
                    self.done.remove(&room);
                }
                if !asked.flushes {
                    self.told.insert(room, position);
                }
            }
        }
        self.lag = lag;
        for ConsumedPart { room, epoch, first, events, gap } in parts {
            self.taken.extend(gap.map(|gap| Work::Gap { room: room.clone(), gap }));
            if let (Some(epoch), false) = (epoch, events.is_empty()) {
                self.taken.push_back(Work::Events(Events { room, epoch, first, events }));
            }
        }
    }
}

/// What a question is for.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// What comes next.
    Next,
    /// That everything is durable.
    Flush,
}

/// How long the server waits for something to take, in milliseconds. Source: chosen; a heartbeat.
const WAIT_MS: u64 = 20_000;
