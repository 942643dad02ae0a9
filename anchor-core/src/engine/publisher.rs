//! A client of this very process: it publishes without a connection.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use thiserror::Error;

use super::Anchor;
use crate::error::ErrorKind;
use crate::event::Draft;
use crate::id::{ClientKey, ClientTag, Nonce, RoomId, Seq, SessionNumber};
use crate::publish::{Ack, Outcome, Publish, Refusal};
use crate::session::authorize;
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
    next: Seq,
    waiting: Arc<Mutex<BTreeSet<Seq>>>,
}

impl Publisher {
    pub(super) async fn open(anchor: Anchor, client: ClientKey) -> Result<Self, StoreError> {
        let state = anchor.store().open_client(&client, Seq::FIRST).await?;
        anchor.0.sessions.opened(&client, state.session, None);
        let next = state.highest.next();
        Ok(Self { anchor, client, session: state.session, next, waiting: Arc::default() })
    }

    /// The name under which others see this client.
    #[must_use]
    pub fn tag(&self) -> ClientTag {
        self.client.tag()
    }

    /// Appends an event to a room, once. Takes its place in line when called; many may be on their way.
    ///
    /// Durable as the store says once the future ends in an [`Ack`]. Who drops the future gives up the outcome, not the
    /// publish.
    ///
    /// # Errors
    /// [`PublishError`], by the future.
    pub fn publish(
        &mut self,
        room: &RoomId,
        draft: impl Into<Draft>,
    ) -> BoxFuture<'static, Result<Ack, PublishError>> {
        let draft = draft.into();
        let seq = self.next;
        self.next = seq.next();
        let (waits, waited) = Waited::enter(&self.waiting, seq);
        let mut nonce = [0; 4];
        self.anchor.env().fill_random(&mut nonce);
        let verdict = authorize::publish(room, &draft, self.anchor.missing_room());
        let outcome = self.anchor.append(vec![Publish {
            client: self.client.clone(),
            session: Some(self.session),
            seq,
            nonce: Nonce(u32::from_be_bytes(nonce)),
            waits,
            room: room.clone(),
            draft,
            verdict,
            grounds: None,
        }]);
        async move {
            let mut outcomes = outcome.await?;
            drop(waited);
            match outcomes.pop() {
                Some(Outcome::Acked(ack)) => Ok(ack),
                Some(Outcome::Refused(refusal)) => Err(PublishError::Refused(refusal)),
                Some(Outcome::WindowFull) => Err(PublishError::WindowFull),
                Some(Outcome::Fenced) | None => Err(PublishError::Replaced),
            }
        }
        .boxed()
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
