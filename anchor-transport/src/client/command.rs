//! What handles ask of the driver, and the tokens under which the machine knows those who wait.

use anchor_core::event::Draft;
use anchor_core::id::{RoomId, Seq};
use anchor_core::position::Position;
use anchor_core::publish::Ack;
use anchor_core::session::frame::{From, HistoryRange, Page, RoomEntry};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::error::{PublishError, RequestError};
use super::handle::Presence;
use super::notice::{Undecided, UndecidedId};
use super::subscription::Delivery;

/// Names a subscription of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SubscriptionId(pub u64);

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
    Subscribe { subscription: SubscriptionId, room: RoomId, from: From, deliveries: mpsc::Sender<Delivery> },
    /// Ends a subscription.
    Unsubscribe { subscription: SubscriptionId },
    /// Asks the server something.
    Request { request: Request, reply: oneshot::Sender<Result<Answer, RequestError>> },
    /// Makes a cursor durable.
    SaveCursor {
        name: String,
        room: RoomId,
        position: Position,
        saved: oneshot::Sender<Result<(), RequestError>>,
    },
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
    /// Ends the client.
    Close { closed: oneshot::Sender<()> },
}

/// A question to the server that may be asked again after a reconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A page of a log.
    History { room: RoomId, range: HistoryRange, limit: u64 },
    /// The rooms there are.
    Rooms { after: Option<RoomId>, limit: u64 },
    /// Who is there.
    Who { room: RoomId },
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To `History`.
    Page(Page),
    /// To `Rooms`.
    Rooms { rooms: Vec<RoomEntry>, next: Option<RoomId> },
    /// To `Who`.
    Presence(Presence),
}
