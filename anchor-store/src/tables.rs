//! The tables of both databases, and what stands in `meta`. `docs/format.md` tells the same; the two change together.

use anchor_core::environment::Environment;
use anchor_core::error::BoxError;
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError, TableDefinition,
    TableError, WriteTransaction,
};

use crate::database::contained;
use crate::error::OpenError;
use crate::pager::make_cursors;
use crate::targets::make_signs;

/// The format that this version writes. It may still change until 0.1.0 is tagged.
pub(crate) const FORMAT: u32 = 4;

/// File of the journal.
pub(crate) const JOURNAL_FILE: &str = "journal.redb";
/// File of the pages.
pub(crate) const PAGES_FILE: &str = "pages.redb";

/// In both databases: `format` (u32, big-endian), `pair` (16 bytes); in `pages` also `applied` and `rooms` (u64,
/// big-endian).
pub(crate) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Journal: commit number → everything that commit added.
pub(crate) const COMMITS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("commits");
/// Pages: (room number, first offset) → consecutive events.
pub(crate) const PAGES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("pages");
/// Pages: room id → row.
pub(crate) const ROOMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rooms");
/// Pages: user and `client_id` → window.
pub(crate) const CLIENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("clients");
/// Pages: room number → horizon, for rooms that still have pages below it.
pub(crate) const TRIMMING: TableDefinition<'_, u64, u64> = TableDefinition::new("trimming");
/// Pages: (room number, target, offset) → what the event at `offset` changes of `target`.
pub(crate) const AMENDMENTS: TableDefinition<'_, (u64, u64, u64), &[u8]> = TableDefinition::new("amendments");
/// Pages: those of them that are edits and redactions, once more.
pub(crate) const EDITS: TableDefinition<'_, (u64, u64, u64), &[u8]> = TableDefinition::new("edits");
/// Pages: (room number, root, offset), for the reply at `offset`.
pub(crate) const REPLIES: TableDefinition<'_, (u64, u64, u64), ()> = TableDefinition::new("replies");
/// Pages: (room number, root) → replies in the pages, and the newest of them.
pub(crate) const THREADS: TableDefinition<'_, (u64, u64), (u64, u64)> = TableDefinition::new("threads");
/// Pages: (room number, target, user) → the signs of the user on `target`.
pub(crate) const SIGNS: TableDefinition<'_, (u64, u64, &str), &[u8]> = TableDefinition::new("signs");
/// Pages: (room number, user) → the user's place in the room.
pub(crate) const MEMBERS: TableDefinition<'_, (u64, &str), &[u8]> = TableDefinition::new("members");
/// Pages: (user, room id) → room number, for rooms that the user has joined or is invited to.
pub(crate) const ROOMS_OF: TableDefinition<'_, (&str, &str), u64> = TableDefinition::new("rooms_of");
/// Pages: user → what is kept of the user.
pub(crate) const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");
/// Pages: room id → the newest epoch of a room that was deleted and has not come into being again.
pub(crate) const DELETED: TableDefinition<'_, &str, &[u8; 8]> = TableDefinition::new("deleted");
/// Pages: room number → room id, for deleted rooms of which something is still to be removed.
pub(crate) const DELETING: TableDefinition<'_, u64, &str> = TableDefinition::new("deleting");

/// Pages: (room number, user) → how far the user has come in the room.
pub(crate) const CURSORS: TableDefinition<'_, (u64, &str), &[u8]> = TableDefinition::new("cursors");
/// Pages: room id → the number that the room will have, and the epoch with which it began: of rooms in which cursors were
/// moved before a page step has moved their first events.
pub(crate) const RESERVED: TableDefinition<'_, &str, (u64, &[u8; 8])> = TableDefinition::new("reserved");
/// Pages: key → record.
pub(crate) const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");

/// Key of `meta`: the newest commit that the pages hold.
pub(crate) const APPLIED: &str = "applied";
/// Key of `meta`: room numbers given out so far.
pub(crate) const ROOM_NUMBERS: &str = "rooms";
/// Key of `meta`, there with any value once something was taken out of the pages that may still be in free space of a file.
pub(crate) const STALE: &str = "stale";
const FORMAT_KEY: &str = "format";
const PAIR: &str = "pair";

/// Random bytes that both databases and the directory carry: files that were not made together do not open together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairId(pub(crate) [u8; 16]);

impl PairId {
    pub(crate) fn random(env: &dyn Environment) -> Self {
        let mut id = [0; 16];
        env.fill_random(&mut id);
        Self(id)
    }
}

/// Which of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Journal,
    Pages,
}

impl Role {
    pub(crate) const BOTH: [Self; 2] = [Self::Journal, Self::Pages];

    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Journal => JOURNAL_FILE,
            Self::Pages => PAGES_FILE,
        }
    }
}

/// Writes the tables of a database that has none, and its place in the pair.
pub(crate) fn initialise(db: &Database, role: Role, pair: PairId) -> Result<(), redb::Error> {
    let mut transaction = db.begin_write()?;
    transaction.set_quick_repair(role == Role::Pages);
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice())?;
        meta.insert(PAIR, pair.0.as_slice())?;
        match role {
            Role::Journal => drop(transaction.open_table(COMMITS)?),
            Role::Pages => {
                meta.insert(APPLIED, 0_u64.to_be_bytes().as_slice())?;
                meta.insert(ROOM_NUMBERS, 0_u64.to_be_bytes().as_slice())?;
                drop(transaction.open_table(PAGES)?);
                drop(transaction.open_table(ROOMS)?);
                drop(transaction.open_table(CLIENTS)?);
                drop(transaction.open_table(TRIMMING)?);
                make_later_tables(&transaction)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The tables that format 1 did not have; those that are there stay as they are.
fn make_later_tables(transaction: &WriteTransaction) -> Result<(), TableError> {
    drop(transaction.open_table(AMENDMENTS)?);
    drop(transaction.open_table(EDITS)?);
    drop(transaction.open_table(REPLIES)?);
    drop(transaction.open_table(THREADS)?);
    drop(transaction.open_table(MEMBERS)?);
    drop(transaction.open_table(ROOMS_OF)?);
    drop(transaction.open_table(USERS)?);
    drop(transaction.open_table(DELETED)?);
    drop(transaction.open_table(DELETING)?);
    drop(transaction.open_table(SIGNS)?);
    drop(transaction.open_table(CURSORS)?);
    drop(transaction.open_table(RESERVED)?);
    drop(transaction.open_table(RECORDS)?);
    Ok(())
}

/// Brings a database of format `from` to this one, in one durable transaction. Tables are added; nothing that stands is
/// written again.
pub(crate) fn migrate(db: &Database, role: Role, from: u32) -> Result<(), OpenError> {
    let migrate = || -> Result<(), BoxError> {
        let mut transaction = db.begin_write()?;
        transaction.set_quick_repair(role == Role::Pages);
        transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice())?;
        if role == Role::Pages {
            make_later_tables(&transaction)?;
            if from < 3 {
                make_signs(&transaction)?;
            }
            make_cursors(&transaction)?;
        }
        Ok(transaction.commit()?)
    };
    contained(migrate).map_err(|error| OpenError::unreadable(role.file(), error))
}

/// The format that a database has, and the pair that it says it belongs to; `None` if nothing was ever written to it.
pub(crate) fn identity_of(db: &Database, role: Role) -> Result<Option<(u32, PairId)>, OpenError> {
    let unreadable = |error| OpenError::unreadable(role.file(), error);
    let identity = contained(|| read_identity(db)).map_err(unreadable)?;
    identity.iter().try_for_each(|(format, _)| check_format(*format, role.file()))?;
    Ok(identity)
}

fn read_identity(db: &Database) -> Result<Option<(u32, PairId)>, BoxError> {
    let transaction = db.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => {
            return match transaction.list_tables()?.next() {
                None => Ok(None),
                Some(_) => Err("it is a database of something else".into()),
            };
        }
        Err(error) => return Err(error.into()),
    };
    let format = meta.get(FORMAT_KEY)?.and_then(|value| value.value().try_into().ok());
    let pair = meta.get(PAIR)?.and_then(|value| value.value().try_into().ok());
    let format = format.map(u32::from_be_bytes).ok_or("it names no format")?;
    Ok(Some((format, pair.map(PairId).ok_or("it names no pair")?)))
}

/// Refuses what this version cannot read.
pub(crate) fn check_format(found: u32, file: &'static str) -> Result<(), OpenError> {
    match found {
        1..=FORMAT => Ok(()),
        0 => Err(OpenError::damaged(file, "it names format 0")),
        newer => Err(OpenError::NewerFormat { found: newer, supported: FORMAT }),
    }
}

/// True if nothing was ever committed to this database.
pub(crate) fn is_unused(db: &Database, role: Role) -> Result<bool, OpenError> {
    let look = || -> Result<bool, BoxError> {
        let transaction = db.begin_read()?;
        Ok(match role {
            Role::Journal => transaction.open_table(COMMITS)?.is_empty()?,
            Role::Pages => read_number(&transaction.open_table(META)?, APPLIED)? == Some(0),
        })
    };
    contained(look).map_err(|error| OpenError::unreadable(role.file(), error))
}

/// A number of `meta`.
pub(crate) fn read_number(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<u64>, StorageError> {
    let value = meta.get(key)?;
    Ok(value.and_then(|value| value.value().try_into().ok()).map(u64::from_be_bytes))
}
