//! What waits for the pager beside cuts: cursors to be moved and records to be written.
//!
//! They do not go through the journal, for nobody's append waits for them: the pager writes them with the cut that it moves,
//! or by themselves where none waits, and they are answered once that is durable. The line is bounded: what is handed over
//! beyond that, as on a full disk, is answered that the store is not available now.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anchor_core::cursor::CursorMove;
use anchor_core::record::{RecordWrite, Written};
use anchor_core::store::StoreError;

use crate::options::{NOTED_BYTES_MAX, NOTED_BYTES_STEP, NOTED_ROWS_MAX, NOTED_ROWS_STEP};
use crate::queue::Reply;
use crate::shared::BACKEND;

/// One of them.
#[derive(Debug)]
pub(crate) enum Note {
    Move { moves: Vec<CursorMove>, reply: Reply<()> },
    Write { write: RecordWrite, reply: Reply<Written> },
}

/// The line of notes, in the order in which they were handed over.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Note>,
    size: Size,
    /// Why nothing is taken any more.
    closed: Option<StoreError>,
}

/// Rows and bytes that notes write, about.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    rows: usize,
    bytes: usize,
}

impl Notes {
    /// Puts a note at the end of the line, or answers it: if the line is closed or full.
    pub(crate) fn push(&self, note: Note) {
        let mut state = self.lock();
        if let Some(error) = state.closed.clone() {
            drop(state);
            return note.fail(error);
        }
        let size = state.size.and(note.size());
        if !state.waiting.is_empty() && (size.rows > NOTED_ROWS_MAX || size.bytes > NOTED_BYTES_MAX) {
            drop(state);
            let source = Arc::new("too much waits to be written".into());
            return note.fail(StoreError::Unavailable { backend: BACKEND, source });
        }
        state.size = size;
        state.waiting.push_back(note);
    }

    /// Takes what goes into one transaction: everything that waits, up to a bound and at least one note.
    pub(crate) fn take(&self) -> Vec<Note> {
        let mut state = self.lock();
        let (mut size, mut count) = (Size::default(), 0);
        for note in &state.waiting {
            let more = size.and(note.size());
            if count > 0 && (more.rows > NOTED_ROWS_STEP || more.bytes > NOTED_BYTES_STEP) {
                break;
            }
            (size, count) = (more, count + 1);
        }
        state.size.rows -= size.rows;
        state.size.bytes -= size.bytes;
        state.waiting.drain(..count).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Closes the line to new notes; those that wait stay.
    pub(crate) fn close(&self, error: StoreError) {
        self.lock().closed.get_or_insert(error);
    }

    /// Closes the line and fails everything that waits.
    pub(crate) fn fail(&self, error: &StoreError) {
        let mut state = self.lock();
        state.closed = Some(error.clone());
        state.size = Size::default();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|note| note.fail(error.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Note {
    fn size(&self) -> Size {
        match self {
            Self::Move { moves, .. } => {
                Size { rows: moves.len(), bytes: moves.len() * size_of::<CursorMove>() }
            }
            Self::Write { write, .. } => {
                let guard = write.guard.as_ref().map(|(key, value)| (key, value));
                let puts = write.puts.iter().map(|(key, value)| (key, value));
                let bytes = puts
                    .chain(guard)
                    .map(|(key, value)| key.as_str().len() + value.as_ref().map_or(0, Vec::len));
                Size { rows: write.puts.len(), bytes: bytes.sum() }
            }
        }
    }

    /// Answers it with an error.
    fn fail(self, error: StoreError) {
        match self {
            Self::Move { reply, .. } => drop(reply.send(Err(error))),
            Self::Write { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

impl Size {
    const fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, bytes: self.bytes + other.bytes }
    }
}
