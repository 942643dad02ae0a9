//! What is kept of a webhook, as records of the store.
//!
//! ```text
//! webhook/NAME                          how it is set up
//! webhook-dead/NAME/ROOM/EPOCH/OFFSET   what it could not deliver: no body, which is read from the log when it is sent again
//! webhook-dropped/NAME                  how many of those there was no room for
//! webhook-failing/NAME/ROOM             how often what the room has to send next was not taken
//! ```
//!
//! Values are JSON. How far a webhook has come is kept by the engine's consumer `webhook.NAME`.

use anchor_core::engine::ConsumerName;
use anchor_core::event::{EventKey, EventKind};
use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Offset};
use anchor_core::record::{RecordKey, RecordWrite, Written};
use anchor_core::store::{Store, StoreError};
use serde::{Deserialize, Serialize};

/// How a webhook is set up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) url: String,
    pub(crate) room: Option<String>,
    pub(crate) kinds: Vec<u16>,
    pub(crate) secret: String,
    /// Why it was stopped by itself, if it was.
    pub(crate) stopped: Option<String>,
}

impl Row {
    /// Whether an event of that kind is sent.
    pub(crate) fn sends(&self, kind: EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind.0)
    }
}

/// What is kept of an event that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeadRow {
    /// When it was given up, in milliseconds since the Unix epoch.
    pub(crate) at: u64,
    pub(crate) attempts: u64,
    pub(crate) error: String,
    /// It is to be sent again.
    pub(crate) again: bool,
}

impl DeadRow {
    /// Of a letter of which nothing but its key can be read.
    pub(crate) fn damaged() -> Self {
        let error = "what is kept of how it failed is damaged".to_owned();
        Self { at: 0, attempts: 0, error, again: false }
    }
}

/// What is kept of a room that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailingRow {
    /// The history of what fails; none of a gap that ends in none.
    pub(crate) epoch: Option<String>,
    /// Where it begins.
    pub(crate) at: u64,
    pub(crate) failures: u32,
}

/// With what the keys of all webhooks begin.
pub(crate) const ROWS: &str = "webhook/";

pub(crate) fn row_key(name: &ConsumerName) -> RecordKey {
    key(format!("{ROWS}{name}"))
}

pub(crate) fn name_of(key: &RecordKey) -> Option<ConsumerName> {
    ConsumerName::new(key.as_str().strip_prefix(ROWS)?).ok()
}

pub(crate) fn dropped_key(name: &ConsumerName) -> RecordKey {
    key(format!("webhook-dropped/{name}"))
}

/// With what the keys of a webhook's dead letters begin.
pub(crate) fn dead_prefix(name: &ConsumerName) -> String {
    format!("webhook-dead/{name}/")
}

pub(crate) fn dead_key(name: &ConsumerName, event: &EventKey) -> RecordKey {
    let EventKey { room, epoch, offset } = event;
    key(format!("{}{room}/{epoch}/{:016x}", dead_prefix(name), offset.0))
}

/// With what the keys of a webhook's failing rooms begin.
pub(crate) fn failing_prefix(name: &ConsumerName) -> String {
    format!("webhook-failing/{name}/")
}

pub(crate) fn failing_key(name: &ConsumerName, room: &RoomId) -> RecordKey {
    key(format!("{}{room}", failing_prefix(name)))
}

/// Which event it is whose letter has that key.
pub(crate) fn event_of(prefix: &str, key: &RecordKey) -> Option<EventKey> {
    let mut parts = key.as_str().strip_prefix(prefix)?.split('/');
    let room = RoomId::new(parts.next()?).ok()?;
    let epoch = Epoch::from_hex(parts.next()?)?;
    let offset = Offset(u64::from_str_radix(parts.next()?, 16).ok()?);
    Some(EventKey { room, epoch, offset })
}

pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers are JSON")
}

/// Writes records; durable on return.
pub(crate) async fn write(
    store: &dyn Store,
    puts: Vec<(RecordKey, Option<Vec<u8>>)>,
) -> Result<(), StoreError> {
    // Without a guard nothing can fail it.
    let (Written::Done | Written::GuardFailed) =
        store.write_records(RecordWrite { guard: None, puts }).await?;
    Ok(())
}

fn key(text: String) -> RecordKey {
    RecordKey::new(text).expect("two ids, two numbers and a word are a key")
}
