//! Writing pages again without the bodies of some events.

use std::borrow::Cow;

use anchor_core::error::BoxError;
use anchor_core::id::RoomId;
use anchor_core::msgpack::Malformed;
use anchor_core::position::Offset;
use bytes::Bytes;
use redb::ReadableTable;

use super::Pages;
use crate::journal::Stored;
use crate::pages::{Filling, Page};

impl Pages<'_> {
    /// Takes the bodies of the events at `offsets`, in rising order, out of the pages of a room; events that are in none,
    /// because they are yet to be written or were removed, are passed over.
    pub(super) fn redact(&mut self, room: &RoomId, number: u64, offsets: &[Offset]) -> Result<(), BoxError> {
        let mut rest = offsets;
        while let Some((offset, others)) = rest.split_first() {
            rest = others;
            let newest = self.table.range((number, 0)..=(number, offset.0))?.next_back().transpose()?;
            let Some(value) = newest.map(|(_, value)| value.value().to_vec()) else { continue };
            let page = Page::decode(&value)?;
            let tip = page.tip.offset;
            if tip < *offset {
                continue;
            }
            let (run, sides) = (page.run(room), Bytes::copy_from_slice(page.sides));
            let stored = Stored { run, ts: 0, sides }.redacted(offsets)?;
            self.insert(number, &Filling::begin(&stored))?;
            // All of them that this page holds went at once.
            rest = &rest[rest.partition_point(|offset| *offset <= tip)..];
        }
        Ok(())
    }
}

/// The runs without the bodies of the events at `offsets`, in rising order.
pub(super) fn without<'c>(
    runs: &[&'c Stored],
    offsets: &[Offset],
) -> Result<Vec<Cow<'c, Stored>>, Malformed> {
    let holds_one = |stored: &Stored| {
        let next = offsets.partition_point(|offset| *offset < stored.run.first());
        offsets.get(next).is_some_and(|offset| *offset <= stored.run.last())
    };
    let without = |stored: &&'c Stored| match holds_one(stored) {
        true => Ok(Cow::Owned(stored.redacted(offsets)?)),
        false => Ok(Cow::Borrowed(*stored)),
    };
    runs.iter().map(without).collect()
}
