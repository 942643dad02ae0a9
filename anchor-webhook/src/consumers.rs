//! The engine's consumers that stand behind webhooks.

use std::collections::BTreeMap;

use anchor_core::engine::{
    Anchor, Begin, Consumer, ConsumerError, ConsumerId, ConsumerName, ReadError, Scope, Whose,
};
use anchor_core::id::RoomId;
use anchor_core::limits::WEBHOOKS_MAX;

use crate::row::Row;
use crate::service::invalid;

/// Opens the consumer of a webhook, or makes it.
pub(crate) async fn open(anchor: &Anchor, name: &ConsumerName, row: &Row) -> Result<Consumer, ReadError> {
    anchor.consumer(&consumer_name(name)?, scope_of(row)?, Begin::Now).await.map_err(read_error)
}

/// Of the webhooks of a server: whether each is paused, and how far it lags behind.
pub(crate) async fn infos(anchor: &Anchor) -> Result<BTreeMap<ConsumerName, (bool, Option<u64>)>, ReadError> {
    let mut found = BTreeMap::new();
    let mut after: Option<ConsumerId> = None;
    loop {
        let some = anchor.consumers(&Whose::All, after.as_ref(), WEBHOOKS_MAX).await.map_err(read_error)?;
        let Some(last) = some.last() else { return Ok(found) };
        after = Some(last.id.clone());
        for info in &some {
            // Those of the host come first.
            if info.id.owner.is_some() {
                return Ok(found);
            }
            let name = info
                .id
                .name
                .as_str()
                .strip_prefix(CONSUMER_PREFIX)
                .and_then(|name| ConsumerName::new(name).ok());
            if let Some(name) = name {
                found.insert(name, (info.paused, info.lag));
            }
        }
    }
}

pub(crate) fn consumer_name(name: &ConsumerName) -> Result<ConsumerName, ReadError> {
    ConsumerName::new(format!("{CONSUMER_PREFIX}{name}"))
        .map_err(|_| invalid("the name of a webhook has at most 56 characters"))
}

pub(crate) fn consumer_id(name: &ConsumerName) -> Result<ConsumerId, ReadError> {
    Ok(ConsumerId::of_host(consumer_name(name)?))
}

fn scope_of(row: &Row) -> Result<Scope, ReadError> {
    match &row.room {
        None => Ok(Scope::All),
        Some(room) => Ok(Scope::Room(RoomId::new(room).map_err(invalid)?)),
    }
}

pub(crate) fn read_error(error: ConsumerError) -> ReadError {
    match error {
        ConsumerError::Refused(refusal) => ReadError::Refused(refusal),
        ConsumerError::Store(error) => ReadError::Store(error),
        other => invalid(other),
    }
}

/// With what the names of the webhooks' consumers begin.
const CONSUMER_PREFIX: &str = "webhook.";
