//! From journals to a history.
//!
//! Client by client, and each in the order of its processes. A process that was killed has left: its reader means to read
//! no more, and the next one reads on from the saved cursor as another reader. That *its* way is whole is told by a second
//! reader for each state: it takes what a saved cursor covers once that is durable, and goes on where the next process does.
//! A cursor that was lost, or that is ahead of what was taken, breaks the way of that reader.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::ErrorKind;

use anchor_core::conformance::promise::{History, Reader, Record};
use anchor_core::id::RoomId;
use anchor_core::position::Position;

use super::{Journal, Member};
use crate::command::torture::history::{Line, Lines, Unreadable};

/// What all journals say together.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// What was done and seen.
    pub(crate) history: History,
    /// What must not happen, and has no promise of its own.
    pub(crate) troubles: Vec<String>,
}

/// Folds the journals of all clients.
///
/// # Errors
/// [`Unreadable`]: a journal is gone or damaged.
pub(super) fn fold(members: &[Member]) -> Result<Folded, Unreadable> {
    let mut folded = Folded::default();
    for (client, member) in members.iter().enumerate() {
        let mut cursors = Cursors::new(Reader(CURSORS + client as u64));
        for journal in &member.journals {
            folded.take(journal, client, &mut cursors)?;
        }
    }
    Ok(folded)
}

/// How many publishes the journals tell of.
///
/// # Errors
/// [`Unreadable`]: a journal is gone or damaged.
pub(super) fn invoked(journals: &[Journal]) -> Result<u64, Unreadable> {
    let mut invoked = 0;
    for journal in journals {
        let Some(mut lines) = open(journal)? else { continue };
        while let Some(line) = lines.next_of_killed()? {
            invoked += u64::from(matches!(line, Line::Invoked(_)));
        }
    }
    Ok(invoked)
}

/// The lines of a journal; `None` where its process was killed before it had begun it.
fn open(journal: &Journal) -> Result<Option<Lines<File>>, Unreadable> {
    match File::open(&journal.path) {
        Ok(file) => Ok(Some(Lines::new(file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Folded {
    fn take(&mut self, journal: &Journal, client: usize, cursors: &mut Cursors) -> Result<(), Unreadable> {
        let Some(mut lines) = open(journal)? else { return Ok(()) };
        let mut opened = HashSet::new();
        while let Some(line) = lines.next_of_killed()? {
            match line {
                Line::Found(place) => cursors.found(&place.room, place.position(), &mut self.history),
                Line::Saving(place) => cursors.saving(&place.room, place.position()),
                Line::Saved(place) => cursors.saved(&place.room, place.position(), &mut self.history),
                Line::Trouble(what) => self.troubles.push(format!("client {client}: {what}")),
                line => {
                    let Some(record) = line.into_record() else { continue };
                    cursors.take(&record);
                    if let Record::Opened { room, .. } = &record {
                        opened.insert(room.clone());
                    }
                    self.history.push(record);
                }
            }
        }
        if journal.is_cut_short {
            let reader = Reader(journal.reader);
            opened.into_iter().for_each(|room| self.history.push(Record::Closed { reader, room }));
        }
        Ok(())
    }
}

/// The saved cursors of one state, as the way of a reader.
#[derive(Debug)]
struct Cursors {
    reader: Reader,
    rooms: HashMap<RoomId, Cursor>,
}

#[derive(Debug, Default)]
struct Cursor {
    /// What was taken, and is not covered by a cursor that is durable for certain.
    taken: Vec<Record>,
    /// Cursors that were about to be saved, each with how much of `taken` it covers.
    saving: Vec<(Position, usize)>,
}

impl Cursors {
    fn new(reader: Reader) -> Self {
        Self { reader, rooms: HashMap::new() }
    }

    /// A process begins, and found this cursor.
    fn found(&mut self, room: &RoomId, position: Position, history: &mut History) {
        // A save that was under way when the process before was killed may have been durable, or not.
        self.saved(room, position, history);
        self.rooms.insert(room.clone(), Cursor::default());
        history.push(Record::Opened { reader: self.reader, room: room.clone(), position });
    }

    /// What the process sees.
    fn take(&mut self, record: &Record) {
        let reader = self.reader;
        match record {
            Record::Seen { room, entry, .. } => {
                let record = Record::Seen { reader, room: room.clone(), entry: *entry };
                self.rooms.entry(room.clone()).or_default().taken.push(record);
            }
            Record::Told { room, gap, .. } => {
                let record = Record::Told { reader, room: room.clone(), gap: *gap };
                self.rooms.entry(room.clone()).or_default().taken.push(record);
            }
            _ => {}
        }
    }

    fn saving(&mut self, room: &RoomId, position: Position) {
        let cursor = self.rooms.entry(room.clone()).or_default();
        cursor.saving.push((position, cursor.taken.len()));
    }

    /// A cursor is durable: what it covers is taken for good.
    fn saved(&mut self, room: &RoomId, position: Position, history: &mut History) {
        let Some(cursor) = self.rooms.get_mut(room) else { return };
        let Some(at) = cursor.saving.iter().position(|(saving, _)| *saving == position) else { return };
        let covered = cursor.saving[at].1;
        cursor.taken.drain(..covered).for_each(|record| history.push(record));
        cursor.saving.drain(..=at);
        cursor.saving.iter_mut().for_each(|(_, taken)| *taken -= covered);
    }
}

/// The number of the first reader that stands for saved cursors.
const CURSORS: u64 = 1_000_000;

#[cfg(test)]
mod tests;
