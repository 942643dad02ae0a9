//! What handles ask of the driver, and the tokens under which the machine knows those who wait.

use anchor_core::cursor::Readers;
use anchor_core::engine::{ConsumerName, Series};
use anchor_core::event::{Draft, EventKey};
use anchor_core::id::{RoomId, Seq, UserId};
use anchor_core::position::{Offset, Position};
use anchor_core::publish::Ack;
use anchor_core::search::Found;
use anchor_core::session::frame::{
    ClientFrame, Consume, Consumed, ConsumerChange, From, HistoryRange, Page, Presence, PublishFrame,
    RequestId, RoomListing, Signal, ThreadPage, WebhookChange, Which, Whose,
};
use anchor_core::store::Direction;
use anchor_core::user::{Profile, UserChange};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::answer::{ConsumerPage, Contacts, DeadLetterPage, MemberPage, Present, RoomPage, WebhookPage};
use super::error::{PublishError, RequestError};
use super::notice::{Undecided, UndecidedId};
use super::subscription::{Delivery, SubscribeOptions};
use super::watched::Told;

/// Names a subscription of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SubscriptionId(pub u64);

impl SubscriptionId {
    /// That of the room which the library reads by itself; applications count from 1.
    pub(super) const LIBRARY: Self = Self(0);
}

/// Names a watching of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WatchId(pub u64);

/// Names somebody who waits for an answer of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Waiter(pub u64);

/// One call of a handle.
#[derive(Debug)]
pub(super) enum Command {
    /// Puts a publish into the outbox.
    Publish {
        room: RoomId,
        draft: Draft,
        /// Its place in the outbox; given back by the driver when the entry has left it.
        place: OwnedSemaphorePermit,
        queued: oneshot::Sender<Result<Seq, PublishError>>,
        settled: oneshot::Sender<Result<Ack, PublishError>>,
    },
    /// Opens a subscription.
    Subscribe {
        subscription: SubscriptionId,
        room: RoomId,
        options: SubscribeOptions,
        deliveries: mpsc::Sender<Delivery>,
    },
    /// Ends a subscription.
    Unsubscribe { subscription: SubscriptionId },
    /// Asks the server something.
    Request { request: Request, patience: Patience, reply: oneshot::Sender<Result<Answer, RequestError>> },
    /// Makes a cursor durable.
    SaveCursor {
        name: String,
        room: RoomId,
        position: Position,
        saved: oneshot::Sender<Result<(), RequestError>>,
    },
    /// Drops a saved cursor.
    ForgetCursor { name: String, room: RoomId, forgotten: oneshot::Sender<Result<(), RequestError>> },
    /// Reads a saved cursor.
    SavedCursor { name: String, room: RoomId, reply: oneshot::Sender<Option<Position>> },
    /// Lists what a person must decide.
    Undecided { reply: oneshot::Sender<Vec<Undecided>> },
    /// Sends an undecided publish as a new one.
    Resend {
        id: UndecidedId,
        place: OwnedSemaphorePermit,
        queued: oneshot::Sender<Result<Seq, PublishError>>,
        settled: oneshot::Sender<Result<Ack, PublishError>>,
    },
    /// Gives an undecided publish up.
    Discard { id: UndecidedId, done: oneshot::Sender<Result<(), RequestError>> },
    /// Says something in passing.
    Signal(Signal),
    /// The user has read a room up to there.
    Read { room: RoomId, position: Position },
    /// Follows who reads, is there and types in a room.
    Watch { watch: WatchId, room: RoomId, told: watch::Sender<Option<Told>> },
    /// Ends that.
    Unwatch { watch: WatchId },
    /// How the user is there.
    Presence(Presence),
    /// The user types, or has stopped.
    Typing { room: RoomId, typing: bool },
    /// Publishes what is named after what it answers.
    Answer { publish: Box<PublishFrame>, reply: oneshot::Sender<Result<Answer, RequestError>> },
    /// Ends the client.
    Close { closed: oneshot::Sender<()> },
}

/// How long somebody waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The configured time.
    Limited,
    /// As long as the client lives: of the library itself, one question for each of its readers.
    Endless,
}

/// A question to the server, or a change of what it keeps of the user: all but a signal may be asked again after a reconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A page of a log.
    History { room: RoomId, range: HistoryRange, limit: u64 },
    /// The rooms there are.
    Rooms { which: Which, after: Option<RoomId>, limit: u64 },
    /// What a room is.
    Room { room: RoomId },
    /// Who belongs to it.
    Members { room: RoomId, after: Option<UserId>, limit: u64 },
    /// The replies to a message.
    Thread { room: RoomId, root: Offset, from: Direction, limit: u64 },
    /// What others see of users.
    Profiles { users: Vec<UserId> },
    /// Who may talk to the user.
    Contact,
    /// Changes what is kept of the user; the same again changes nothing.
    ChangeUser { change: UserChange },
    /// Who is there.
    Who { room: RoomId },
    /// Says something in passing, and asks who is there behind it: the answer to that tells that it was taken.
    Signal(Signal),
    /// Words in what was said.
    Search { text: String, limit: u64, after: Option<String> },
    /// How many have come to events.
    Readers { room: RoomId, offsets: Vec<Offset> },
    /// What comes next for a durable consumer.
    Consume(Box<ConsumeRequest>),
    /// The durable consumers there are.
    Consumers { whose: Whose, after: Option<ConsumerName>, limit: u64 },
    /// Changes one; the same again changes nothing more.
    ChangeConsumer { whose: Whose, name: ConsumerName, change: ConsumerChange },
    /// The webhooks there are.
    Webhooks { after: Option<ConsumerName>, limit: u64 },
    /// Changes them; the same again changes nothing more.
    ChangeWebhook(Box<WebhookChange>),
    /// What a webhook has given up.
    DeadLetters { name: ConsumerName, after: Option<EventKey>, limit: u64 },
}

/// A [`Request::Consume`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConsumeRequest {
    pub name: ConsumerName,
    pub room: Option<RoomId>,
    pub from: From,
    pub done: Vec<(RoomId, Position)>,
    pub limit: u64,
    pub wait_ms: u64,
    pub series: Option<Series>,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To `History`.
    Page(Page),
    /// To `Rooms`.
    Rooms(RoomPage),
    /// To `Room`.
    Room(Box<RoomListing>),
    /// To `Members`.
    Members(MemberPage),
    /// To `Thread`.
    Thread(ThreadPage),
    /// To `Profiles`.
    Profiles(Vec<(UserId, Profile)>),
    /// To `Contact`.
    Contact(Contacts),
    /// To whatever changes something.
    Done,
    /// To `Who` and `Signal`.
    Present(Present),
    /// To `Search`.
    Found(Box<Found>),
    /// To `Readers`.
    Readers(Vec<(Offset, Readers)>),
    /// To `Consume`.
    Consumed(Consumed),
    /// To `Consumers`.
    Consumers(ConsumerPage),
    /// To `Webhooks`.
    Webhooks(WebhookPage),
    /// To `DeadLetters`.
    DeadLetters(DeadLetterPage),
    /// To [`Command::Answer`]: where it stands, unless the event was answered before.
    Answered(Option<Ack>),
}

impl Request {
    /// The frame that asks it, and that its answer names; for a signal, the one behind that.
    pub(super) fn frame(self, id: RequestId) -> ClientFrame {
        match self {
            Self::History { room, range, limit } => ClientFrame::History { id, room, range, limit },
            Self::Rooms { which, after, limit } => ClientFrame::Rooms { id, after, limit, which },
            Self::Room { room } => ClientFrame::Room { id, room },
            Self::Members { room, after, limit } => ClientFrame::Members { id, room, after, limit },
            Self::Thread { room, root, from, limit } => ClientFrame::Thread { id, room, root, from, limit },
            Self::Profiles { users } => ClientFrame::Profiles { id, users },
            Self::Contact => ClientFrame::Contact { id },
            Self::ChangeUser { change } => ClientFrame::ChangeUser { id, change },
            Self::Who { room } | Self::Signal(Signal { room, .. }) => ClientFrame::Who { id, room },
            Self::Search { text, limit, after } => ClientFrame::Search { id, text, limit, after },
            Self::Readers { room, offsets } => ClientFrame::Readers { id, room, offsets },
            Self::Consume(consume) => {
                let ConsumeRequest { name, room, from, done, limit, wait_ms, series } = *consume;
                let consume = Consume { id, name, room, from, done, limit, wait_ms, series };
                ClientFrame::Consume(Box::new(consume))
            }
            Self::Consumers { whose, after, limit } => ClientFrame::Consumers { id, after, limit, whose },
            Self::ChangeConsumer { whose, name, change } => {
                ClientFrame::ChangeConsumer { id, name, change, whose }
            }
            Self::Webhooks { after, limit } => ClientFrame::Webhooks { id, after, limit },
            Self::ChangeWebhook(change) => ClientFrame::ChangeWebhook { id, change },
            Self::DeadLetters { name, after, limit } => ClientFrame::DeadLetters { id, name, after, limit },
        }
    }
}
