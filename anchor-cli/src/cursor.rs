//! The position that `tail --resume` keeps: one small file for each room under the state directory.
//!
//! It stands apart from the outbox, so that a script may `tail --resume` and `send` with one state at the same time. A
//! position is saved after what it covers was written: a `kill -9` between the two prints that much again, never less.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anchor_core::id::RoomId;
use anchor_core::position::{Chain, Epoch, Offset, Position};
use data_encoding::HEXLOWER;
use serde::Deserialize;

use crate::exit::{Exit, Failure};
use crate::output::json;
use crate::state;

/// The saved position of a room, held by this process.
#[derive(Debug)]
pub(crate) struct Cursor {
    file: PathBuf,
    next: PathBuf,
    /// Keeps other processes away as long as it is open; the operating system lets go of it with the process.
    _lock: File,
}

impl Cursor {
    /// Takes the cursor of `room` under `state`.
    ///
    /// # Errors
    /// [`Exit::StateHeld`] if another process has it; else a sentence about the directory.
    pub(crate) fn open(state: &Path, room: &RoomId) -> Result<Self, Failure> {
        let directory = state.join("cursors");
        state::make(&directory).map_err(|error| trouble(&directory, &error))?;
        let at = |extension: &str| directory.join(format!("{room}.{extension}"));
        let lock = File::create(at("lock")).map_err(|error| trouble(&directory, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { file: at("json"), next: at("next"), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Failure::new(
                Exit::StateHeld,
                format!(
                    "another `tail {room} --resume` holds its position in {}; end it or give another --state",
                    state.display()
                ),
            )),
            Err(TryLockError::Error(error)) => Err(trouble(&directory, &error)),
        }
    }

    /// The saved position, if there is one.
    ///
    /// # Errors
    /// A sentence where the file cannot be read or is damaged.
    pub(crate) fn load(&self) -> Result<Option<Position>, Failure> {
        let text = match fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trouble(&self.file, &error)),
        };
        parse(&text).map(Some).ok_or_else(|| {
            let shown = self.file.display();
            Failure::new(Exit::Failure, format!("{shown} is damaged; delete it to begin anew"))
        })
    }

    /// Saves `position` in place of the last one, whole or not at all.
    ///
    /// # Errors
    /// A sentence where the file cannot be written.
    pub(crate) fn save(&self, position: &Position) -> Result<(), Failure> {
        self.write(position).map_err(|error| trouble(&self.file, &error))
    }

    /// Drops the saved position, if there is one: the next reader begins anew.
    ///
    /// # Errors
    /// A sentence where the file cannot be taken away.
    pub(crate) fn forget(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(trouble(&self.file, &error)),
            _ => Ok(()),
        }
    }

    fn write(&self, position: &Position) -> io::Result<()> {
        let mut file = File::create(&self.next)?;
        file.write_all(&json::to_line(&json::position(position)))?;
        file.sync_data()?;
        fs::rename(&self.next, &self.file)
    }
}

#[derive(Deserialize)]
struct Saved {
    epoch: Option<String>,
    offset: u64,
    chain: String,
}

fn parse(text: &[u8]) -> Option<Position> {
    let saved: Saved = serde_json::from_slice(text).ok()?;
    let bytes = |hex: &str| -> Option<[u8; 8]> { HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok() };
    let epoch = match saved.epoch {
        None => None,
        Some(epoch) => Some(Epoch::from_bytes(bytes(&epoch)?)),
    };
    Some(Position { epoch, offset: Offset(saved.offset), chain: Chain::from_bytes(bytes(&saved.chain)?) })
}

fn trouble(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    Failure::new(
        Exit::Failure,
        format!("cannot keep a position in {shown}: {error}; give another directory with --state"),
    )
}

#[cfg(test)]
mod tests;
