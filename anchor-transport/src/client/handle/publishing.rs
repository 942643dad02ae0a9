//! Publishing: into the outbox, and what becomes of what is in it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anchor_core::code::Code;
use anchor_core::event::{Body, Draft};
use anchor_core::id::{RoomId, Seq};
use anchor_core::limits::BODY_BYTES_MAX;
use anchor_core::publish::{Ack, Refusal};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Client;
use crate::client::command::Command;
use crate::client::error::{PublishError, RequestError};
use crate::client::notice::{ConnectionState, Undecided, UndecidedId};

impl Client {
    /// Puts a publish into the outbox and returns once it is on disk there (at once where the state is in memory).
    ///
    /// It is sent in the order of the calls (in which they are first polled, where several run at once), now or whenever
    /// there is a server, and appended exactly once. Waits while the outbox is full. The future that it returns resolves
    /// with the ack. Calls that run at once share a commit: many lines want many calls in flight.
    ///
    /// # Errors
    /// - [`PublishError::Refused`]: the body is larger than any server takes, or the target is no event's offset.
    /// - [`PublishError::Stopped`], [`PublishError::Closed`], [`PublishError::Outbox`]: it was not queued.
    ///
    /// # Cancellation
    /// Dropping the future may or may not have queued it.
    pub async fn publish(
        &self,
        room: &RoomId,
        draft: impl Into<PublishBody>,
    ) -> Result<Publishing, PublishError> {
        let PublishBody(draft) = draft.into();
        if draft.body.bytes().len() > BODY_BYTES_MAX {
            let message =
                format!("a body has at most {BODY_BYTES_MAX} bytes, this one {}", draft.body.bytes().len());
            return Err(PublishError::Refused(Refusal::new(Code::BodyTooLarge, message)));
        }
        if !draft.is_sound() {
            let message = "an event is about an offset from 1 to 2^53 - 1";
            return Err(PublishError::Refused(Refusal::new(Code::Invalid, message)));
        }
        let room = room.clone();
        self.queue(|place, queued, settled| Command::Publish { room, draft, place, queued, settled }).await
    }

    /// How many publishes are in the outbox, unanswered.
    #[must_use]
    pub fn pending(&self) -> usize {
        *self.shared.pending.borrow()
    }

    /// Waits until every publish in the outbox is answered.
    ///
    /// # Errors
    /// [`PublishError::Closed`] or [`PublishError::Stopped`] if that cannot happen any more.
    pub async fn flushed(&self) -> Result<(), PublishError> {
        let mut pending = self.shared.pending.clone();
        let mut states = self.shared.states.clone();
        loop {
            if *pending.borrow_and_update() == 0 {
                return Ok(());
            }
            match states.borrow_and_update().clone() {
                ConnectionState::Stopped { code, message } => {
                    return Err(PublishError::Stopped { code, message });
                }
                ConnectionState::Closed => return Err(PublishError::Closed),
                _ => {}
            }
            // Both are looked at again, whichever it was.
            tokio::select! {
                biased;
                changed = pending.changed() => changed.map_err(|_| PublishError::Closed)?,
                changed = states.changed() => changed.map_err(|_| PublishError::Closed)?,
            }
        }
    }

    /// The publishes that only a person can decide about, oldest first.
    ///
    /// # Errors
    /// [`RequestError::Closed`].
    pub async fn undecided(&self) -> Result<Vec<Undecided>, RequestError> {
        self.ask(|reply| Command::Undecided { reply }).await
    }

    /// Sends an undecided publish as a new one, behind everything that is queued.
    ///
    /// # Errors
    /// As [`Client::publish`]; [`PublishError::Unconfirmed`] if nothing undecided has this id.
    pub async fn resend(&self, id: UndecidedId) -> Result<Publishing, PublishError> {
        self.queue(|place, queued, settled| Command::Resend { id, place, queued, settled }).await
    }

    /// Gives an undecided publish up; one that is decided already is no error.
    ///
    /// # Errors
    /// [`RequestError::State`] or [`RequestError::Closed`].
    pub async fn discard(&self, id: UndecidedId) -> Result<(), RequestError> {
        self.ask(|done| Command::Discard { id, done }).await?
    }

    /// Publishes what may be so already.
    pub(super) async fn change(&self, room: &RoomId, draft: Draft) -> Result<Changing, PublishError> {
        self.publish(room, draft).await.map(Changing)
    }

    async fn queue(
        &self,
        command: impl FnOnce(OwnedSemaphorePermit, QueuedSender, SettledSender) -> Command,
    ) -> Result<Publishing, PublishError> {
        let (queued, queued_at) = oneshot::channel();
        let (settled, outcome) = oneshot::channel();
        {
            let _first_in_line = self.shared.line.lock().await;
            let place = self.shared.places.clone().acquire_owned().await.map_err(|_| self.ended())?;
            self.commands.send(command(place, queued, settled)).await.map_err(|_| self.ended())?;
        }
        let seq = queued_at.await.map_err(|_| self.ended())??;
        Ok(Publishing { seq, outcome, client: self.clone() })
    }
}

type QueuedSender = oneshot::Sender<Result<Seq, PublishError>>;
type SettledSender = oneshot::Sender<Result<Ack, PublishError>>;

/// A queued publish: resolves with its ack, however many reconnects that takes.
///
/// Dropping it does not take the publish back.
#[must_use = "a publish may be refused"]
#[derive(Debug)]
pub struct Publishing {
    seq: Seq,
    outcome: oneshot::Receiver<Result<Ack, PublishError>>,
    client: Client,
}

impl Publishing {
    /// The number it was queued under. A client that turns out to be a copy of another may send it under a new one.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }
}

impl Future for Publishing {
    type Output = Result<Ack, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(context));
        Poll::Ready(outcome.unwrap_or_else(|_| Err(self.client.ended())))
    }
}

/// What [`Client::publish`] takes: a [`Draft`], or a text or [`Body`] that becomes a message.
#[derive(Clone, Debug)]
pub struct PublishBody(pub(super) Draft);

impl std::convert::From<Draft> for PublishBody {
    fn from(draft: Draft) -> Self {
        Self(draft)
    }
}

impl std::convert::From<Body> for PublishBody {
    fn from(body: Body) -> Self {
        Self(Draft::message(body))
    }
}

impl std::convert::From<&str> for PublishBody {
    fn from(text: &str) -> Self {
        Self(Draft::message(text))
    }
}

impl std::convert::From<String> for PublishBody {
    fn from(text: String) -> Self {
        Self(Draft::message(text))
    }
}

/// A queued change of something that may be so already: resolves once it is so, however many reconnects that takes.
///
/// Dropping it does not take the change back.
#[must_use = "a change may be refused"]
#[derive(Debug)]
pub struct Changing(Publishing);

/// How a change came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// By this event.
    Now(Ack),
    /// It was so before: nothing was appended.
    Already,
}

impl Changing {
    /// The number it was queued under, as [`Publishing::seq`].
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.0.seq()
    }
}

impl Future for Changing {
    type Output = Result<Changed, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(ack) => Ok(Changed::Now(ack)),
            Err(error) if error.is_so_already() => Ok(Changed::Already),
            Err(error) => Err(error),
        })
    }
}
