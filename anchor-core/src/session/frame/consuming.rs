//! Durable consumers, and the webhooks that stand on them.

use std::fmt;

use super::{From, RequestId};
use crate::engine::{ConsumerName, Series};
use crate::event::{Event, EventKey, EventKind};
use crate::id::RoomId;
use crate::position::{Epoch, Offset, Position};
use crate::resume::Gap;

/// Takes what comes next for a durable consumer of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consume {
    /// Repeated in `consumed`.
    pub id: RequestId,
    /// Which consumer; it comes into being.
    pub name: ConsumerName,
    /// Of which room; of all where none is named, for admins.
    pub room: Option<RoomId>,
    /// Where it begins if it comes into being: [`From::Start`] or [`From::Now`].
    pub from: From,
    /// How far the work is done, in rooms that were taken from in `series`.
    pub done: Vec<(RoomId, Position)>,
    /// Events wanted, at most. None: nothing is taken, and the answer says that `done` is durable.
    pub limit: u64,
    /// How long to wait for the first event, in milliseconds.
    pub wait_ms: u64,
    /// That of the last `consumed`: the client goes on, if it still holds the consumer. None: it takes it over, and is given what
    /// is not done.
    pub series: Option<Series>,
}

/// The answer to `consume`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// That of `consume`.
    pub id: RequestId,
    /// What there was; of one room there may be several, in order.
    pub parts: Vec<ConsumedPart>,
    /// Events that are there to be taken behind these, about; none as long as that was not counted.
    pub lag: Option<u64>,
    /// In which all of that is given. Where it is another than before, a replay has begun: what came before is void.
    pub series: Series,
}

/// What a consumer takes of one room: a gap if there is one, then events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedPart {
    /// Which room.
    pub room: RoomId,
    /// In which history the events were written; none if there are none.
    pub epoch: Option<Epoch>,
    /// The offset of the first event; zero if there are none.
    pub first: Offset,
    /// Contiguous events, in rising order.
    pub events: Vec<Event>,
    /// What the consumer will not get, or must drop, before the events.
    pub gap: Option<Gap>,
}

/// Whose consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Those of the asking user.
    #[default]
    Mine,
    /// Those of the server itself: search, webhooks, what the host has. For admins.
    Server,
}

impl Whose {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mine => "mine",
            Self::Server => "server",
        }
    }

    /// The choice of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Mine, Self::Server].into_iter().find(|whose| whose.name() == name)
    }
}

/// A change of a durable consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerChange {
    /// It takes nothing until it is resumed.
    Pause,
    /// It goes on where it was.
    Resume,
    /// It goes on from there, in all of its rooms: [`From::Start`] and [`From::Now`], and [`From::Offset`] in one room.
    Replay(From),
    /// It is no more.
    Remove,
}

/// A durable consumer in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerListing {
    /// Its name.
    pub name: ConsumerName,
    /// Of which room; of all where there is none.
    pub room: Option<RoomId>,
    /// It takes nothing for the time being.
    pub paused: bool,
    /// Events that are there and not done, about; none where that is too much to look at.
    pub lag: Option<u64>,
}

/// A change of the webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookChange {
    /// There is one like this; another of that name goes on where it was.
    Put(Webhook),
    /// There is none.
    Remove(ConsumerName),
    /// It sends nothing until it is resumed.
    Pause(ConsumerName),
    /// It goes on where it was.
    Resume(ConsumerName),
    /// It goes on from there, as a consumer does.
    Replay(ConsumerName, From),
    /// It sends one of its dead letters again, or all.
    RetryDead(ConsumerName, Option<EventKey>),
    /// It gives up one of its dead letters, or all.
    DropDead(ConsumerName, Option<EventKey>),
}

/// A webhook, as it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub name: ConsumerName,
    /// Where it sends to.
    pub url: String,
    /// Of which room; of all where there is none.
    pub room: Option<RoomId>,
    /// What it signs with; none keeps the one that it has.
    pub secret: Option<WebhookSecret>,
    /// Events of which kinds; of all where there are none.
    pub kinds: Vec<EventKind>,
}

/// What a webhook signs with. `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(pub String);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// A webhook in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookListing {
    /// Its name.
    pub name: ConsumerName,
    /// Where it sends to.
    pub url: String,
    /// Of which room; of all where there is none.
    pub room: Option<RoomId>,
    /// Events of which kinds; of all where there are none.
    pub kinds: Vec<EventKind>,
    /// It sends nothing for the time being.
    pub paused: bool,
    /// As of a consumer.
    pub lag: Option<u64>,
    /// Dead letters.
    pub dead: u64,
    /// How often what it sends now has failed.
    pub failures: u64,
    /// How it failed last, since it last went well; one sentence for a person.
    pub error: Option<String>,
    /// Dead letters that were dropped, as there was no room for them.
    pub dropped: u64,
}

/// What a webhook could not deliver. What was said is in the log alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event.
    pub key: EventKey,
    /// When it was given up, in milliseconds since the Unix epoch.
    pub at: u64,
    /// How often it was sent.
    pub attempts: u64,
    /// How it failed last; one sentence for a person.
    pub error: String,
}
