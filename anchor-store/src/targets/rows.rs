//! The rows of the index by target in the pages' database.

use anchor_core::error::BoxError;
use anchor_core::event::EventKind;
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::Offset;
use anchor_core::room::{Amendment, Sign};
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, StorageError, Table, TableError, WriteTransaction,
};

use super::About;
use super::signs::{self, SignsKey};
use crate::codec::{Encoder, fields};
use crate::rows::read_user;
use crate::tables::{AMENDMENTS, EDITS, REPLIES, SIGNS, THREADS};

/// Room number, target, offset.
pub(super) type Key = (u64, u64, u64);

/// The rows while they are written; the tables are opened for the first of them.
pub(crate) struct TargetRows<'t> {
    transaction: &'t WriteTransaction,
    tables: Option<Tables<'t>>,
    out: Encoder,
}

struct Tables<'t> {
    amendments: Table<'t, Key, &'static [u8]>,
    edits: Table<'t, Key, &'static [u8]>,
    replies: Table<'t, Key, ()>,
    threads: Table<'t, (u64, u64), (u64, u64)>,
    signs: Table<'t, SignsKey, &'static [u8]>,
}

impl<'t> TargetRows<'t> {
    pub(crate) fn new(transaction: &'t WriteTransaction) -> Self {
        Self { transaction, tables: None, out: Encoder::default() }
    }

    /// Adds what events of room `number` are about, whose pages are written in the same transaction.
    pub(crate) fn add(&mut self, number: u64, about: &[About]) -> Result<(), BoxError> {
        for about in about {
            let (tables, out) = self.tables()?;
            match about {
                About::Amendment(amendment) => {
                    let key = (number, amendment.target.0, amendment.offset.0);
                    encode(amendment, out.clear());
                    tables.amendments.insert(key, out.as_bytes())?;
                    if amendment.kind.changes_body() {
                        tables.edits.insert(key, out.as_bytes())?;
                    }
                    if amendment.sign.is_some() {
                        signs::add(&mut tables.signs, number, amendment, out)?;
                    }
                }
                About::Reply { root, offset } => {
                    if tables.replies.insert((number, root.0, offset.0), ())?.is_none() {
                        let (count, last) = tables.thread(number, *root)?.unwrap_or_default();
                        tables.threads.insert((number, root.0), (count + 1, last.max(offset.0)))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes what events of room `number` are about, whose page goes in the same transaction.
    pub(crate) fn remove(&mut self, number: u64, about: &[About]) -> Result<(), BoxError> {
        for about in about {
            let (tables, _) = self.tables()?;
            match about {
                About::Amendment(amendment) => {
                    let key = (number, amendment.target.0, amendment.offset.0);
                    tables.amendments.remove(key)?;
                    if amendment.kind.changes_body() {
                        tables.edits.remove(key)?;
                    }
                    if amendment.sign.is_some() {
                        // What it is about went before it: nobody asks any more.
                        tables.signs.remove((number, amendment.target.0, amendment.user.as_str()))?;
                    }
                }
                About::Reply { root, offset } => {
                    if tables.replies.remove((number, root.0, offset.0))?.is_none() {
                        continue;
                    }
                    match tables.thread(number, *root)? {
                        // The newest stays the newest: older pages go first.
                        Some((count, last)) if count > 1 => {
                            tables.threads.insert((number, root.0), (count - 1, last))?;
                        }
                        _ => drop(tables.threads.remove((number, root.0))?),
                    }
                }
            }
        }
        Ok(())
    }

    fn tables(&mut self) -> Result<(&mut Tables<'t>, &mut Encoder), TableError> {
        let tables = match &mut self.tables {
            Some(tables) => tables,
            free => free.insert(Tables {
                amendments: self.transaction.open_table(AMENDMENTS)?,
                edits: self.transaction.open_table(EDITS)?,
                replies: self.transaction.open_table(REPLIES)?,
                threads: self.transaction.open_table(THREADS)?,
                signs: self.transaction.open_table(SIGNS)?,
            }),
        };
        Ok((tables, &mut self.out))
    }
}

impl Tables<'_> {
    fn thread(&self, number: u64, root: Offset) -> Result<Option<(u64, u64)>, StorageError> {
        Ok(self.threads.get((number, root.0))?.map(|thread| thread.value()))
    }
}

/// The rows while they are read.
pub(crate) struct TargetTables {
    pub(super) amendments: ReadOnlyTable<Key, &'static [u8]>,
    pub(super) edits: ReadOnlyTable<Key, &'static [u8]>,
    pub(super) replies: ReadOnlyTable<Key, ()>,
    pub(super) threads: ReadOnlyTable<(u64, u64), (u64, u64)>,
    pub(super) signs: ReadOnlyTable<SignsKey, &'static [u8]>,
}

impl TargetTables {
    pub(crate) fn open(transaction: &ReadTransaction) -> Result<Self, TableError> {
        Ok(Self {
            amendments: transaction.open_table(AMENDMENTS)?,
            edits: transaction.open_table(EDITS)?,
            replies: transaction.open_table(REPLIES)?,
            threads: transaction.open_table(THREADS)?,
            signs: transaction.open_table(SIGNS)?,
        })
    }

    /// True if the index has what an event of room `number` is about.
    pub(crate) fn has(&self, number: u64, about: &About) -> Result<bool, BoxError> {
        Ok(match about {
            About::Amendment(amendment) => {
                let key = (number, amendment.target.0, amendment.offset.0);
                let row = self.amendments.get(key)?;
                let row =
                    row.map(|row| decode(amendment.target, amendment.offset, row.value())).transpose()?;
                let has_edit = self.edits.get(key)?.is_some();
                row.as_ref() == Some(amendment) && has_edit == amendment.kind.changes_body()
            }
            About::Reply { root, offset } => {
                self.replies.get((number, root.0, offset.0))?.is_some()
                    && self.threads.get((number, root.0))?.is_some()
            }
        })
    }

    /// Events of room `number` that the index has, as their own rows say and as the rows of threads do.
    pub(crate) fn count(&self, number: u64) -> Result<(u64, u64), BoxError> {
        let of_room = || (number, 0, 0)..=(number, u64::MAX, u64::MAX);
        let amendments = rows_in(self.amendments.range(of_room())?)?;
        let replies = rows_in(self.replies.range(of_room())?)?;
        let mut in_threads = 0;
        for thread in self.threads.range((number, 0)..=(number, u64::MAX))? {
            in_threads += thread?.1.value().0;
        }
        Ok((amendments + replies, amendments + in_threads))
    }
}

/// How many rows there are in a range. Not [`Iterator::count`]: where one cannot be read, redb says so again and again, for ever.
pub(super) fn rows_in<K: redb::Key + 'static, V: redb::Value + 'static>(
    mut range: redb::Range<'_, K, V>,
) -> Result<u64, StorageError> {
    range.try_fold(0, |rows, row| row.map(|_| rows + 1))
}

/// `[kind, user, sign]`
pub(crate) fn encode(amendment: &Amendment, out: &mut Encoder) {
    out.array(3).uint(amendment.kind.0.into()).str(amendment.user.as_str());
    match &amendment.sign {
        Some(sign) => out.str(sign.as_str()),
        None => out.nil(),
    };
}

/// The amendment of `target` that is the event at `offset`.
pub(crate) fn decode(target: Offset, offset: Offset, value: &[u8]) -> Result<Amendment, Malformed> {
    fields(&mut Reader::from_slice(value), 3, |reader| {
        let kind = u16::try_from(reader.uint()?).map_err(|_| Malformed("a kind above 16 bits"))?;
        let user = read_user(reader)?;
        let sign = match reader.nil()? {
            true => None,
            false => Some(Sign::new(reader.str()?).map_err(|_| Malformed("not a sign"))?),
        };
        Ok(Amendment { target, offset, kind: EventKind(kind), user, sign })
    })
}
