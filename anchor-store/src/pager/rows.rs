//! What a page step writes beside the logs: members, users, and what is known of rooms that are gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, UserId};
use anchor_core::user::UserRow;
use redb::{ReadableTableMetadata, WriteTransaction};

use super::Changed;
use super::cursors::reserved_for;
use crate::codec::Encoder;
use crate::journal::Ended;
use crate::pages::Row;
use crate::rows::{write_member, write_user};
use crate::tables::{DELETED, DELETING, MEMBERS, RESERVED, ROOMS, ROOMS_OF, TRIMMING, USERS};

/// Takes the rows of rooms away that were deleted, and notes what is to be removed of them.
pub(super) fn end_rooms(transaction: &WriteTransaction, ended: &[Ended]) -> Result<(), BoxError> {
    if ended.is_empty() {
        return Ok(());
    }
    let mut rooms = transaction.open_table(ROOMS)?;
    let mut trimming = transaction.open_table(TRIMMING)?;
    let mut deleting = transaction.open_table(DELETING)?;
    let mut deleted = transaction.open_table(DELETED)?;
    let mut reserved = transaction.open_table(RESERVED)?;
    for Ended { room, epoch } in ended {
        deleted.insert(room.as_str(), epoch.as_bytes())?;
        // A room that the pages never knew has only this epoch.
        if let Some((number, true)) = reserved_for(&reserved, room, *epoch)? {
            reserved.remove(room.as_str())?;
            deleting.insert(number, room.as_str())?;
        }
        // Of a room that came and went within the cut the pages know nothing.
        let row = rooms.remove(room.as_str())?.map(|value| Row::decode(value.value())).transpose()?;
        if let Some(row) = row {
            trimming.remove(row.number)?;
            deleting.insert(row.number, room.as_str())?;
        }
    }
    Ok(())
}

/// Rooms that have come into being: one of that id that was deleted is not told of any more.
pub(super) fn forget_deleted(transaction: &WriteTransaction, new: &[&RoomId]) -> Result<(), BoxError> {
    if new.is_empty() {
        return Ok(());
    }
    let mut deleted = transaction.open_table(DELETED)?;
    if deleted.is_empty()? {
        return Ok(());
    }
    for room in new {
        deleted.remove(room.as_str())?;
    }
    Ok(())
}

/// Writes the places of users that changed. `changed` is in the order of room numbers.
pub(super) fn write_members(transaction: &WriteTransaction, changed: &[Changed<'_>]) -> Result<(), BoxError> {
    if changed.iter().all(|change| change.changes.is_none()) {
        return Ok(());
    }
    let mut members = transaction.open_table(MEMBERS)?;
    let mut rooms_of = transaction.open_table(ROOMS_OF)?;
    let mut out = Encoder::default();
    for Changed { room, row, changes, .. } in changed {
        for (user, member) in changes.iter().flat_map(|changes| &changes.members) {
            write_member(out.clear(), member);
            members.insert((row.number, user.as_str()), out.as_bytes())?;
            let of_user = (user.as_str(), room.as_str());
            match member.membership.is_listed() {
                true => drop(rooms_of.insert(of_user, row.number)?),
                false => drop(rooms_of.remove(of_user)?),
            }
        }
    }
    Ok(())
}

pub(super) fn write_users(
    transaction: &WriteTransaction,
    changed: &BTreeMap<UserId, Arc<UserRow>>,
) -> Result<(), BoxError> {
    if changed.is_empty() {
        return Ok(());
    }
    let mut users = transaction.open_table(USERS)?;
    let mut out = Encoder::default();
    for (user, row) in changed {
        write_user(out.clear(), row);
        users.insert(user.as_str(), out.as_bytes())?;
    }
    Ok(())
}
