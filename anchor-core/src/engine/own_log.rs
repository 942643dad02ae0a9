//! Users' own logs: what concerns a user, in a room that only they read. Derived from the rooms' logs by a consumer, exactly
//! once, so that what is new to a user is arithmetic there, too: the head less the read cursor.
//!
//! An entry refers to an event and never quotes it, so that a redaction needs to reach nothing here.
//!
//! **Exactly once.** The consumer gives every event at least once, and several nodes may go through the logs at once. The
//! entries of one event are one batch, published by the acting user under a client id that follows from the room and the
//! epoch, with seqs that follow from the offset: the last one is always the same. So the first batch that is committed wins,
//! whoever made it, and every later one is answered as a repeat (`docs/decisions/0017-seqs-of-own-logs.md`).
//!
//! **A database that goes back** under nodes that run takes entries with it whose events stand, while the consumer remembers
//! that it was there. So an entry is taken only while its room is in the history that it was derived under, and whoever comes
//! to the end of a history, or finds that there is a newer one, goes through the room once more from its beginning: what
//! stands is a repeat.

mod entry;
mod recipients;
mod turn;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};

pub use self::entry::{ENTRY_CONTENT_TYPE, Entry, EntryKind};
use super::consumers::{Begin, Consumer, ConsumerError, ConsumerName, Interest, Scope, Taken};
use super::{Anchor, Delivery, Events};
use crate::code::Code;
use crate::error::ErrorKind;
use crate::event::Draft;
use crate::id::{ClientId, ClientKey, Nonce, RoomId, Seq, UserId};
use crate::limits::{
    CONSUMER_PLACES_MAX, CONSUMER_POLL, CONSUMER_READ_BYTES, CONSUMER_READ_EVENTS, OWN_LOG_RESTS,
    OWN_LOG_SEQS,
};
use crate::position::{Epoch, Offset};
use crate::publish::{Grounds, MissingRoom, Outcome, Publish, Source, Verdict};
use crate::resume::GapReason;
use crate::run::Contents;
use crate::sabotage::{self, Sabotage};
use crate::store::{Direction, Read, StoreError};

impl Anchor {
    /// Derives own logs for ever; does nothing where the host does not want them.
    pub(super) async fn derive_own_logs(&self) -> Infallible {
        if !self.0.own_logs {
            return futures::future::pending().await;
        }
        loop {
            let rested = match self.derive().await {
                Err(ConsumerError::Replaced) => self.await_turn().await,
                Err(error) => {
                    if error.kind() != ErrorKind::Closed {
                        tracing::warn!(%error, "users' own logs could not be derived");
                    }
                    self.env().sleep_until(self.now() + OWN_LOG_RESTS).await;
                    Ok(())
                }
                Ok(never) => match never {},
            };
            if let Err(error) = rested {
                tracing::warn!(%error, "it could not be seen who derives users' own logs");
            }
        }
    }

    /// The consumer that users' own logs are derived by.
    pub(super) async fn own_log_consumer(&self) -> Result<Consumer, ConsumerError> {
        let name = ConsumerName::new("anchor.own-log").expect("small letters, a dot and a hyphen are a name");
        let consumer = self.consumer(&name, Scope::All, Begin::Start).await?;
        Ok(consumer.interested_in(Interest::any_of(OF_INTEREST)))
    }

    async fn derive(&self) -> Result<Infallible, ConsumerError> {
        let mut consumer = self.own_log_consumer().await?;
        let (mut deriving, mut asked_at) = (Deriving::default(), self.now());
        loop {
            if self.now() >= asked_at {
                self.answer_claim().await?;
                asked_at = self.now() + CONSUMER_POLL;
            }
            let taken = match select(pin!(consumer.next()), self.env().sleep_until(asked_at)).await {
                Either::Left((taken, _)) => taken?,
                Either::Right(_) => continue,
            };
            self.derive_taken(&taken, &mut deriving).await?;
            consumer.done(&taken.room, &taken.position());
        }
    }

    /// Publishes the entries of what the consumer was given, and before that those that may have gone with a database that went
    /// back.
    pub(super) async fn derive_taken(
        &self,
        taken: &Taken,
        deriving: &mut Deriving,
    ) -> Result<(), ConsumerError> {
        let room = &taken.room;
        match &taken.delivery {
            Delivery::Events(events) => {
                let newest = deriving.newest(room).unwrap_or_else(|| events.epoch());
                if self.derive_from(room, events, newest).await? == Derived::OtherHistory {
                    // These may be gone with it: of the log as it is.
                    self.derive_again(room, events.position().offset, deriving).await?;
                }
            }
            Delivery::Gap(gap) if gap.reason == GapReason::Restored => {
                let newest = self.derive_again(room, gap.from.previous(), deriving).await?;
                if gap.position.is_none_or(|position| position.epoch == newest) {
                    deriving.0.remove(room);
                }
            }
            Delivery::Gap(gap) if gap.reason == GapReason::Trimmed => {}
            Delivery::Gap(_) => drop(deriving.0.remove(room)),
        }
        Ok(())
    }

    /// Publishes once more the entries of all events up to `until`, unless that was done in the room's newest history; says
    /// which that is, none where there is no such room.
    async fn derive_again(
        &self,
        room: &RoomId,
        until: Offset,
        deriving: &mut Deriving,
    ) -> Result<Option<Epoch>, ConsumerError> {
        loop {
            let newest = self.epoch_now(room).await?;
            let Some(epoch) = newest.filter(|epoch| deriving.newest(room) != Some(*epoch)) else {
                return Ok(newest);
            };
            if self.derive_up_to(room, until, epoch).await? == Derived::All {
                deriving.begin(room, epoch);
            }
        }
    }

    async fn derive_up_to(
        &self,
        room: &RoomId,
        until: Offset,
        newest: Epoch,
    ) -> Result<Derived, ConsumerError> {
        let mut after = Offset::ZERO;
        while after < until {
            let from = Direction::After(after);
            let (events_max, bytes_max) = (CONSUMER_READ_EVENTS, CONSUMER_READ_BYTES);
            let runs = self.store().read(Read { room: room.clone(), from, events_max, bytes_max }).await?;
            if runs.is_empty() {
                // What was trimmed away concerns nobody any more.
                let state = self.store().room(room).await?;
                match state.map(|state| state.before_horizon.offset).filter(|horizon| *horizon > after) {
                    Some(horizon) => after = horizon,
                    None => break,
                }
            }
            for run in runs {
                let (last, is_of_interest) = (run.last(), run.contents().has_any(OF_INTEREST));
                let events = Events::new(run, after);
                if is_of_interest && self.derive_from(room, &events, newest).await? == Derived::OtherHistory {
                    return Ok(Derived::OtherHistory);
                }
                after = last;
            }
        }
        Ok(Derived::All)
    }

    /// Publishes the entries of `events`, in their order, unless the room is not in the history `newest` any more.
    pub(super) async fn derive_from(
        &self,
        room: &RoomId,
        events: &Events,
        newest: Epoch,
    ) -> Result<Derived, ConsumerError> {
        let mut batch = Vec::new();
        let source = Source { room: room.clone(), epoch: newest };
        for event in events.iter() {
            let event = event?;
            let entries = self.entries_of(room, events.epoch(), &event).await?;
            let id = match sabotage::is(Sabotage::OwnLogEntryTwice) {
                true => ClientId::random(&**self.env()),
                false => client_of(room, events.epoch()),
            };
            let client = ClientKey { user: event.user.clone(), id };
            batch.extend(publishes(client, event.offset, entries, &source));
            if batch.len() >= BATCH
                && self.publish_entries(std::mem::take(&mut batch)).await? == Derived::OtherHistory
            {
                return Ok(Derived::OtherHistory);
            }
        }
        self.publish_entries(batch).await
    }

    async fn publish_entries(&self, batch: Vec<Publish>) -> Result<Derived, ConsumerError> {
        if batch.is_empty() {
            return Ok(Derived::All);
        }
        // No hook is asked: the server says it, and quotes nobody.
        for outcome in self.store().append(batch).await? {
            match outcome {
                Outcome::Acked(_) => {}
                Outcome::Refused(refusal) => match refusal.code {
                    Code::SeqForgotten | Code::SeqSkipped | Code::SeqConflict => {}
                    // Final: it would be refused again.
                    code => tracing::warn!(%code, "an entry of a user's own log was refused"),
                },
                Outcome::Fenced => return Ok(Derived::OtherHistory),
                // Nothing was decided: the events come again.
                Outcome::WindowFull => {
                    let source = Arc::new("an entry of a user's own log was not taken".into());
                    return Err(StoreError::Unavailable { backend: "log", source }.into());
                }
            }
        }
        Ok(Derived::All)
    }
}

/// What became of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Derived {
    /// They stand, each once.
    All,
    /// Not all of them: the room has begun another history, or is gone.
    OtherHistory,
}

/// Rooms of which older histories are being gone through, with the newest history of each: under that all that lies before
/// was entered.
#[derive(Debug, Default)]
pub(super) struct Deriving(BTreeMap<RoomId, Epoch>);

impl Deriving {
    fn newest(&self, room: &RoomId) -> Option<Epoch> {
        self.0.get(room).copied()
    }

    /// What is forgotten is gone through once more.
    fn begin(&mut self, room: &RoomId, newest: Epoch) {
        if self.0.len() >= CONSUMER_PLACES_MAX {
            self.0.clear();
        }
        self.0.insert(room.clone(), newest);
    }
}

/// The entries of the event at `offset` as publishes: the last one has the last seq of the event, however many there are.
fn publishes(
    client: ClientKey,
    offset: Offset,
    entries: Vec<(UserId, Entry)>,
    source: &Source,
) -> Vec<Publish> {
    let first = OWN_LOG_SEQS - (entries.len() as u64).min(OWN_LOG_SEQS);
    let publish = |(at, (user, entry)): (u64, (UserId, Entry))| {
        let seq = Seq::new(offset.0 * OWN_LOG_SEQS + at).ok()?;
        Some(Publish {
            client: client.clone(),
            // As of a client that nobody opens: the window alone decides.
            session: None,
            seq,
            nonce: Nonce(0),
            // One decided seq is remembered, and that all below it are settled.
            waits: seq,
            room: RoomId::own_log(&user),
            draft: Draft::message(entry.to_body()),
            verdict: Verdict::Append { room: MissingRoom::Create },
            grounds: Some(Box::new(Grounds { derived: Some(source.clone()), ..Grounds::default() })),
        })
    };
    (first..).zip(entries).filter_map(publish).collect()
}

/// The client id under which entries of the events of a room are published.
fn client_of(room: &RoomId, epoch: Epoch) -> ClientId {
    let mut hasher = blake3::Hasher::new_derive_key("anchor.v1 own log entries");
    hasher.update(epoch.as_bytes());
    hasher.update(room.as_str().as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    ClientId::from_bytes(id)
}

/// What runs have that may concern somebody.
const OF_INTEREST: Contents = Contents::OF_ROOM.and(Contents::TARGETED).and(Contents::MENTIONS);

/// Entries after which a batch is published; those of one event stand in one batch. Source: chosen; a few commits' worth.
const BATCH: usize = 256;
