//! The dead letters of one webhook: events that it could not deliver, kept in records and here.
//!
//! What changes is written first, then believed; one change at a time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use anchor_core::engine::ConsumerName;
use anchor_core::event::EventKey;
use anchor_core::limits::WEBHOOK_DEAD_MAX;
use anchor_core::record::{RecordKey, RecordWrite, Written};
use anchor_core::session::frame::DeadLetter;
use anchor_core::store::{Store, StoreError};
use tokio::sync::Mutex;

use crate::row::{DeadRow, dead_key, dead_prefix, dropped_key, encode, event_of};

/// The dead letters of a webhook. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetters(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    name: ConsumerName,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    letters: BTreeMap<EventKey, DeadRow>,
    dropped: u64,
}

impl DeadLetters {
    /// Those that are kept.
    pub(crate) async fn load(store: Arc<dyn Store>, name: ConsumerName) -> Result<Self, StoreError> {
        let prefix = dead_prefix(&name);
        let rows = store.records(&prefix, None, WEBHOOK_DEAD_MAX).await?;
        let letters = rows
            .iter()
            .filter_map(|(key, value)| Some((event_of(&prefix, key)?, serde_json::from_slice(value).ok()?)))
            .collect();
        let dropped = store.record(&dropped_key(&name)).await?;
        let dropped = dropped.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or(0);
        Ok(Self(Arc::new(Shared { store, name, kept: Mutex::new(Kept { letters, dropped }) })))
    }

    /// Keeps what could not be delivered; durable on return. Where there is no room for it, the oldest is dropped, and counted.
    pub(crate) async fn add(&self, event: EventKey, row: DeadRow) -> Result<(), StoreError> {
        let Shared { name, .. } = &*self.0;
        let mut kept = self.0.kept.lock().await;
        let mut puts = vec![(dead_key(name, &event), Some(encode(&row)))];
        let mut dropped = None;
        if kept.letters.len() >= WEBHOOK_DEAD_MAX && !kept.letters.contains_key(&event) {
            dropped = kept.letters.iter().min_by_key(|(_, row)| row.at).map(|(event, _)| event.clone());
        }
        if let Some(oldest) = &dropped {
            puts.push((dead_key(name, oldest), None));
            puts.push((dropped_key(name), Some(encode(&(kept.dropped + 1)))));
        }
        self.write(puts).await?;
        if let Some(oldest) = dropped {
            kept.letters.remove(&oldest);
            kept.dropped += 1;
            tracing::warn!(webhook = %name, event = %oldest, dropped = kept.dropped, "the oldest dead letter was dropped");
        }
        kept.letters.insert(event, row);
        Ok(())
    }

    /// Has one of them sent again, or all; false if there is no such letter.
    pub(crate) async fn again(&self, event: Option<&EventKey>) -> Result<bool, StoreError> {
        let mut kept = self.0.kept.lock().await;
        let Some(chosen) = kept.choose(event) else { return Ok(false) };
        for some in chosen.chunks(WRITES_AT_A_TIME) {
            let marked = |event: &EventKey| {
                let row = kept.letters.get(event).map(|row| DeadRow { again: true, ..row.clone() });
                (dead_key(&self.0.name, event), row.as_ref().map(encode))
            };
            self.write(some.iter().map(marked).collect()).await?;
            for event in some {
                if let Some(row) = kept.letters.get_mut(event) {
                    row.again = true;
                }
            }
        }
        Ok(true)
    }

    /// Gives up one of them, or all; false if there is no such letter.
    pub(crate) async fn drop(&self, event: Option<&EventKey>) -> Result<bool, StoreError> {
        let mut kept = self.0.kept.lock().await;
        let Some(chosen) = kept.choose(event) else { return Ok(false) };
        for some in chosen.chunks(WRITES_AT_A_TIME) {
            self.write(some.iter().map(|event| (dead_key(&self.0.name, event), None)).collect()).await?;
            some.iter().for_each(|event| drop(kept.letters.remove(event)));
        }
        Ok(true)
    }

    /// It was sent again, and taken or not. One that was dropped meanwhile stays dropped.
    pub(crate) async fn sent_again(
        &self,
        event: &EventKey,
        failed: Option<String>,
    ) -> Result<(), StoreError> {
        let mut kept = self.0.kept.lock().await;
        let Some(row) = kept.letters.get(event) else { return Ok(()) };
        let row =
            failed.map(|error| DeadRow { again: false, attempts: row.attempts + 1, error, ..row.clone() });
        self.write(vec![(dead_key(&self.0.name, event), row.as_ref().map(encode))]).await?;
        match row {
            Some(row) => kept.letters.insert(event.clone(), row),
            None => kept.letters.remove(event),
        };
        Ok(())
    }

    /// The first that is to be sent again.
    pub(crate) async fn due(&self) -> Option<EventKey> {
        let kept = self.0.kept.lock().await;
        kept.letters.iter().find(|(_, row)| row.again).map(|(event, _)| event.clone())
    }

    /// Letters in the order of keys, those after `after`, at most `limit`; and the last of them if there are more.
    pub(crate) async fn list(
        &self,
        after: Option<&EventKey>,
        limit: usize,
    ) -> (Vec<DeadLetter>, Option<EventKey>) {
        let kept = self.0.kept.lock().await;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = kept.letters.range((from, Bound::Unbounded));
        let letter = |(key, row): (&EventKey, &DeadRow)| DeadLetter {
            key: key.clone(),
            at: row.at,
            attempts: row.attempts,
            error: row.error.clone(),
        };
        let letters: Vec<_> = rest.by_ref().take(limit).map(letter).collect();
        let next = letters.last().filter(|_| rest.next().is_some()).map(|last| last.key.clone());
        (letters, next)
    }

    /// How many there are, and how many were dropped for want of room.
    pub(crate) async fn count(&self) -> (u64, u64) {
        let kept = self.0.kept.lock().await;
        (kept.letters.len() as u64, kept.dropped)
    }

    async fn write(&self, puts: Vec<(RecordKey, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        // Without a guard nothing can fail it.
        let (Written::Done | Written::GuardFailed) =
            self.0.store.write_records(RecordWrite { guard: None, puts }).await?;
        Ok(())
    }
}

impl Kept {
    fn choose(&self, event: Option<&EventKey>) -> Option<Vec<EventKey>> {
        match event {
            Some(event) => self.letters.contains_key(event).then(|| vec![event.clone()]),
            None => Some(self.letters.keys().cloned().collect()),
        }
    }
}

/// Letters that are changed in one write. Source: chosen; some 20 KiB.
const WRITES_AT_A_TIME: usize = 100;
