//! What the checkers say, as a table for people or as JSON.

use std::collections::BTreeMap;

use anchor_core::conformance::promise::{History, Promise, Record, Violation, check_all};
use serde_json::{Value, json};

use crate::escape;
use crate::exit::Failure;
use crate::output::Output;

/// The verdict on a history.
#[derive(Debug)]
pub(super) struct Verdict {
    rows: Vec<Row>,
    violations: Vec<Violation>,
}

/// What became of one promise.
#[derive(Clone, Copy, Debug)]
struct Row {
    promise: Promise,
    /// How many things were held against it.
    checked: usize,
    /// How many of them broke it.
    violations: usize,
}

impl Verdict {
    /// Runs all checkers.
    pub(super) fn of(history: &History) -> Self {
        let violations = check_all(history);
        let checked = Checked::of(history);
        let row = |promise| Row {
            promise,
            checked: checked.against(promise),
            violations: violations.iter().filter(|violation| violation.promise == promise).count(),
        };
        Self { rows: Promise::ALL.map(row).to_vec(), violations }
    }

    /// True if no promise is broken.
    pub(super) const fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// The table, and the first violations under it.
    ///
    /// # Errors
    /// See [`Output::flush`].
    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.line(&format!("{:<32}{:>12}{:>12}  verdict", "promise", "checked", "violations"))?;
        for row in &self.rows {
            let (name, word) = (row.promise.name(), row.word());
            output.line(&format!("{name:<32}{:>12}{:>12}  {word}", row.checked, row.violations))?;
        }
        if !self.holds() {
            output.line("")?;
        }
        for row in self.rows.iter().filter(|row| row.violations > 0) {
            let of_it = self.violations.iter().filter(|violation| violation.promise == row.promise);
            for violation in of_it.take(SHOWN) {
                output.line(&escape::line(&violation.to_string()).to_string())?;
            }
            if row.violations > SHOWN {
                output.line(&format!("{}: and {} more", row.promise, row.violations - SHOWN))?;
            }
        }
        Ok(())
    }

    /// The same as JSON, with `summary` about the whole in the last line.
    ///
    /// # Errors
    /// See [`Output::flush`].
    pub(super) fn print_json(&self, output: &mut Output, mut summary: Value) -> Result<(), Failure> {
        for row in &self.rows {
            output.json(&json!({
                "promise": row.promise.name(),
                "checked": row.checked,
                "violations": row.violations,
                "verdict": row.word(),
            }))?;
        }
        for violation in self.violations.iter().take(SHOWN_AS_JSON) {
            output.json(&json!({ "violation": {
                "promise": violation.promise.name(),
                "room": violation.room.as_ref().map(|room| room.as_str()),
                "reader": violation.reader.map(|reader| reader.0),
                "offset": violation.offset.map(|offset| offset.0),
                "what": violation.what,
            } }))?;
        }
        summary["verdict"] = (if self.holds() { "held" } else { "broken" }).into();
        summary["violations"] = self.violations.len().into();
        output.json(&summary)
    }
}

impl Row {
    /// "Held" says that it was not refuted, never that it is proven.
    const fn word(&self) -> &'static str {
        match (self.violations, self.checked) {
            (1.., _) => "BROKEN",
            (0, 0) => "nothing to check",
            (0, _) => "held",
        }
    }
}

/// How much of each kind a history tells.
#[derive(Clone, Copy, Debug, Default)]
struct Checked {
    acked: usize,
    queued: usize,
    opened: usize,
    seen: usize,
    told: usize,
    beats: usize,
    samples: usize,
    standing: usize,
    /// Readers in rooms.
    streams: usize,
    faults_stopped: bool,
}

impl Checked {
    fn of(history: &History) -> Self {
        let mut checked = Self::default();
        let mut streams = BTreeMap::new();
        for record in history.records() {
            match record {
                Record::Acked { .. } => checked.acked += 1,
                Record::Queued { .. } => checked.queued += 1,
                Record::Opened { reader, room, .. } => {
                    checked.opened += 1;
                    streams.insert((*reader, room), true);
                }
                Record::Closed { reader, room } => drop(streams.insert((*reader, room), false)),
                Record::Seen { .. } => checked.seen += 1,
                Record::Told { .. } => checked.told += 1,
                Record::Beat { .. } => checked.beats += 1,
                Record::Memory(_) => checked.samples += 1,
                Record::FaultsStopped => checked.faults_stopped = true,
                _ => {}
            }
        }
        checked.standing = history.logs().values().map(|log| log.entries.len()).sum();
        checked.streams = streams.values().filter(|is_open| **is_open).count();
        checked
    }

    fn against(&self, promise: Promise) -> usize {
        match promise {
            Promise::AckedIsDurable => self.acked,
            Promise::ExactlyOnce | Promise::OneOrder => self.standing + self.seen,
            Promise::NoSilentGap => self.standing + self.opened + self.seen + self.told,
            Promise::CursorsNeverGoBack => self.opened + self.seen + self.told,
            Promise::BeatNeverLies => self.beats,
            Promise::MemoryBounded => self.samples,
            Promise::Convergence if self.faults_stopped => self.streams,
            Promise::OutboxKeeps if self.faults_stopped => self.queued,
            Promise::Convergence | Promise::OutboxKeeps => 0,
        }
    }
}

/// Violations of each promise that people are shown. Source: chosen; one screen if all are broken. The history tells them all.
const SHOWN: usize = 4;

/// Violations that programs are shown. Source: chosen.
const SHOWN_AS_JSON: usize = 1_000;
