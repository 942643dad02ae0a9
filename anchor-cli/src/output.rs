//! Standard output: whole lines, written when nothing more is at hand.
//!
//! Invariant: what was written ends with a whole line, so that a process killed at any time leaves a true beginning of
//! its output. Commands call [`Output::flush`] before every wait.

pub(crate) mod closed;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod people;
pub(crate) mod profile;
pub(crate) mod rooms;
mod words;

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Standard output, line by line.
#[derive(Debug, Default)]
pub(crate) struct Output {
    lines: Vec<u8>,
}

impl Output {
    /// Adds a line. Foreign text in it must have been escaped.
    ///
    /// # Errors
    /// See [`Output::flush`].
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.add(text.as_bytes())
    }

    /// Adds a line of JSON.
    ///
    /// # Errors
    /// See [`Output::flush`].
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.add(&json::to_line(value))
    }

    /// Writes what was added.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] if the reader of a pipe has gone; else a sentence.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(&self.lines).and_then(|()| out.flush());
        self.lines.clear();
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::new(
                Exit::Failure,
                format!("cannot write to standard output: {error}; make room and try again"),
            ),
        })
    }

    fn add(&mut self, line: &[u8]) -> Result<(), Failure> {
        if self.lines.len() + line.len() >= WRITE_BYTES_MAX {
            self.flush()?;
        }
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        Ok(())
    }
}

/// Bytes of one write, unless a single line is longer. Source: `PIPE_BUF` of Linux, up to which a pipe takes a write
/// whole or not at all.
const WRITE_BYTES_MAX: usize = 4096;
