//! Looking at everything that is stored: is every page there, and does every chain verify?

mod fold;
mod marks;
mod rows;

use std::path::Path;
use std::sync::Arc;

use anchor_core::chain::{digest, extend};
use anchor_core::environment::Environment;
use anchor_core::error::BoxError;
use anchor_core::id::RoomId;
use anchor_core::position::{Mark, Offset};
use redb::{ReadableDatabase, ReadableTable, StorageBackend};

use self::fold::Fold;
use self::marks::{CursorTables, Marks};
use self::rows::MemberTables;
use crate::error::OpenError;
use crate::handle::move_everything;
use crate::journal::SIDE_BYTES;
use crate::options::Options;
use crate::pages::{Page, Row};
use crate::shared::{Databases, Shared};
use crate::tables::{CLIENTS, PAGES, ROOMS};
use crate::targets::{self, Signs, TargetTables};
use crate::{directory, replay, windows};

/// What [`check`] or [`check_backends`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Rooms that were looked at.
    pub rooms: u64,
    /// Events whose chains were computed anew.
    pub events: u64,
    /// Windows of clients.
    pub clients: u64,
    /// What is wrong, a sentence each; empty if everything is as it should be.
    pub problems: Vec<String>,
}

/// Reads everything that the store in `dir` holds, and verifies it: pages are contiguous from the horizon to the head,
/// every event is one, its body has its digest and its chain follows, the index by target has what it says, nobody's cursors
/// go beyond the log or stay behind what they wrote, and what rooms and their members are follows from it where all of it is
/// there. No server may have the directory open; what is journalled is moved into the pages first, as every opening may.
///
/// # Errors
/// [`OpenError`] where the directory does not open. What is wrong inside is in the report.
pub fn check(dir: impl AsRef<Path>, env: impl Environment) -> Result<Report, OpenError> {
    let options = Options::default();
    let databases = directory::open_made(dir.as_ref(), &env, &options)?;
    check_databases(databases, Arc::new(env), options)
}

/// Does what [`check`] does to a store on two storages: for simulations.
///
/// # Errors
/// [`OpenError`] where the storages do not open. What is wrong inside is in the report.
pub fn check_backends(
    journal: impl StorageBackend,
    pages: impl StorageBackend,
    env: impl Environment,
) -> Result<Report, OpenError> {
    let options = Options::default();
    let databases = directory::open_backends(journal, pages, &env, &options)?;
    check_databases(databases, Arc::new(env), options)
}

fn check_databases(
    databases: Databases,
    env: Arc<dyn Environment>,
    options: Options,
) -> Result<Report, OpenError> {
    let shared = replay::open(databases, env, options)?;
    let report = shared.guard(|| {
        move_everything(&shared)?;
        look(&shared)
    });
    drop(shared.release());
    report.map_err(|error| OpenError::Io { during: "checking", source: error.into() })
}

fn look(shared: &Shared) -> Result<Report, BoxError> {
    let databases = shared.databases()?;
    let transaction = databases.pages.begin_read()?;
    let mut report = Report::default();
    let pages = transaction.open_table(PAGES)?;
    let targets = TargetTables::open(&transaction)?;
    let members = MemberTables::open(&transaction)?;
    let cursors = CursorTables::open(&transaction)?;
    for entry in transaction.open_table(ROOMS)?.iter()? {
        let (room, value) = entry?;
        report.rooms += 1;
        let look = || -> Result<u64, BoxError> {
            let room = RoomId::new(room.value())?;
            let row = Row::decode(value.value())?;
            // What was reported of a room is decided by that room's log.
            let parent = row.info.as_ref().and_then(|info| info.parent.as_ref());
            let is_whole = row.state.horizon == Offset(1) && parent.is_none();
            let mut fold = is_whole.then(|| Fold::new(room.clone()));
            let mut marks = cursors.of(&row)?;
            let events = look_at_room(&pages, &targets, &room, &row, fold.as_mut(), &mut marks)?;
            members.look_at(&room, &row, fold.as_ref())?;
            marks.finish(&room)?;
            Ok(events)
        };
        match look() {
            Ok(events) => report.events += events,
            Err(error) => report.problems.push(format!("room {}: {error}", room.value().escape_debug())),
        }
    }
    for entry in transaction.open_table(CLIENTS)?.iter()? {
        let (_, value) = entry?;
        report.clients += 1;
        if let Err(error) = windows::decode(value.value()) {
            report.problems.push(format!("the window of a client: {error}"));
        }
    }
    rows::look(&transaction, &mut report)?;
    Ok(report)
}

fn look_at_room(
    pages: &impl ReadableTable<(u64, u64), &'static [u8]>,
    targets: &TargetTables,
    room: &RoomId,
    row: &Row,
    mut fold: Option<&mut Fold>,
    marks: &mut Marks,
) -> Result<u64, BoxError> {
    let mut at: Option<Mark> = None;
    let (mut events, mut indexed, mut signs) = (0, 0, Signs::default());
    for entry in pages.range((row.number, 0)..=(row.number, u64::MAX))? {
        let (key, value) = entry?;
        let page = Page::decode(value.value())?;
        for about in targets::of_page(&page)? {
            if !targets.has(row.number, &about)? {
                return Err(format!("the index by target does not have {about:?}").into());
            }
            indexed += 1;
            signs.take(&about);
        }
        if page.tip.offset < row.state.horizon {
            continue;
        }
        let first = page.before.offset.next();
        let follows = match at {
            Some(mark) => mark == page.before,
            None => first <= row.state.horizon,
        };
        if !follows || key.value().1 != first.0 {
            return Err(format!("the page at {} does not follow the one before it", key.value().1).into());
        }
        if row.state.epoch_at(first) != page.epoch {
            return Err(
                format!("the page at {first} is of an epoch that the room does not have there").into()
            );
        }
        let mut mark = page.before;
        let run = page.run(room);
        for (event, side) in run.events().zip(page.sides.chunks_exact(SIDE_BYTES)) {
            let event = event?;
            let side: [u8; SIDE_BYTES] = side.try_into().expect("chunks have this size");
            let digest = event.body.as_ref().map_or(side, |body| digest(&side, body));
            mark = extend(mark, &event.link(), &digest);
            if mark != event.mark() {
                return Err(format!("event {} does not have the chain that follows", mark.offset).into());
            }
            if mark.offset == row.state.before_horizon.offset && mark != row.state.before_horizon {
                return Err("the point before the horizon is another than the log's".into());
            }
            if let Some(fold) = &mut fold {
                fold.take(&event)?;
            }
            marks.take(&event)?;
            events += 1;
        }
        if mark != page.tip {
            return Err(format!("the page at {first} does not end where it says").into());
        }
        at = Some(mark);
    }
    if targets.count(row.number)? != (indexed, indexed) {
        return Err("the index by target has more than the pages".into());
    }
    if !targets.has_signs(row.number, row.state.horizon, &signs)? {
        return Err("the signs that users have set are not those that the events say".into());
    }
    match at.unwrap_or(row.state.before_horizon) == row.state.head {
        true => Ok(events),
        false => Err("the pages do not end at the head".into()),
    }
}
