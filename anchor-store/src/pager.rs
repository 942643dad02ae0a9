//! The pager: moves what was committed from the journal into pages, one cut at a time.
//!
//! One transaction, in the order of keys: pages, rooms' rows, members, cursors, users, windows whole, and `applied`. Only once it is durable do
//! readers let go of the memory, and the writer of the journal's values. A cut that was moved is never moved again: what
//! is at or below `applied` is not replayed.
//!
//! What was handed over beside the journal ([`crate::notes`]) goes into the same transaction, or into one of its own where
//! no cut waits, and is answered after it.

mod cursors;
mod notes;
mod redacting;
mod removing;
mod rows;

use std::borrow::Cow;
use std::sync::{Arc, PoisonError};

use anchor_core::error::BoxError;
use anchor_core::id::RoomId;
use anchor_core::position::{Mark, Offset};
use anchor_core::store::{EpochStart, RoomState};
use redb::{Durability, ReadableTable, Table, WriteTransaction};

pub(crate) use self::cursors::{bound as bound_cursors, give_up_reserved, make as make_cursors};
pub(crate) use self::removing::has_removable;
use crate::codec::Encoder;
use crate::journal::{Changes, Ended, Stored, Trimmed};
use crate::pages::{Filling, Page, Row};
use crate::shared::{Cut, PagedRoom, Shared};
use crate::tables::{APPLIED, CLIENTS, META, PAGES, ROOM_NUMBERS, ROOMS, STALE, TRIMMING, read_number};
use crate::targets::{self, TargetRows};
use crate::windows;
use crate::writer::Step;

/// The table of pages while it is written.
struct Pages<'t> {
    table: Table<'t, (u64, u64), &'static [u8]>,
    out: Encoder,
    /// The keys that were written.
    written: &'t mut Vec<(u64, u64)>,
}

/// A room that a cut changes.
struct Changed<'c> {
    room: RoomId,
    row: Row,
    runs: Vec<Cow<'c, Stored>>,
    changes: Option<&'c Changes>,
}

/// Moves the oldest cut, if there is one, with what was handed over beside the journal, and removes some pages below a
/// horizon, if there are any. Waits while the disk is full: open pages are written again, so that more is written than is
/// moved.
pub(crate) fn step(shared: &Shared) -> Result<Step, BoxError> {
    let _step = shared.pager.lock().unwrap_or_else(PoisonError::into_inner);
    let databases = shared.databases()?;
    let cut = shared.cuts.front();
    let has_work = cut.is_some() || !shared.notes.is_empty();
    if shared.disk_is_full() {
        return Ok(if has_work { Step::Waiting } else { Step::Idle });
    }
    if !has_work {
        return Ok(if removing::step(shared)? { Step::Worked } else { Step::Idle });
    }
    shared.snapshots.forget();
    let mut transaction = databases.pages.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    let mut written = Vec::new();
    let changed = match cut.as_deref() {
        Some(cut) => write_cut(shared, &transaction, cut, &mut written)?,
        None => Vec::new(),
    };
    let noted = notes::write(shared, &transaction)?;
    match cut.is_some() || noted.is_change {
        true => transaction.commit()?,
        false => transaction.abort()?,
    }
    shared.snapshots.forget();
    if let Some(cut) = cut {
        shared.forget_pages(&written);
        shared.paged(&cut, changed);
        shared.cuts.done(&cut);
        shared.queue.nudge();
    }
    noted.answer();
    removing::step(shared)?;
    Ok(Step::Worked)
}

/// Writes everything that a cut moves.
fn write_cut(
    shared: &Shared,
    transaction: &WriteTransaction,
    cut: &Cut,
    written: &mut Vec<(u64, u64)>,
) -> Result<Vec<PagedRoom>, BoxError> {
    rows::end_rooms(transaction, &cut.ended)?;
    let changed = write_rooms(shared, transaction, cut, written)?;
    rows::write_users(transaction, &cut.users)?;
    write_windows(transaction, cut)?;
    let mut meta = transaction.open_table(META)?;
    meta.insert(APPLIED, cut.upto.to_be_bytes().as_slice())?;
    if cut.takes_away() {
        meta.insert(STALE, [1].as_slice())?;
    }
    Ok(changed)
}

fn write_rooms(
    shared: &Shared,
    transaction: &WriteTransaction,
    cut: &Cut,
    written: &mut Vec<(u64, u64)>,
) -> Result<Vec<PagedRoom>, BoxError> {
    let mut runs: Vec<&Stored> = cut.runs.iter().collect();
    // Stable: the runs of a room keep their order.
    runs.sort_by(|a, b| a.run.room().cmp(b.run.room()));
    let mut trims: Vec<&Trimmed> = cut.trims.iter().collect();
    trims.sort_by(|a, b| a.room.cmp(&b.room));

    let mut rooms = transaction.open_table(ROOMS)?;
    let mut meta = transaction.open_table(META)?;
    let mut trimming = transaction.open_table(TRIMMING)?;
    let before = read_number(&meta, ROOM_NUMBERS)?.ok_or("pages.redb has lost its count of rooms")?;
    let mut numbers = before;
    let (mut changed, mut new) = (Vec::new(), Vec::new());
    for runs in runs.chunk_by(|a, b| a.run.room() == b.run.room()) {
        let room = runs[0].run.room();
        let mut row = match rooms.get(room.as_str())? {
            Some(value) => Row::decode(value.value())?,
            None => {
                new.push(room);
                let first = runs[0];
                let number = match cursors::take_reserved(transaction, room, first.run.epoch())? {
                    Some(number) => number,
                    None => {
                        numbers += 1;
                        numbers
                    }
                };
                new_row(number, first)
            }
        };
        advance(&mut row, runs)?;
        let changes = cut.changes.get(room);
        if let Some(info) = changes.and_then(|changes| changes.info.as_ref()) {
            row.info = Some(Arc::clone(info));
        }
        let redacts = changes.map_or(&[][..], |changes| &changes.redacts);
        let runs = redacting::without(runs, redacts)?;
        changed.push(Changed { room: room.clone(), row, runs, changes });
    }
    rows::forget_deleted(transaction, &new)?;
    for trim in trims {
        let at = match changed.binary_search_by(|change| change.room.cmp(&trim.room)) {
            Ok(at) => at,
            Err(at) => {
                let value = rooms.get(trim.room.as_str())?.ok_or("a room without events was trimmed")?;
                let row = Row::decode(value.value())?;
                drop(value);
                changed.insert(at, Changed { room: trim.room.clone(), row, runs: Vec::new(), changes: None });
                at
            }
        };
        let row = &mut changed[at].row;
        if trim.horizon > row.state.horizon {
            row.state.horizon = trim.horizon;
            row.state.before_horizon = trim.before;
            trimming.insert(row.number, trim.horizon.0)?;
        }
    }
    if numbers != before {
        meta.insert(ROOM_NUMBERS, numbers.to_be_bytes().as_slice())?;
    }

    {
        let mut pages =
            Pages { table: transaction.open_table(PAGES)?, out: Encoder::with_capacity(PAGE_BYTES), written };
        changed.sort_by_key(|change| change.row.number);
        for change in &mut changed {
            if let Some(changes) = change.changes {
                pages.redact(&change.room, change.row.number, &changes.redacts)?;
            }
            pages.write(change)?;
        }
    }
    write_targets(transaction, &changed)?;
    rows::write_members(transaction, &changed)?;
    cursors::write_authors(shared, transaction, &changed, cut.upto)?;
    changed.sort_by(|a, b| a.room.cmp(&b.room));
    let mut out = Encoder::default();
    for change in &changed {
        change.row.encode(out.clear());
        rooms.insert(change.room.as_str(), out.as_bytes())?;
    }
    let mut paged = Vec::with_capacity(changed.len());
    for Ended { room, .. } in &cut.ended {
        if changed.binary_search_by(|change| change.room.cmp(room)).is_err() {
            paged.push(PagedRoom { room: room.clone(), row: None, members: Vec::new() });
        }
    }
    for Changed { room, row, changes, .. } in changed {
        let members = changes.map_or_else(Vec::new, |changes| changes.members.keys().cloned().collect());
        paged.push(PagedRoom { room, row: Some(row), members });
    }
    Ok(paged)
}

/// The row of a room of which the pages know nothing yet.
fn new_row(number: u64, first: &Stored) -> Row {
    let state = RoomState {
        epochs: vec![EpochStart { epoch: first.run.epoch(), before: first.run.before() }],
        head: Mark::START,
        horizon: Offset(1),
        before_horizon: Mark::START,
    };
    Row { number, state, ts: 0, open_page: None, info: None }
}

/// Moves the head of a row over `runs`, which must follow it.
fn advance(row: &mut Row, runs: &[&Stored]) -> Result<(), BoxError> {
    for stored in runs {
        let run = &stored.run;
        if run.before() != row.state.head {
            return Err(format!("{}: event {} does not follow the log", run.room(), run.first()).into());
        }
        if run.epoch() != row.state.epoch() {
            row.state.epochs.push(EpochStart { epoch: run.epoch(), before: run.before() });
        }
        row.state.head = run.tip();
        row.ts = stored.ts;
    }
    Ok(())
}

impl Pages<'_> {
    /// Fills the open page of a room and those behind it.
    fn write(&mut self, change: &mut Changed<'_>) -> Result<(), BoxError> {
        let row = &mut change.row;
        let kept = match row.open_page {
            Some(first) if !change.runs.is_empty() => {
                let value =
                    self.table.get((row.number, first.0))?.ok_or("the newest page of a room is missing")?;
                Some(value.value().to_vec())
            }
            _ => None,
        };
        let mut filling = kept.as_deref().map(Page::decode).transpose()?.map(Filling::open);
        // An open page that takes nothing more need not be written again.
        let mut grew = false;
        for stored in &change.runs {
            match &mut filling {
                Some(page) if page.takes(stored) => page.push(stored),
                _ => {
                    if let Some(page) = filling.replace(Filling::begin(stored)).filter(|_| grew) {
                        self.insert(row.number, &page)?;
                    }
                }
            }
            grew = true;
        }
        if let Some(page) = filling.filter(|_| grew) {
            self.insert(row.number, &page)?;
            row.open_page = Some(page.first());
        }
        // What is below the horizon may be removed, even the newest page: then the next event begins another.
        if row.state.horizon > row.state.head.offset {
            row.open_page = None;
        }
        Ok(())
    }

    fn insert(&mut self, number: u64, page: &Filling<'_>) -> Result<(), BoxError> {
        page.encode(self.out.clear());
        let key = (number, page.first().0);
        self.table.insert(key, self.out.as_bytes())?;
        self.written.push(key);
        Ok(())
    }
}

/// Adds what the moved events are about to the index by target.
fn write_targets(transaction: &WriteTransaction, changed: &[Changed<'_>]) -> Result<(), BoxError> {
    let mut rows = TargetRows::new(transaction);
    for change in changed {
        for (_, about) in targets::of_runs(change.runs.iter().map(|stored| &stored.run))? {
            rows.add(change.row.number, &about)?;
        }
    }
    Ok(())
}

fn write_windows(transaction: &WriteTransaction, cut: &Cut) -> Result<(), BoxError> {
    let mut clients = transaction.open_table(CLIENTS)?;
    let mut sorted: Vec<_> =
        cut.windows.iter().map(|(client, window)| (windows::key(client), window)).collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut out = Encoder::with_capacity(PAGE_BYTES);
    for (key, window) in sorted {
        windows::encode(window, out.clear());
        clients.insert(key.as_slice(), out.as_bytes())?;
    }
    Ok(())
}

/// First guess of the size of an encoded page. Source: `anchor_core::limits::RUN_BYTES_MAX` and its salts.
const PAGE_BYTES: usize = 68 * 1024;
