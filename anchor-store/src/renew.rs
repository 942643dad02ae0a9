//! Writing a store anew, so that nothing stays in its files of what was taken out of it.
//!
//! redb overwrites nothing that it frees: neither pages of its file nor the rest of a page whose values became shorter, and
//! its compaction copies pages as they are. So bodies that were redacted, and rooms that were deleted, are gone from the
//! disk once everything else was copied into new files.

use std::path::Path;

use anchor_core::error::BoxError;
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableHandle, Value,
};

use crate::database::{OpenDatabase, contained};
use crate::directory;
use crate::error::OpenError;
use crate::options::Options;
use crate::shared::Databases;
use crate::tables::{
    AMENDMENTS, CLIENTS, CURSORS, DELETED, DELETING, EDITS, MEMBERS, META, PAGES, RECORDS, REPLIES, RESERVED,
    ROOMS, ROOMS_OF, Role, SIGNS, STALE, THREADS, TRIMMING, USERS, identity_of, initialise,
};

/// True if something was taken out of the pages that may still be in a file.
pub(crate) fn is_due(databases: &Databases) -> Result<bool, BoxError> {
    Ok(databases.pages.begin_read()?.open_table(META)?.get(STALE)?.is_some())
}

/// Puts new files in the place of both, with everything that the pages hold. The journal must be empty.
pub(crate) fn renew(dir: &Path, databases: Databases, options: &Options) -> Result<(), OpenError> {
    let Databases { journal, pages, _lock } = databases;
    let (_, pair) = identity_of(&pages, Role::Pages)?
        .ok_or_else(|| OpenError::damaged(Role::Pages.file(), "it names no pair"))?;
    drop(journal);
    // The pages last: until then they say that this is to be done.
    directory::replace(dir, Role::Journal, options, |new| Ok(initialise(new, Role::Journal, pair)?))?;
    directory::replace(dir, Role::Pages, options, |new| {
        copy(&pages, new)?;
        // Their file is closed before another has its name.
        drop(pages);
        Ok(())
    })
}

fn copy(pages: &OpenDatabase, new: &mut Database) -> Result<(), BoxError> {
    contained(|| {
        let from = pages.begin_read()?;
        let mut names: Vec<String> = from.list_tables()?.map(|table| table.name().to_owned()).collect();
        let mut copied = |name: &str| names.retain(|known| known != name);
        copy_table(&from, new, META, |key| *key != STALE, &mut copied)?;
        copy_table(&from, new, PAGES, |_| true, &mut copied)?;
        copy_table(&from, new, ROOMS, |_| true, &mut copied)?;
        copy_table(&from, new, CLIENTS, |_| true, &mut copied)?;
        copy_table(&from, new, TRIMMING, |_| true, &mut copied)?;
        copy_table(&from, new, MEMBERS, |_| true, &mut copied)?;
        copy_table(&from, new, ROOMS_OF, |_| true, &mut copied)?;
        copy_table(&from, new, USERS, |_| true, &mut copied)?;
        copy_table(&from, new, DELETED, |_| true, &mut copied)?;
        copy_table(&from, new, DELETING, |_| true, &mut copied)?;
        copy_table(&from, new, AMENDMENTS, |_| true, &mut copied)?;
        copy_table(&from, new, EDITS, |_| true, &mut copied)?;
        copy_table(&from, new, REPLIES, |_| true, &mut copied)?;
        copy_table(&from, new, THREADS, |_| true, &mut copied)?;
        copy_table(&from, new, SIGNS, |_| true, &mut copied)?;
        copy_table(&from, new, CURSORS, |_| true, &mut copied)?;
        copy_table(&from, new, RESERVED, |_| true, &mut copied)?;
        copy_table(&from, new, RECORDS, |_| true, &mut copied)?;
        match names.first() {
            None => Ok(()),
            Some(name) => Err(format!("it has a table that this version does not know: {name}").into()),
        }
    })?;
    new.compact()?;
    Ok(())
}

fn copy_table<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &Database,
    table: TableDefinition<'_, K, V>,
    keeps: impl Fn(&K::SelfType<'_>) -> bool,
    copied: &mut impl FnMut(&str),
) -> Result<(), BoxError> {
    let mut transaction = to.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut rows = transaction.open_table(table)?;
        for row in from.open_table(table)?.iter()? {
            let (key, value) = row?;
            if keeps(&key.value()) {
                rows.insert(key.value(), value.value())?;
            }
        }
    }
    transaction.commit()?;
    copied(table.name());
    Ok(())
}
