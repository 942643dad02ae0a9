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
    /// Durable as the store says once the future ends in an [`Ack`].
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
        let waits = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.insert(seq);
            waiting.first().copied().unwrap_or(seq)
        };
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
        }]);
        let waiting = self.waiting.clone();
        async move {
            let mut outcomes = outcome.await?;
            waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&seq);
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
