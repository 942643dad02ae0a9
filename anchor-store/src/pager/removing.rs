//! Removing what nobody can read any more, a bounded number of rows at a time: pages below a horizon, and everything of
//! rooms that were deleted.

use anchor_core::error::BoxError;
use redb::{Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::options::REMOVED_PAGES;
use crate::pages::Page;
use crate::shared::Shared;
use crate::tables::{CURSORS, DELETING, MEMBERS, PAGES, ROOMS_OF, TRIMMING};
use crate::targets::{self, TargetRows};

/// True if there may be something to remove.
pub(crate) fn has_removable(shared: &Shared) -> Result<bool, BoxError> {
    let transaction = shared.databases()?.pages.begin_read()?;
    Ok(!transaction.open_table(TRIMMING)?.is_empty()? || !transaction.open_table(DELETING)?.is_empty()?)
}

/// Removes some of it, up to a bound. True if there was something to look at.
pub(super) fn step(shared: &Shared) -> Result<bool, BoxError> {
    if !has_removable(shared)? {
        return Ok(false);
    }
    shared.snapshots.forget();
    let databases = shared.databases()?;
    let mut transaction = databases.pages.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    let mut left = REMOVED_PAGES;
    remove_trimmed(&transaction, &mut left)?;
    remove_deleted(&transaction, &mut left)?;
    transaction.commit()?;
    shared.snapshots.forget();
    Ok(true)
}

/// Removes pages that lie wholly below their room's horizon.
fn remove_trimmed(transaction: &WriteTransaction, left: &mut usize) -> Result<(), BoxError> {
    let mut trimming = transaction.open_table(TRIMMING)?;
    let mut pages = transaction.open_table(PAGES)?;
    let mut rows = TargetRows::new(transaction);
    while *left > 0 {
        let Some((number, horizon)) =
            trimming.first()?.map(|(number, horizon)| (number.value(), horizon.value()))
        else {
            break;
        };
        let mut below = Vec::new();
        for entry in pages.range((number, 0)..=(number, horizon))?.take(*left) {
            let (key, value) = entry?;
            let page = Page::decode(value.value())?;
            if page.tip.offset.0 < horizon {
                below.push(key.value());
                rows.remove(number, &targets::of_page(&page)?)?;
            }
        }
        for key in &below {
            pages.remove(*key)?;
        }
        if below.len() < *left {
            trimming.remove(number)?;
        }
        *left -= below.len();
    }
    Ok(())
}

/// Removes what there is of deleted rooms, by their numbers.
fn remove_deleted(transaction: &WriteTransaction, left: &mut usize) -> Result<(), BoxError> {
    let mut deleting = transaction.open_table(DELETING)?;
    while *left > 0 {
        let first = deleting.first()?.map(|(number, room)| (number.value(), room.value().to_owned()));
        let Some((number, room)) = first else { break };
        remove_pages(transaction, number, left)?;
        remove_members(transaction, number, &room, left)?;
        remove_cursors(transaction, number, left)?;
        // As long as the bound was not met nothing is left.
        if *left > 0 {
            deleting.remove(number)?;
        }
    }
    Ok(())
}

fn remove_pages(transaction: &WriteTransaction, number: u64, left: &mut usize) -> Result<(), BoxError> {
    let mut pages = transaction.open_table(PAGES)?;
    let mut rows = TargetRows::new(transaction);
    let mut keys = Vec::new();
    for entry in pages.range((number, 0)..=(number, u64::MAX))?.take(*left) {
        let (key, value) = entry?;
        keys.push(key.value());
        rows.remove(number, &targets::of_page(&Page::decode(value.value())?)?)?;
    }
    for key in &keys {
        pages.remove(*key)?;
    }
    *left -= keys.len();
    Ok(())
}

fn remove_members(
    transaction: &WriteTransaction,
    number: u64,
    room: &str,
    left: &mut usize,
) -> Result<(), BoxError> {
    let mut members = transaction.open_table(MEMBERS)?;
    let mut rooms_of = transaction.open_table(ROOMS_OF)?;
    let mut users = Vec::new();
    for entry in members.range((number, "")..(number + 1, ""))?.take(*left) {
        users.push(entry?.0.value().1.to_owned());
    }
    for user in &users {
        members.remove((number, user.as_str()))?;
        // The user may have joined a later room of this id.
        let of_user = (user.as_str(), room);
        let is_of_this = rooms_of.get(of_user)?.is_some_and(|of| of.value() == number);
        if is_of_this {
            rooms_of.remove(of_user)?;
        }
    }
    *left -= users.len();
    Ok(())
}

fn remove_cursors(transaction: &WriteTransaction, number: u64, left: &mut usize) -> Result<(), BoxError> {
    let mut cursors = transaction.open_table(CURSORS)?;
    let mut users = Vec::new();
    for entry in cursors.range((number, "")..(number + 1, ""))?.take(*left) {
        users.push(entry?.0.value().1.to_owned());
    }
    for user in &users {
        cursors.remove((number, user.as_str()))?;
    }
    *left -= users.len();
    Ok(())
}
