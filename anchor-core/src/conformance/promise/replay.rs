//! The reader's half of a history, replayed: where each cursor stood when something happened to it.

use std::collections::HashMap;

use super::history::{Entry, History, Reader, Record};
use crate::id::RoomId;
use crate::position::{Offset, Position};
use crate::resume::GapReason;

/// A reader in a room.
#[derive(Debug)]
pub(super) struct Stream<'h> {
    pub(super) reader: Reader,
    pub(super) room: &'h RoomId,
    /// Everything up to here was taken, or told as a gap.
    pub(super) position: Position,
    /// Where `held` begins: what stood before it was taken, or told as a gap, elsewhere or earlier.
    pub(super) base: Position,
    pub(super) state: State,
    /// What was taken and not dropped by a gap, by rising offset.
    pub(super) held: Vec<&'h Entry>,
}

/// Whether a stream is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Never opened so far.
    New,
    /// In force.
    Open,
    /// Its connection was lost; it means to go on.
    Broken,
    /// Over.
    Closed,
}

/// Calls `visit` with each record that concerns a stream and with the stream as it stood *before* that record; a beat
/// once for each open stream of its reader. Returns the streams as they stand at the end, in the order of appearance.
pub(super) fn replay<'h>(
    history: &'h History,
    mut visit: impl FnMut(&Stream<'h>, &'h Record),
) -> Vec<Stream<'h>> {
    let mut streams: Vec<Stream<'h>> = Vec::new();
    let mut by_room: HashMap<(Reader, &RoomId), usize> = HashMap::new();
    let mut by_reader: HashMap<Reader, Vec<usize>> = HashMap::new();
    for record in history.records() {
        match record {
            Record::Opened { reader, room, .. }
            | Record::Seen { reader, room, .. }
            | Record::Told { reader, room, .. }
            | Record::Closed { reader, room } => {
                let index = *by_room.entry((*reader, room)).or_insert_with(|| {
                    streams.push(Stream::new(*reader, room));
                    by_reader.entry(*reader).or_default().push(streams.len() - 1);
                    streams.len() - 1
                });
                visit(&streams[index], record);
                streams[index].apply(record);
            }
            Record::Beat { reader, .. } => {
                let of_reader = by_reader.get(reader).into_iter().flatten().map(|index| &streams[*index]);
                of_reader
                    .filter(|stream| stream.state == State::Open)
                    .for_each(|stream| visit(stream, record));
            }
            Record::Disconnected { reader } => {
                for index in by_reader.get(reader).into_iter().flatten() {
                    let state = &mut streams[*index].state;
                    *state = if *state == State::Open { State::Broken } else { *state };
                }
            }
            _ => {}
        }
    }
    streams
}

impl<'h> Stream<'h> {
    const fn new(reader: Reader, room: &'h RoomId) -> Self {
        Self {
            reader,
            room,
            position: Position::START,
            base: Position::START,
            state: State::New,
            held: Vec::new(),
        }
    }

    /// The newest offset that was taken, or told as a gap.
    pub(super) const fn cursor(&self) -> Offset {
        self.position.offset
    }

    /// What the reader holds at `offset`.
    pub(super) fn held_at(&self, offset: Offset) -> Option<&'h Entry> {
        let index = self.held.binary_search_by_key(&offset, |entry| entry.offset).ok()?;
        self.held.get(index).copied()
    }

    /// The first that it holds from `offset` on.
    pub(super) fn first_held_from(&self, offset: Offset) -> Option<&'h Entry> {
        self.held.get(self.held.partition_point(|entry| entry.offset < offset)).copied()
    }

    fn move_to(&mut self, position: Position) {
        self.position = position;
        if self.held.is_empty() {
            self.base = position;
        }
    }

    fn apply(&mut self, record: &'h Record) {
        match record {
            Record::Opened { position, .. } => {
                if position.offset > self.cursor() {
                    self.move_to(*position);
                }
                self.state = State::Open;
            }
            Record::Seen { entry, .. } if entry.offset > self.cursor() => {
                self.held.push(entry);
                self.move_to(entry.position());
            }
            Record::Told { gap, .. } => {
                let position = gap.position.unwrap_or(Position::START);
                match gap.reason {
                    GapReason::Trimmed | GapReason::Hidden | GapReason::Skipped
                        if position.offset < self.cursor() =>
                    {
                        return;
                    }
                    GapReason::Trimmed | GapReason::Hidden | GapReason::Skipped => {}
                    GapReason::Restored => {
                        self.held.truncate(self.held.partition_point(|entry| entry.offset < gap.from));
                    }
                    GapReason::History | GapReason::Deleted => self.held.clear(),
                }
                self.move_to(position);
                if gap.reason == GapReason::Deleted {
                    self.state = State::Closed;
                }
            }
            Record::Closed { .. } => self.state = State::Closed,
            _ => {}
        }
    }
}
