//! After an older copy of a directory was put in place: every room gets a new epoch, so that nobody takes what is written
//! from now on for what was lost.

use std::path::Path;
use std::sync::Arc;

use anchor_core::environment::Environment;
use anchor_core::error::BoxError;
use anchor_core::position::Epoch;
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::store::EpochStart;
use redb::{Durability, ReadableTable, StorageBackend};

use crate::codec::Encoder;
use crate::error::OpenError;
use crate::handle::move_everything;
use crate::options::Options;
use crate::pages::Row;
use crate::shared::{Databases, Shared};
use crate::tables::ROOMS;
use crate::{directory, pager, replay};

/// What [`restore`] or [`restore_backends`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Rooms that got a new epoch.
    pub rooms: usize,
}

/// Begins a new epoch in every room of the store in `dir`, which no server may have open. Run it once after a backup was
/// put in place, before the first server opens it: clients keep what they have up to the head of the copy, and are told
/// by name what was lost behind it. Nobody has come further than to that head.
///
/// All rooms or none: one durable transaction. Running it again begins yet another epoch, which harms nobody.
///
/// # Errors
/// [`OpenError`], each with its remedy; then no room has a new epoch.
pub fn restore(dir: impl AsRef<Path>, env: impl Environment) -> Result<Restored, OpenError> {
    let options = Options::default();
    let databases = directory::open_made(dir.as_ref(), &env, &options)?;
    restore_databases(databases, Arc::new(env), options)
}

/// Does what [`restore`] does to a store on two storages: for simulations.
///
/// # Errors
/// [`OpenError`], each with its remedy; then every room has a new epoch or none has.
pub fn restore_backends(
    journal: impl StorageBackend,
    pages: impl StorageBackend,
    env: impl Environment,
) -> Result<Restored, OpenError> {
    let options = Options::default();
    let databases = directory::open_backends(journal, pages, &env, &options)?;
    restore_databases(databases, Arc::new(env), options)
}

fn restore_databases(
    databases: Databases,
    env: Arc<dyn Environment>,
    options: Options,
) -> Result<Restored, OpenError> {
    let shared = replay::open(databases, env, options)?;
    let restored = shared.guard(|| {
        move_everything(&shared)?;
        begin_epochs(&shared)
    });
    drop(shared.release());
    restored.map_err(|error| OpenError::Io { during: "beginning new epochs", source: error.into() })
}

fn begin_epochs(shared: &Shared) -> Result<Restored, BoxError> {
    let databases = shared.databases()?;
    let mut transaction = databases.pages.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    let mut restored = Restored { rooms: 0 };
    {
        let mut rooms = transaction.open_table(ROOMS)?;
        let mut rows = Vec::new();
        for entry in rooms.iter()? {
            let (room, value) = entry?;
            rows.push((room.value().to_owned(), Row::decode(value.value())?));
        }
        let mut out = Encoder::default();
        for (room, mut row) in rows {
            let mut epoch = [0; 8];
            shared.env.fill_random(&mut epoch);
            if !sabotage::is(Sabotage::EpochKeptAfterRestore) {
                row.state.epochs.push(EpochStart { epoch: Epoch::from_bytes(epoch), before: row.state.head });
            }
            // A page never spans two epochs.
            row.open_page = None;
            row.encode(out.clear());
            rooms.insert(room.as_str(), out.as_bytes())?;
            if !sabotage::is(Sabotage::CursorsOutliveLog) {
                pager::bound_cursors(&transaction, row.number, row.state.head)?;
            }
            restored.rooms += 1;
        }
    }
    pager::give_up_reserved(&transaction)?;
    transaction.commit()?;
    Ok(restored)
}
