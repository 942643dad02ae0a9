//! Histories as files: JSON lines, a record each, as `docs/history.md` describes them for those who write their own.
//!
//! Reading is strict: an unknown record or field is an error that names its line, for a misspelt one would be a check that
//! never happens.

mod field;
mod line;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anchor_core::conformance::promise::{History, Log};
use anchor_core::id::RoomId;
use thiserror::Error;

pub(super) use self::line::{About, Line, Place};
use crate::output::json;

/// Why a history cannot be read.
#[derive(Debug, Error)]
pub(crate) enum Unreadable {
    /// The file cannot be read.
    #[error("cannot read the history: {0}")]
    Io(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {number} of the history is wrong: {what}")]
    Line {
        /// Which line, from 1.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// A history, and what its first line says about it.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) about: About,
    pub(super) history: History,
}

impl Told {
    /// Reads a history to its end.
    ///
    /// # Errors
    /// [`Unreadable`], with the first line that is wrong.
    pub(super) fn read(input: impl io::Read) -> Result<Self, Unreadable> {
        let mut lines = Lines::new(input);
        let about = match lines.next()? {
            Some(Line::History(about)) if about.version == VERSION => about,
            Some(Line::History(about)) => {
                let version = about.version;
                return Err(
                    lines.wrong(format!("it has version {version}, and this program reads {VERSION}"))
                );
            }
            Some(_) | None => {
                return Err(
                    lines.wrong(format!("a history begins with {{\"history\":{{\"version\":{VERSION}}}}}"))
                );
            }
        };
        let mut told = Self { about, history: History::new() };
        let mut open: Option<(RoomId, Log)> = None;
        while let Some(line) = lines.next()? {
            match line {
                Line::History(_) => return Err(lines.wrong("a second beginning")),
                Line::Found(_) | Line::Saving(_) | Line::Saved(_) | Line::Trouble(_) => {
                    return Err(lines.wrong("a note of a client, not a record of a history"));
                }
                Line::Log(log) => {
                    told.set_log(open.take());
                    if told.history.log(&log.room).is_some() {
                        return Err(lines.wrong(format!("a second log of room {}", log.room)));
                    }
                    open = Some(log.into_log());
                }
                Line::Stands(stands) => match &mut open {
                    Some((room, log)) if *room == stands.room => log.entries.push(stands.entry()),
                    _ => {
                        return Err(lines
                            .wrong("an event of a log stands behind the line of that log, and of no other"));
                    }
                },
                line => match line.into_record() {
                    Some(record) => told.history.push(record),
                    None => return Err(lines.wrong("not a record")),
                },
            }
        }
        told.set_log(open);
        Ok(told)
    }

    /// Writes the history to `path`, whole or not at all.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        {
            let mut file = BufWriter::new(File::create(&beside)?);
            self.write(&mut file)?;
            file.flush()?;
        }
        std::fs::rename(&beside, path)
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut line = |line: &Line| -> io::Result<()> {
            to.write_all(&json::to_line(line))?;
            to.write_all(b"\n")
        };
        line(&Line::History(About { version: VERSION, ..self.about.clone() }))?;
        for record in self.history.records() {
            line(&Line::of(record))?;
        }
        for (room, log) in self.history.logs() {
            line(&Line::of_log(room, log))?;
            for entry in &log.entries {
                line(&Line::of_standing(room, entry))?;
            }
        }
        Ok(())
    }

    fn set_log(&mut self, log: Option<(RoomId, Log)>) {
        if let Some((room, log)) = log {
            self.history.set_log(room, log);
        }
    }
}

/// Reads lines one by one.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    number: u64,
}

impl<R> fmt::Debug for Lines<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

impl<R: io::Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: BufReader::new(input), number: 0 }
    }

    /// The next line that says something; `None` at the end.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) fn next(&mut self) -> Result<Option<Line>, Unreadable> {
        match self.next_text()? {
            None => Ok(None),
            Some((text, true)) => self.parse(&text).map(Some),
            Some((_, false)) => Err(self.wrong("it has no end: the file was cut off")),
        }
    }

    /// As [`Lines::next`], but a last line without its end counts as none: its writer was killed while it wrote.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) fn next_of_killed(&mut self) -> Result<Option<Line>, Unreadable> {
        match self.next_text()? {
            Some((text, true)) => self.parse(&text).map(Some),
            Some((_, false)) | None => Ok(None),
        }
    }

    /// The next line that is not empty, and whether it has its end.
    fn next_text(&mut self) -> Result<Option<(Vec<u8>, bool)>, Unreadable> {
        loop {
            let mut text = Vec::new();
            let limit = LINE_BYTES_MAX + 1;
            let bytes = io::Read::take(&mut self.input, limit).read_until(b'\n', &mut text)?;
            if bytes == 0 {
                return Ok(None);
            }
            self.number += 1;
            if bytes as u64 == limit && text.last() != Some(&b'\n') {
                return Err(self.wrong(format!("it has more than {LINE_BYTES_MAX} bytes")));
            }
            let is_whole = text.last() == Some(&b'\n');
            if !is_whole || !text.trim_ascii().is_empty() {
                return Ok(Some((text, is_whole)));
            }
        }
    }

    fn parse(&self, text: &[u8]) -> Result<Line, Unreadable> {
        serde_json::from_slice(text).map_err(|error| {
            // The parser sees one line, whatever its number.
            let text = error.to_string();
            let what = text.strip_suffix(&format!(" at line {} column {}", error.line(), error.column()));
            self.wrong(format!("{}, at column {}", what.unwrap_or(&text), error.column()))
        })
    }

    fn wrong(&self, what: impl Into<String>) -> Unreadable {
        Unreadable::Line { number: self.number.max(1), what: what.into() }
    }
}

/// The version of the format that is written and read. Source: `docs/history.md`.
pub(super) const VERSION: u64 = 1;

/// Longest line, in bytes. Source: chosen; a beat that names 1,000 rooms fits several times.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
#[cfg(test)]
mod tests;
