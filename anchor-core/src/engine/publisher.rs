//! A client of this very process: it publishes without a connection.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use thiserror::Error;

use super::line::{Line, Sent};
use super::{Anchor, decided_before};
use crate::error::ErrorKind;
use crate::event::Draft;
use crate::id::{ClientKey, ClientTag, Nonce, RoomId, Seq, SessionNumber};
use crate::limits::WINDOW;
use crate::publish::{Ack, Grounds, Outcome, Publish, Refusal, Verdict};
use crate::session::frame::Signal;
use crate::store::StoreError;

/// Publishes as one client: allocates its seqs and keeps them in order.
///
/// It has no outbox: what was not acknowledged when the process ends may or may not stand in the log, so a program takes
/// a new `client_id` at every start, or keeps an outbox of its own and [numbers](Publisher::publish_numbered) what it sends.
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
        let seq = self.next;
        self.next = seq.next();
        let (waits, waited) = Waited::enter(&self.waiting, seq);
        let mut nonce = [0; 4];
        self.anchor.env().fill_random(&mut nonce);
        let nonce = Nonce(u32::from_be_bytes(nonce));
        let publish = self.put(Numbers { seq, nonce, waits }, room, draft.into());
        let outcome = self.line.hand_over(publish, Sent::First);
        async move {
            let outcome = outcome.await?;
            drop(waited);
            told(outcome)
        }
        .boxed()
    }

    /// As [`Publisher::publish`], under a seq of the caller's: for a program whose own clients number what they send, and
    /// send it again when they got no answer.
    ///
    /// The same seq, room and draft again is a repeat: it gets the first outcome and appends nothing, whoever sends it to
    /// whichever process over this store. Remembered are the [`WINDOW`] seqs up to the highest that was ever handed over. A
    /// repeat of an older one is refused `seq_forgotten`, a lower seq that was passed over `seq_skipped`, a seq that was used
    /// for something else `seq_conflict`; none of them appends anything. So seqs rise in the order in which they are sent
    /// first; gaps are allowed.
    ///
    /// Who numbers, numbers all: [`Publisher::publish`] of the same client has the store forget what lies before it.
    ///
    /// # Errors
    /// [`PublishError`], by the future. After any but [`PublishError::Refused`] nothing is known of this publish, and later
    /// ones fail, too: open the client anew, and hand over the same again.
    pub fn publish_numbered(
        &mut self,
        seq: Seq,
        room: &RoomId,
        draft: impl Into<Draft>,
    ) -> BoxFuture<'static, Result<Ack, PublishError>> {
        let sent = if seq < self.next { Sent::Again } else { Sent::First };
        self.next = self.next.max(seq.next());
        // Told by its seq alone: two clones of a client that the caller numbers are its own affair.
        let mut publish =
            self.put(Numbers { seq, nonce: Nonce(0), waits: window_of(seq) }, room, draft.into());
        if sent == Sent::Again && self.anchor.is_moderated() {
            publish.verdict = decided_before();
        }
        let outcome = self.line.hand_over(publish, sent);
        async move { told(outcome.await?) }.boxed()
    }

    fn put(&self, Numbers { seq, nonce, waits }: Numbers, room: &RoomId, draft: Draft) -> Publish {
        let admin = self.admin;
        Publish {
            client: self.client.clone(),
            session: Some(self.session),
            seq,
            nonce,
            waits,
            room: room.clone(),
            draft,
            verdict: Verdict::Append { room: self.anchor.missing_room() },
            grounds: admin.then(|| Box::new(Grounds { admin, ..Grounds::default() })),
        }
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

/// What a client gives to a publish.
struct Numbers {
    seq: Seq,
    nonce: Nonce,
    waits: Seq,
}

/// The lowest seq whose outcome is kept beside that of `seq`.
fn window_of(seq: Seq) -> Seq {
    Seq::new(seq.get().saturating_sub(WINDOW as u64 - 1)).map_or(Seq::FIRST, |lowest| lowest.max(Seq::FIRST))
}

fn told(outcome: Outcome) -> Result<Ack, PublishError> {
    match outcome {
        Outcome::Acked(ack) => Ok(ack),
        Outcome::Refused(refusal) => Err(PublishError::Refused(refusal)),
        Outcome::WindowFull => Err(PublishError::WindowFull),
        Outcome::Fenced => Err(PublishError::Replaced),
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
