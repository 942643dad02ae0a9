//! What a client writes down: a file that only grows and outlives a `kill -9` of its writer.
//!
//! Each call is one write to the operating system, which has it then, whatever becomes of the process. A kill in mid-write
//! leaves half a line at the end, which readers ignore. What a kill can take away never makes a false verdict:
//!
//! - *invoked* is written before the publish begins. So there is no publish that the journal does not know.
//! - *queued* and *acked* are written after the fact. Lost with the process, that much less is checked.
//! - *seen* is written before a cursor that covers it is saved, and *saving* before it is saved. The next process reads on
//!   from the saved cursor, as another reader, so what was seen and not written down is seen again by somebody.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use anchor_core::conformance::promise::Record;

use crate::command::torture::history::Line;
use crate::exit::{Exit, Failure};
use crate::output::json;

/// The journal of one process.
#[derive(Debug)]
pub(super) struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// Begins a journal.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Writes `records` down: on return they outlive this process.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn write(&self, records: impl IntoIterator<Item = Record>) -> Result<(), Failure> {
        self.note(records.into_iter().map(|record| Line::of(&record)))
    }

    /// Writes `lines` down: on return they outlive this process.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn note(&self, lines: impl IntoIterator<Item = Line>) -> Result<(), Failure> {
        let mut text = Vec::new();
        for line in lines {
            text.extend_from_slice(&json::to_line(&line));
            text.push(b'\n');
        }
        if text.is_empty() {
            return Ok(());
        }
        let mut file = self.file.lock().expect("nobody panics while writing");
        file.write_all(&text).map_err(|error| {
            Failure::new(Exit::Failure, format!("cannot write the journal of a client: {error}; make room"))
        })
    }
}

/// Now, in milliseconds since the Unix epoch: the clock of the whole machine, so that of the server too.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
