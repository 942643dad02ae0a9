//! The dead letters of one webhook: events that it could not deliver, kept in records and here.
//!
//! What changes is written first, then believed; one change at a time. Who only looks waits for no write.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, MutexGuard, PoisonError};

use anchor_core::engine::ConsumerName;
use anchor_core::event::EventKey;
use anchor_core::limits::WEBHOOK_DEAD_MAX;
use anchor_core::record::RecordKey;
use anchor_core::session::frame::DeadLetter;
use anchor_core::store::{Store, StoreError};

use crate::row::{DeadRow, dead_key, dead_prefix, dropped_key, encode, event_of, write};

/// The dead letters of a webhook. Clones share.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetters(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    name: ConsumerName,
    /// Held from the look at what there is until a change of it is written and believed.
    changes: tokio::sync::Mutex<()>,
    /// Never held while something waits.
    kept: std::sync::Mutex<Kept>,
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
        let mut letters = BTreeMap::new();
        for (key, value) in rows {
            let row = serde_json::from_slice(&value).ok();
            match event_of(&prefix, &key) {
                Some(event) => drop(letters.insert(event, row.unwrap_or_else(DeadRow::damaged))),
                None => {
                    tracing::error!(webhook = %name, key = key.as_str(), "the key of a dead letter is damaged")
                }
            }
        }
        let dropped = store.record(&dropped_key(&name)).await?;
        let dropped = dropped.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or(0);
        let (changes, kept) = (tokio::sync::Mutex::default(), Kept { letters, dropped }.into());
        Ok(Self(Arc::new(Shared { store, name, changes, kept })))
    }

    /// Keeps what could not be delivered; durable on return. Where there is no room for it, the oldest is dropped, and counted.
    pub(crate) async fn add(&self, event: EventKey, row: DeadRow) -> Result<(), StoreError> {
        let Shared { name, .. } = &*self.0;
        let _changes = self.0.changes.lock().await;
        let mut puts = vec![(dead_key(name, &event), Some(encode(&row)))];
        let (dropped, before) = {
            let kept = self.kept();
            let is_full = kept.letters.len() >= WEBHOOK_DEAD_MAX && !kept.letters.contains_key(&event);
            let oldest = kept.letters.iter().filter(|_| is_full).min_by_key(|(_, row)| row.at);
            (oldest.map(|(event, _)| event.clone()), kept.dropped)
        };
        if let Some(oldest) = &dropped {
            puts.push((dead_key(name, oldest), None));
            puts.push((dropped_key(name), Some(encode(&(before + 1)))));
        }
        self.write(puts).await?;
        let mut kept = self.kept();
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
        let _changes = self.0.changes.lock().await;
        let Some(chosen) = self.kept().choose(event) else { return Ok(false) };
        for some in chosen.chunks(WRITES_AT_A_TIME) {
            let marked = |event: &EventKey| {
                let row = self.kept().letters.get(event).map(|row| DeadRow { again: true, ..row.clone() });
                (dead_key(&self.0.name, event), row.as_ref().map(encode))
            };
            self.write(some.iter().map(marked).collect()).await?;
            let mut kept = self.kept();
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
        let _changes = self.0.changes.lock().await;
        let Some(chosen) = self.kept().choose(event) else { return Ok(false) };
        for some in chosen.chunks(WRITES_AT_A_TIME) {
            self.write(some.iter().map(|event| (dead_key(&self.0.name, event), None)).collect()).await?;
            let mut kept = self.kept();
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
        let _changes = self.0.changes.lock().await;
        let Some(row) = self.kept().letters.get(event).cloned() else { return Ok(()) };
        let row = failed.map(|error| DeadRow { again: false, attempts: row.attempts + 1, error, ..row });
        self.write(vec![(dead_key(&self.0.name, event), row.as_ref().map(encode))]).await?;
        let mut kept = self.kept();
        match row {
            Some(row) => kept.letters.insert(event.clone(), row),
            None => kept.letters.remove(event),
        };
        Ok(())
    }

    /// The first that is to be sent again.
    pub(crate) fn due(&self) -> Option<EventKey> {
        let kept = self.kept();
        kept.letters.iter().find(|(_, row)| row.again).map(|(event, _)| event.clone())
    }

    /// Letters in the order of keys, those after `after`, at most `limit`; and the last of them if there are more.
    pub(crate) fn list(&self, after: Option<&EventKey>, limit: usize) -> (Vec<DeadLetter>, Option<EventKey>) {
        let kept = self.kept();
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
    pub(crate) fn count(&self) -> (u64, u64) {
        let kept = self.kept();
        (kept.letters.len() as u64, kept.dropped)
    }

    async fn write(&self, puts: Vec<(RecordKey, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        write(&*self.0.store, puts).await
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
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
