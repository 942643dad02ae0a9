//! How often what a room has to send next has failed: in memory, and as a record, so that a crash does not begin to count anew.
//!
//! One small record for each room that fails, gone once the room goes on. As a dead letter it names a place, and has no body.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anchor_core::engine::ConsumerName;
use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Offset};
use anchor_core::store::{Store, StoreError};

use crate::row::{FailingRow, encode, failing_key, failing_prefix, write};

/// The rooms of one webhook that fail.
#[derive(Debug)]
pub(crate) struct Failing {
    store: Arc<dyn Store>,
    name: ConsumerName,
    rooms: Mutex<BTreeMap<RoomId, FailingRow>>,
}

impl Failing {
    /// None of them is known.
    pub(crate) fn new(store: Arc<dyn Store>, name: ConsumerName) -> Self {
        Self { store, name, rooms: Mutex::default() }
    }

    /// Knows those that are kept, and no others.
    pub(crate) async fn load(&self) -> Result<(), StoreError> {
        let prefix = failing_prefix(&self.name);
        let rows = self.store.records(&prefix, None, FAILING_ROOMS_MAX).await?;
        let room = |(key, value): (_, Vec<u8>)| -> Option<_> {
            let key: anchor_core::record::RecordKey = key;
            let room = RoomId::new(key.as_str().strip_prefix(&prefix)?).ok()?;
            Some((room, serde_json::from_slice(&value).ok()?))
        };
        // What is damaged of it counts anew.
        *self.rooms() = rows.into_iter().filter_map(room).collect();
        Ok(())
    }

    /// Whether something of a room has failed, and was neither taken nor given up since.
    pub(crate) fn has(&self, room: &RoomId) -> bool {
        self.rooms().contains_key(room)
    }

    /// Another attempt to send what begins at a place has failed: how many that are, at least `counted` before and this one.
    pub(crate) async fn failed(&self, room: &RoomId, epoch: Option<Epoch>, at: Offset, counted: u32) -> u32 {
        let epoch = epoch.map(|epoch| epoch.to_string());
        let row = {
            let mut rooms = self.rooms();
            let known = rooms.get(room).filter(|row| row.epoch == epoch && row.at == at.0);
            let failures = known.map_or(0, |row| row.failures).max(counted).saturating_add(1);
            let row = FailingRow { epoch, at: at.0, failures };
            if rooms.len() >= FAILING_ROOMS_MAX && !rooms.contains_key(room) {
                return failures;
            }
            rooms.insert(room.clone(), row.clone());
            row
        };
        self.write(room, Some(&row)).await;
        row.failures
    }

    /// Everything of a room up to `offset` was taken or given up; all there was of it where there is none.
    pub(crate) async fn went_on(&self, room: &RoomId, offset: Option<Offset>) {
        let is_over = |row: &FailingRow| offset.is_none_or(|offset| row.at <= offset.0);
        if !self.rooms().get(room).is_some_and(is_over) {
            return;
        }
        self.write(room, None).await;
        self.rooms().remove(room);
    }

    /// What cannot be kept is counted in memory alone.
    async fn write(&self, room: &RoomId, row: Option<&FailingRow>) {
        let put = (failing_key(&self.name, room), row.map(encode));
        if let Err(error) = write(&*self.store, vec![put]).await {
            tracing::debug!(webhook = %self.name, %room, %error, "how often it has failed is not kept");
        }
    }

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<RoomId, FailingRow>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is kept of the rooms of a webhook that fail; durable on return.
pub(crate) async fn forget(store: &dyn Store, name: &ConsumerName) -> Result<(), StoreError> {
    loop {
        let some = store.records(&failing_prefix(name), None, WRITES_AT_A_TIME).await?;
        if some.is_empty() {
            return Ok(());
        }
        write(store, some.into_iter().map(|(key, _)| (key, None)).collect()).await?;
    }
}

/// Rooms of a webhook that wait for their next attempt and keep nothing but this. Beyond it a room that fails keeps what it was
/// given, and its count is lost with the process. Source: chosen; about 1 MB.
pub(crate) const FAILING_ROOMS_MAX: usize = 4_096;

/// Records that are taken away in one write. Source: chosen; some 20 KiB.
const WRITES_AT_A_TIME: usize = 100;
