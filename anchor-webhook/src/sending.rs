//! One attempt of a webhook: what stands in the log is read, sent, and judged.

use anchor_core::engine::{Anchor, ConsumerName};
use anchor_core::event::{Event, EventKey};
use anchor_core::id::RoomId;
use anchor_core::position::{Chain, Epoch, Offset, Position};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::store::StoreError;
use tokio::sync::Notify;

use crate::body::{self, Letter};
use crate::dead::DeadLetters;
use crate::failing::Failing;
use crate::lanes::{Part, Turn};
use crate::options::Retry;
use crate::poster::{Message, PostError, Poster};
use crate::reading::{self, Found};
use crate::row::Row;
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
    pub(crate) failing: Failing,
    pub(crate) status: Status,
    /// Something is to be sent again.
    pub(crate) nudge: Notify,
    /// Comes to an end.
    pub(crate) stop: Notify,
}

/// What became of something that was on its way.
pub(crate) enum Sent {
    /// A turn of a room.
    Turn(RoomId, Turn, Step),
    /// A dead letter.
    Dead(EventKey, Step),
}

pub(crate) enum Step {
    /// Up to here; there is more of the part.
    Advanced(Until),
    /// All of it.
    Finished,
    /// It was not taken.
    Failed(Failure),
    /// It could not be read.
    Unread(StoreError),
    /// It is not in the log any more.
    NotThere,
}

/// Where something ends that is followed by more of its part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until {
    pub(crate) offset: Offset,
    /// The place of an event, as the consumer knows it; none of a gap.
    pub(crate) position: Option<Position>,
}

/// What was not taken, and why.
pub(crate) struct Failure {
    pub(crate) error: PostError,
    /// How often by now.
    pub(crate) failures: u32,
    /// The event, unless it was a gap or several.
    pub(crate) event: Option<EventKey>,
    /// Where it ends, and more of the part follows; none where nothing does.
    pub(crate) until: Option<Until>,
    /// Where it begins, and in which history.
    at: (Option<Epoch>, Offset),
}

impl Job {
    /// Sends what a room's turn is, and keeps how often that has failed.
    pub(crate) async fn turn(&self, room: RoomId, turn: Turn) -> Sent {
        let mut step = self.send_turn(&room, &turn).await;
        match &mut step {
            Step::Failed(failure) => {
                let (epoch, at) = failure.at;
                failure.failures = self.failing.failed(&room, epoch, at, turn.failures).await;
            }
            Step::Advanced(until) => self.failing.went_on(&room, Some(until.offset)).await,
            Step::Finished => self.failing.went_on(&room, turn.part.last()).await,
            Step::NotThere => self.failing.went_on(&room, None).await,
            Step::Unread(_) => {}
        }
        Sent::Turn(room, turn, step)
    }

    async fn send_turn(&self, room: &RoomId, turn: &Turn) -> Step {
        match turn.part {
            Part::Gap(gap) => self.tell_gap(room, &gap, None).await,
            Part::Events { end, .. } => {
                match reading::events(&**self.anchor.store(), room, turn.next, &end).await {
                    Ok(Found::Events(events)) => match end.epoch {
                        Some(epoch) => self.send(room, epoch, events, turn.single).await,
                        None => Step::Finished,
                    },
                    Ok(Found::Trimmed(gap)) => {
                        let until = (gap.to < end.offset).then_some(gap.to);
                        self.tell_gap(room, &gap, until).await
                    }
                    Ok(Found::Gone) => Step::NotThere,
                    Err(error) => Step::Unread(error),
                }
            }
        }
    }

    /// Sends those of `events` that are of interest, or the first of them.
    async fn send(&self, room: &RoomId, epoch: Epoch, events: Vec<Event>, single: bool) -> Step {
        let end = events.last().map(|event| event.offset);
        let mut wanted: Vec<_> = events.into_iter().filter(|event| self.row.sends(event.kind)).collect();
        if single {
            wanted.truncate(1);
        }
        let place = |event: &Event| (event.offset, event.chain);
        let (Some((first, _)), Some((last, chain))) = (wanted.first().map(place), wanted.last().map(place))
        else {
            return Step::Finished;
        };
        let event = (wanted.len() == 1).then(|| EventKey { room: room.clone(), epoch, offset: last });
        // What is left behind the only one may be of interest, too.
        let until = (single && Some(last) != end).then(|| Until::event(epoch, last, chain));
        let result = self.post(body::of_events(&self.name, room, epoch, wanted)).await;
        Step::of(result, event, until, (Some(epoch), first))
    }

    /// Tells of a gap; more of the part follows where it ends at `until`.
    async fn tell_gap(&self, room: &RoomId, gap: &Gap, until: Option<Offset>) -> Step {
        let result = self.post(body::of_gap(&self.name, room, gap)).await;
        let until = until.map(|offset| Until { offset, position: None });
        Step::of(result, None, until, (gap.position.and_then(|position| position.epoch), gap.from))
    }

    /// Sends a dead letter again, once.
    pub(crate) async fn dead(&self, key: EventKey) -> Sent {
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

impl Step {
    fn of(
        result: Result<(), PostError>,
        event: Option<EventKey>,
        until: Option<Until>,
        at: (Option<Epoch>, Offset),
    ) -> Self {
        match (result, until) {
            (Err(error), until) => Self::Failed(Failure { error, failures: 1, event, until, at }),
            (Ok(()), Some(until)) => Self::Advanced(until),
            (Ok(()), None) => Self::Finished,
        }
    }
}

impl Until {
    const fn event(epoch: Epoch, offset: Offset, chain: Chain) -> Self {
        Self { offset, position: Some(Position { epoch: Some(epoch), offset, chain }) }
    }
}

impl Part {
    /// The last offset that is over with it; none where nothing of the log as it was is left.
    pub(crate) fn last(&self) -> Option<Offset> {
        match self {
            Self::Events { end, .. } => Some(end.offset),
            Self::Gap(gap) => (gap.reason == GapReason::Trimmed).then_some(gap.to),
        }
    }
}
