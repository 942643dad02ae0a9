//! A client of this very process: it publishes without a connection.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use thiserror::Error;

use super::Anchor;
use super::line::Line;
use crate::error::ErrorKind;
use crate::event::Draft;
use crate::id::{ClientKey, ClientTag, Nonce, RoomId, Seq, SessionNumber};
use crate::publish::{Ack, Grounds, Outcome, Publish, Refusal, Verdict};
use crate::session::frame::Signal;
use crate::store::StoreError;

/// Publishes as one client: allocates its seqs and keeps them in order.
///
/// It has no outbox: what was not acknowledged when the process ends may or may not stand in the log, so a program takes
/// a new `client_id` at every start, or keeps an outbox of its own.
#[derive(Debug)]
pub struct Publisher {
    anchor: Anchor,
    client: ClientKey,
    session: SessionNumber,
    admin: bool,
    next: Seq,
    waiting: Arc<Mutex<BTreeSet<Seq>>>,
    line: Line,
}

impl Publisher {
    pub(super) async fn open(anchor: Anchor, client: ClientKey) -> Result<Self, StoreError> {
        let state = anchor.store().open_client(&client, Seq::FIRST).await?;
        anchor.opened_ruled(&client, &state, Seq::FIRST);
        anchor.0.sessions.opened(&client, state.session, None);
        let next = state.highest.next();
        let line = Line::new(anchor.clone());
        let (admin, waiting) = (false, Arc::default());
        Ok(Self { anchor, client, session: state.session, admin, next, waiting, line })
    }

    /// The same client, acting for an admin of the server from now on: it may do everything in every room.
    #[must_use]
    pub fn as_admin(mut self) -> Self {
        self.admin = true;
        self
    }

    /// The name under which others see this client.
    #[must_use]
    pub fn tag(&self) -> ClientTag {
        self.client.tag()
    }

    /// Appends an event to a room, once. Takes its place in line when called; many may be on their way.
    ///
    /// Most publishes are handed to the store at once. One about another event, or that the host's hook is asked about, is
    /// prepared first, and what is published behind it waits: whoever awaits one of them drives those before it. Who drops
    /// the future gives up the outcome, not the publish; what nobody awaits goes on with the next that somebody does, or
    /// with [`Anchor::maintain`].
    ///
    /// After [`PublishError::WindowFull`], or where what a publish is about could not be read, later ones are answered the
    /// same: open the client anew.
    ///
    /// Durable as the store says once the future ends in an [`Ack`].
    ///
    /// # Errors
    /// [`PublishError`], by the future.
    pub fn publish(
        &mut self,
        room: &RoomId,
        draft: impl Into<Draft>,
    ) -> BoxFuture<'static, Result<Ack, PublishError>> {
        let (draft, admin) = (draft.into(), self.admin);
        let seq = self.next;
        self.next = seq.next();
        let (waits, waited) = Waited::enter(&self.waiting, seq);
        let mut nonce = [0; 4];
        self.anchor.env().fill_random(&mut nonce);
        let outcome = self.line.hand_over(Publish {
            client: self.client.clone(),
            session: Some(self.session),
            seq,
            nonce: Nonce(u32::from_be_bytes(nonce)),
            waits,
            room: room.clone(),
            draft,
            verdict: Verdict::Append { room: self.anchor.missing_room() },
            grounds: admin.then(|| Box::new(Grounds { admin, ..Grounds::default() })),
        });
        async move {
            let outcome = outcome.await?;
            drop(waited);
            match outcome {
                Outcome::Acked(ack) => Ok(ack),
                Outcome::Refused(refusal) => Err(PublishError::Refused(refusal)),
                Outcome::WindowFull => Err(PublishError::WindowFull),
                Outcome::Fenced => Err(PublishError::Replaced),
            }
        }
        .boxed()
    }

    /// Says something in passing; see [`Anchor::signal`].
    ///
    /// # Errors
    /// [`PublishError::Refused`] if the user may not write in the room; [`PublishError::Store`] if that could not be looked up.
    pub async fn signal(&self, signal: Signal) -> Result<(), PublishError> {
        let said = self.anchor.signal(&self.client, self.admin, signal).await?;
        said.map_err(PublishError::Refused)
    }
}

/// A publish of which somebody waits for the outcome: the store keeps it as long as this lives.
#[derive(Debug)]
struct Waited {
    waiting: Arc<Mutex<BTreeSet<Seq>>>,
    seq: Seq,
}

impl Waited {
    /// Adds `seq`; returns the lowest one that is waited for, too.
    fn enter(waiting: &Arc<Mutex<BTreeSet<Seq>>>, seq: Seq) -> (Seq, Self) {
        let mut seqs = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        seqs.insert(seq);
        let lowest = seqs.first().copied().unwrap_or(seq);
        (lowest, Self { waiting: waiting.clone(), seq })
    }
}

impl Drop for Waited {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.seq);
    }
}

/// Why a publish was not acknowledged.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It will never stand in the log.
    #[error("refused ({}): {}", .0.code, .0.message)]
    Refused(Refusal),
    /// More than [`crate::limits::WINDOW`] publishes are on their way. Nothing was appended; open the client anew.
    #[error("too many publishes are on their way; wait for their acks, then open the client anew")]
    WindowFull,
    /// Another session of this client was opened. Nothing was appended; go on with a new `client_id`.
    #[error("another session of this client was opened; go on with a new client id")]
    Replaced,
    /// The store could not take it; see its kind for what became of it.
    #[error("the store did not take the publish")]
    Store(#[from] StoreError),
}

impl PublishError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) => ErrorKind::Denied,
            Self::WindowFull => ErrorKind::Retry,
            Self::Replaced => ErrorKind::Closed,
            Self::Store(error) => error.kind(),
        }
    }
}
