//! Records: small rows by a text key, which others than rooms keep here.

use std::ops::Bound::{Excluded, Included, Unbounded};

use anchor_core::error::BoxError;
use anchor_core::record::RecordKey;

use crate::reader::Look;

impl Look<'_> {
    /// See [`anchor_core::store::Store::record`].
    pub(crate) fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, BoxError> {
        let snapshot = self.snapshot()?;
        let value = snapshot.records.get(key.as_str())?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    /// See [`anchor_core::store::Store::records`].
    pub(crate) fn records(
        &self,
        prefix: &str,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, BoxError> {
        let from = match after.map(RecordKey::as_str) {
            Some(after) if after >= prefix => Excluded(after),
            _ => Included(prefix),
        };
        let (snapshot, mut records) = (self.snapshot()?, Vec::new());
        for entry in snapshot.records.range::<&str>((from, Unbounded))?.take(limit) {
            let (key, value) = entry?;
            if !key.value().starts_with(prefix) {
                break;
            }
            records.push((RecordKey::new(key.value())?, value.value().to_vec()));
        }
        Ok(records)
    }
}
