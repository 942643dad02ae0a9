//! The state of a client in the tables of a redb database, wherever that lies.
//!
//! A commit takes a list of changes whole or not at all, and is on disk when it returns. Opening reads everything, checks
//! that it is ours to use, and signs it with format and server.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;

use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, Seq, UserId};
use anchor_core::msgpack::Malformed;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Change, EntryKey, Generation, Identity, Saved, record};
use crate::client::error::OpenError;
use crate::client::notice::UndecidedId;

/// An open state.
#[derive(Debug)]
pub(super) struct Tables {
    database: Database,
    identities: BTreeMap<Generation, Identity>,
}

impl Tables {
    /// How the database of a state is opened.
    pub(super) fn builder() -> Builder {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        builder
    }

    /// Writes the format and every table into a new database, which holds nothing else. Nobody is to find it before: one
    /// without them is a state that was lost, never one that is new.
    ///
    /// # Errors
    /// redb's; the database is to be made anew.
    pub(super) fn make(database: &Database) -> Result<(), redb::Error> {
        let write = database.begin_write()?;
        write.open_table(META)?.insert("format", FORMAT.to_be_bytes().as_slice())?;
        write.open_table(IDENTITIES)?;
        write.open_table(ENTRIES)?;
        write.open_table(KEPT)?;
        write.open_table(UNDECIDED)?;
        write.open_table(CURSORS)?;
        write.commit()?;
        Ok(())
    }

    /// Takes what [`Tables::builder`] has `opened` for a client of `server`; gives what is stored. Errors name `place`.
    ///
    /// A state without waiting publishes that was kept for another server starts anew, under a new id.
    ///
    /// # Errors
    /// [`OpenError`], each with its remedy.
    pub(super) fn open(
        opened: Result<Database, DatabaseError>,
        place: &Path,
        server: &str,
        user: Option<&UserId>,
    ) -> Result<(Self, Saved), OpenError> {
        let unusable = |source: BoxError| OpenError::Directory { directory: place.to_owned(), source };
        let damaged = |what: String| OpenError::Damaged { directory: place.to_owned(), what };
        let database = opened.map_err(|error| match error {
            redb::DatabaseError::Storage(redb::StorageError::Io(error)) if !is_damage(&error) => {
                unusable(error.into())
            }
            error => damaged(error.to_string()),
        })?;
        let (mut saved, found) = load(&database).map_err(|error| match error {
            LoadError::Newer(found) => {
                OpenError::NewerFormat { directory: place.to_owned(), found, supported: FORMAT }
            }
            LoadError::Malformed(error) => damaged(error.to_string()),
            LoadError::Redb(error) => damaged(error.to_string()),
        })?;
        if let (Some(found), Some(asked)) = (&saved.user, user)
            && found != asked
        {
            let (found, asked) = (found.clone(), asked.clone());
            return Err(OpenError::OtherUser { directory: place.to_owned(), found, asked });
        }
        if let Some(found) = found.filter(|found| found != server) {
            match saved.entries.len() + saved.undecided.len() {
                0 => saved = Saved { user: saved.user, cursors: saved.cursors, ..Saved::default() },
                pending => {
                    return Err(OpenError::OtherServer { directory: place.to_owned(), found, pending });
                }
            }
        }
        let identities = saved.identities.clone();
        let mut tables = Self { database, identities };
        tables.sign(server, &saved).map_err(|error| unusable(error.into()))?;
        Ok((tables, saved))
    }

    /// Makes `changes` durable, whole or not at all.
    ///
    /// # Errors
    /// redb's; whether they are durable is unknown, and the state must be opened anew.
    pub(super) fn commit(&mut self, changes: &[Change]) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut meta = write.open_table(META)?;
            let mut identities = write.open_table(IDENTITIES)?;
            let mut entries = write.open_table(ENTRIES)?;
            let mut kept = write.open_table(KEPT)?;
            let mut undecided = write.open_table(UNDECIDED)?;
            let mut cursors = write.open_table(CURSORS)?;
            for change in changes {
                match change {
                    Change::User(user) => drop(meta.insert("user", user.as_str().as_bytes())?),
                    Change::Identity(generation, identity) => {
                        self.identities.insert(*generation, identity.clone());
                    }
                    Change::ForgetIdentity(generation) => {
                        self.identities.remove(generation);
                        identities.remove(generation.taken)?;
                    }
                    Change::Put(key, entry) => {
                        if let Some(identity) = self.identities.get_mut(&key.generation) {
                            identity.highest = identity.highest.max(key.seq);
                        }
                        entries.insert(row(key), record::write_entry(entry).as_slice())?;
                    }
                    Change::Remove(key) => drop(entries.remove(row(key))?),
                    Change::Acked(key, acked) => {
                        if let Some(identity) = self.identities.get_mut(&key.generation) {
                            identity.highest_acked = identity.highest_acked.max(key.seq);
                        }
                        entries.remove(row(key))?;
                        kept.insert(row(key), record::write_kept(acked).as_slice())?;
                    }
                    Change::Unkeep(key) => drop(kept.remove(row(key))?),
                    Change::Undecided(entry) => {
                        undecided.insert(entry.id.0, record::write_undecided(entry).as_slice())?;
                    }
                    Change::Decided(id) => drop(undecided.remove(id.0)?),
                    Change::Cursor(name, room, position) => {
                        cursors.insert(
                            (name.as_str(), room.as_str()),
                            record::write_position(position).as_slice(),
                        )?;
                    }
                    Change::ForgetCursor(name, room) => {
                        cursors.remove((name.as_str(), room.as_str()))?;
                    }
                }
            }
            for (generation, identity) in &self.identities {
                identities.insert(generation.taken, record::write_identity(identity).as_slice())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// Writes format and server, and drops what does not belong to this server.
    fn sign(&mut self, server: &str, saved: &Saved) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut meta = write.open_table(META)?;
            meta.insert("format", FORMAT.to_be_bytes().as_slice())?;
            meta.insert("server", server.as_bytes())?;
            write.open_table(IDENTITIES)?.retain(|generation, _| {
                saved.identities.contains_key(&Generation { taken: generation, derived: 0 })
            })?;
            if saved.kept.is_empty() {
                write.open_table(KEPT)?.retain(|_, _| false)?;
            }
            write.open_table(UNDECIDED)?.retain(|id, _| saved.undecided.contains_key(&UndecidedId(id)))?;
        }
        write.commit()?;
        Ok(())
    }
}

/// Reads everything, and the server that it belongs to.
fn load(database: &Database) -> Result<(Saved, Option<String>), LoadError> {
    let mut saved = Saved::default();
    let read = database.begin_read()?;
    let meta = read.open_table(META)?;
    let format = meta.get("format")?.ok_or(Malformed("no format is written"))?;
    let format = u64::from_be_bytes(format.value().try_into().map_err(|_| Malformed("not a format number"))?);
    if format > FORMAT {
        return Err(LoadError::Newer(format));
    }
    if let Some(user) = meta.get("user")? {
        saved.user = Some(UserId::new(utf8(user.value())?).map_err(|_| Malformed("not a user id"))?);
    }
    let server = meta.get("server")?.map(|server| utf8(server.value()).map(str::to_owned)).transpose()?;
    for row in read.open_table(IDENTITIES)?.iter()? {
        let (generation, identity) = row?;
        let generation = Generation { taken: generation.value(), derived: 0 };
        saved.identities.insert(generation, record::read_identity(identity.value())?);
    }
    for row in read.open_table(ENTRIES)?.iter()? {
        let (at, entry) = row?;
        saved.entries.insert(key(at.value())?, record::read_entry(entry.value())?);
    }
    saved.kept = VecDeque::new();
    for row in read.open_table(KEPT)?.iter()? {
        let (at, kept) = row?;
        saved.kept.push_back((key(at.value())?, record::read_kept(kept.value())?));
    }
    for row in read.open_table(UNDECIDED)?.iter()? {
        let (id, undecided) = row?;
        let id = UndecidedId(id.value());
        saved.undecided.insert(id, record::read_undecided(id, undecided.value())?);
    }
    saved.cursors = HashMap::new();
    for row in read.open_table(CURSORS)?.iter()? {
        let (at, position) = row?;
        let (name, room) = at.value();
        let room = RoomId::new(room).map_err(|_| Malformed("not a room id"))?;
        saved.cursors.insert((name.to_owned(), room), record::read_position(position.value())?);
    }
    match saved.entries.keys().all(|key| saved.identities.contains_key(&key.generation.root())) {
        true => Ok((saved, server)),
        false => Err(Malformed("a publish under an id that is not there").into()),
    }
}

/// True for errors of the file's content, not of the system.
fn is_damage(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
}

fn row(key: &EntryKey) -> (u32, u32, u64) {
    (key.generation.taken, key.generation.derived, key.seq.get())
}

fn key((taken, derived, seq): (u32, u32, u64)) -> Result<EntryKey, Malformed> {
    let seq = Seq::new(seq).map_err(|_| Malformed("not a seq"))?;
    Ok(EntryKey { generation: Generation { taken, derived }, seq })
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("text is not valid UTF-8"))
}

/// Why the tables could not be read.
#[derive(Debug)]
enum LoadError {
    Newer(u64),
    Malformed(Malformed),
    Redb(redb::Error),
}

impl From<Malformed> for LoadError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

macro_rules! from_redb {
    ($($error:ident),+) => {$(
        impl From<redb::$error> for LoadError {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
            }
        }
    )+};
}

from_redb!(TransactionError, TableError, StorageError);

/// Format of this version. 1: the tables below.
const FORMAT: u64 = 1;

/// Memory for pages of the file. Source: chosen; the outbox in memory is what is read, the file is only written.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// `format`, `server`, `user`.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// How many ids were taken before → id and marks.
const IDENTITIES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("identities");
/// Generation (taken, derived) and seq → publish.
const ENTRIES: TableDefinition<'_, (u32, u32, u64), &[u8]> = TableDefinition::new("entries");
/// Generation (taken, derived) and seq → acknowledged publish.
const KEPT: TableDefinition<'_, (u32, u32, u64), &[u8]> = TableDefinition::new("kept");
/// Number → publish that a person decides about.
const UNDECIDED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("undecided");
/// Name and room → position.
const CURSORS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("cursors");
