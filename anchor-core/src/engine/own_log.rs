//! Users' own logs: what concerns a user, in a room that only they read. Derived from the rooms' logs by a consumer, exactly
//! once, so that what is new to a user is arithmetic there, too: the head less the read cursor.
//!
//! An entry refers to an event and never quotes it, so that a redaction needs to reach nothing here.
//!
//! **Exactly once.** The consumer gives every event at least once, and several nodes may go through the logs at once. The
//! entries of one event are one batch, published by the acting user under a client id that follows from the room and the
//! epoch, with seqs that follow from the offset: the last one is always the same. So the first batch that is committed wins,
//! whoever made it, and every later one is answered as a repeat (`docs/decisions/0017-seqs-of-own-logs.md`).

mod entry;
mod recipients;

use std::sync::Arc;

pub use self::entry::{ENTRY_CONTENT_TYPE, Entry, EntryKind};
use super::consumers::{Begin, Consumer, ConsumerError, ConsumerName, Interest, Scope};
use super::{Anchor, Delivery, Events};
use crate::code::Code;
use crate::error::ErrorKind;
use crate::event::Draft;
use crate::id::{ClientId, ClientKey, Nonce, RoomId, Seq, UserId};
use crate::limits::{OWN_LOG_RESTS, OWN_LOG_SEQS};
use crate::position::{Epoch, Offset};
use crate::publish::{Grounds, MissingRoom, Outcome, Publish, Verdict};
use crate::run::Contents;
use crate::sabotage::{self, Sabotage};
use crate::store::StoreError;

impl Anchor {
    /// Derives own logs for ever; does nothing where the host does not want them.
    pub(super) async fn derive_own_logs(&self) -> std::convert::Infallible {
        if !self.0.own_logs {
            return futures::future::pending().await;
        }
        loop {
            if let Err(error) = self.derive().await
                && !matches!(error, ConsumerError::Replaced)
                && error.kind() != ErrorKind::Closed
            {
                tracing::warn!(%error, "users' own logs could not be derived");
            }
            // Another node may have taken it over: should that one leave, this one goes on.
            self.env().sleep_until(self.now() + OWN_LOG_RESTS).await;
        }
    }

    /// The consumer that users' own logs are derived by.
    pub(super) async fn own_log_consumer(&self) -> Result<Consumer, ConsumerError> {
        let name = ConsumerName::new("anchor.own-log").expect("small letters, a dot and a hyphen are a name");
        let consumer = self.consumer(&name, Scope::All, Begin::Start).await?;
        let contents = Contents::OF_ROOM.and(Contents::TARGETED).and(Contents::MENTIONS);
        Ok(consumer.interested_in(Interest::any_of(contents)))
    }

    async fn derive(&self) -> Result<(), ConsumerError> {
        let mut consumer = self.own_log_consumer().await?;
        loop {
            let taken = consumer.next().await?;
            if let Delivery::Events(events) = &taken.delivery {
                self.derive_from(&taken.room, events).await?;
            }
            consumer.done(&taken.room, &taken.position());
        }
    }

    /// Publishes the entries of `events`, in their order.
    pub(super) async fn derive_from(&self, room: &RoomId, events: &Events) -> Result<(), ConsumerError> {
        let mut batch = Vec::new();
        for event in events.iter() {
            let event = event?;
            let entries = self.entries_of(room, events.epoch(), &event).await?;
            let id = match sabotage::is(Sabotage::OwnLogEntryTwice) {
                true => ClientId::random(&**self.env()),
                false => client_of(room, events.epoch()),
            };
            batch.extend(publishes(ClientKey { user: event.user.clone(), id }, event.offset, entries));
            if batch.len() >= BATCH {
                self.publish_entries(std::mem::take(&mut batch)).await?;
            }
        }
        self.publish_entries(batch).await
    }

    async fn publish_entries(&self, batch: Vec<Publish>) -> Result<(), ConsumerError> {
        if batch.is_empty() {
            return Ok(());
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
                // Nothing was decided: the events come again.
                Outcome::WindowFull | Outcome::Fenced => {
                    let source = Arc::new("an entry of a user's own log was not taken".into());
                    return Err(StoreError::Unavailable { backend: "log", source }.into());
                }
            }
        }
        Ok(())
    }
}

/// The entries of the event at `offset` as publishes: the last one has the last seq of the event, however many there are.
fn publishes(client: ClientKey, offset: Offset, entries: Vec<(UserId, Entry)>) -> Vec<Publish> {
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
            grounds: Some(Box::new(Grounds { derived: true, ..Grounds::default() })),
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

/// Entries after which a batch is published; those of one event stand in one batch. Source: chosen; a few commits' worth.
const BATCH: usize = 256;
