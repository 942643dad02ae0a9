//! A durable consumer of the server's, taken from by this client.

use std::collections::{BTreeMap, VecDeque};

use anchor_core::engine::ConsumerName;
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
/// was done in the second before. Another holder of the same name takes its place: [`RequestError::Refused`] with `replaced`.
#[derive(Debug)]
pub struct Consumer {
    client: Client,
    name: ConsumerName,
    room: Option<RoomId>,
    from: From,
    taken: VecDeque<Work>,
    done: BTreeMap<RoomId, Position>,
    lag: u64,
    /// A question whose answer has not come, and what it says to be done: kept, so that dropping a call loses nothing.
    asked: Option<Asked>,
}

/// Where the answer comes, and what was said to be done.
type Asked = (oneshot::Receiver<Result<Answer, RequestError>>, Vec<(RoomId, Position)>);

impl Consumer {
    pub(super) fn new(client: Client, name: ConsumerName, room: Option<RoomId>, from: From) -> Self {
        let (taken, done) = (VecDeque::new(), BTreeMap::new());
        Self { client, name, room, from, taken, done, lag: 0, asked: None }
    }

    /// What comes next; waits for it as long as it takes, reconnects included.
    ///
    /// # Errors
    /// [`RequestError::Refused`]: `replaced`, `denied`, `invalid` for a consumer of another room, or what reading the room is
    /// refused with; [`RequestError::Stopped`], [`RequestError::Closed`].
    ///
    /// # Cancellation
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Work, RequestError> {
        loop {
            if let Some(work) = self.taken.pop_front() {
                return Ok(work);
            }
            self.ask(HISTORY_EVENTS_MAX as u64, WAIT_MS).await?;
        }
    }

    /// The work is done up to `position` in a room: told with the next question, durable a second later.
    pub fn done(&mut self, room: &RoomId, position: Position) {
        let further = self.done.get(room).is_none_or(|known| {
            // Another history is further on, wherever it begins.
            known.epoch != position.epoch || known.offset < position.offset
        });
        if further {
            self.done.insert(room.clone(), position);
        }
    }

    /// Tells what is done, and returns once that is durable. What comes meanwhile is kept for [`Consumer::next`].
    ///
    /// # Errors
    /// As [`Consumer::next`].
    pub async fn flush(&mut self) -> Result<(), RequestError> {
        while self.asked.is_some() || !self.done.is_empty() {
            self.ask(0, 0).await?;
        }
        Ok(())
    }

    /// Events that were there to be taken, behind those that have come, when something came last.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.lag
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &ConsumerName {
        &self.name
    }

    async fn ask(&mut self, limit: u64, wait_ms: u64) -> Result<(), RequestError> {
        if self.asked.is_none() {
            let done: Vec<_> =
                self.done.iter().take(CONSUME_DONE_MAX).map(|(room, at)| (room.clone(), *at)).collect();
            let Self { name, room, from, .. } = &*self;
            let request = ConsumeRequest {
                name: name.clone(),
                room: room.clone(),
                from: *from,
                done: done.clone(),
                limit,
                wait_ms,
            };
            let (reply, answer) = oneshot::channel();
            let request = Request::Consume(Box::new(request));
            self.client.send(Command::Request { request, patience: Patience::Endless, reply }).await?;
            self.asked = Some((answer, done));
        }
        let Some((answer, _)) = &mut self.asked else { return Ok(()) };
        let answer = answer.await;
        let Some((_, told)) = self.asked.take() else { return Ok(()) };
        let Answer::Consumed(Consumed { parts, lag, .. }) = answer.map_err(|_| RequestError::Closed)?? else {
            return Err(RequestError::Closed);
        };
        for (room, position) in told {
            if self.done.get(&room) == Some(&position) {
                self.done.remove(&room);
            }
        }
        self.lag = lag;
        for ConsumedPart { room, epoch, first, events, gap } in parts {
            self.taken.extend(gap.map(|gap| Work::Gap { room: room.clone(), gap }));
            if let (Some(epoch), false) = (epoch, events.is_empty()) {
                self.taken.push_back(Work::Events(Events { room, epoch, first, events }));
            }
        }
        Ok(())
    }
}

/// How long the server waits for something to take, in milliseconds. Source: chosen; a heartbeat.
const WAIT_MS: u64 = 20_000;
