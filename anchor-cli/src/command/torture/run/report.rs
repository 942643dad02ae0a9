//! What a run prints at its end, and how it ends.

use std::time::Duration;

use serde_json::json;

use super::Done;
use crate::command::torture::crew::Counts;
use crate::command::torture::verdict::Verdict;
use crate::escape;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::say;

/// What there is to say about a run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    pub(super) seed: u64,
    /// In the logs.
    pub(super) events: usize,
    pub(super) counts: Counts,
    /// Connections through the proxy, and those with a fate.
    pub(super) proxied: (u64, u64),
    pub(super) done: Done,
    /// How long things went wrong.
    pub(super) went_wrong: Duration,
    /// How long everybody took to catch up.
    pub(super) caught_up: Duration,
    /// What must not happen, and has no promise of its own.
    pub(super) troubles: Vec<String>,
}

impl Report {
    /// For people.
    ///
    /// # Errors
    /// See [`Output::flush`].
    pub(super) fn print(&self) -> Result<(), Failure> {
        let mut output = Output::default();
        let Done { server_kills, server_stops, client_kills, copies, late_readers, .. } = self.done;
        let starting = self.done.starts_in_vain + self.done.client_starts_in_vain;
        self.verdict.print(&mut output)?;
        output.line("")?;
        output.line(&format!(
            "{} events in {:.0} s, and {:.0} s to catch up",
            self.events,
            self.went_wrong.as_secs_f64(),
            self.caught_up.as_secs_f64(),
        ))?;
        output.line(&format!(
            "kill -9: {server_kills} of the server, {client_kills} of clients, and {starting} more while they started",
        ))?;
        output.line(&format!(
            "{server_stops} stops of the server, {copies} copies of clients, {late_readers} late readers"
        ))?;
        let (made, faulty) = self.proxied;
        output.line(&format!(
            "{} connections; of {made} made, {faulty} were to be cut, stalled, delayed or turned away",
            self.counts.connections,
        ))?;
        output.flush()?;
        self.tell_troubles();
        Ok(())
    }

    /// For programs.
    ///
    /// # Errors
    /// See [`Output::flush`].
    pub(super) fn print_json(&self) -> Result<(), Failure> {
        let mut output = Output::default();
        let Done { server_kills, server_stops, client_kills, copies, late_readers, .. } = self.done;
        let summary = json!({
            "seed": self.seed,
            "seconds": self.went_wrong.as_secs_f64(),
            "catch_up_seconds": self.caught_up.as_secs_f64(),
            "is_stopped_early": self.done.is_stopped_early,
            "events": self.events,
            "acked": self.counts.acked,
            "read": self.counts.seen,
            "connections": self.counts.connections,
            "proxied": self.proxied.0,
            "proxied_with_faults": self.proxied.1,
            "server_kills": server_kills,
            "server_kills_while_starting": self.done.starts_in_vain,
            "server_stops": server_stops,
            "client_kills": client_kills,
            "client_kills_while_starting": self.done.client_starts_in_vain,
            "copies": copies,
            "late_readers": late_readers,
            "troubles": self.troubles,
        });
        self.verdict.print_json(&mut output, summary)?;
        output.flush()?;
        self.tell_troubles();
        Ok(())
    }

    /// Broken beats troubled beats held.
    pub(super) const fn exit(&self) -> Exit {
        match (self.verdict.holds(), self.troubles.is_empty()) {
            (false, _) => Exit::Broken,
            (true, false) => Exit::Failure,
            (true, true) => Exit::Done,
        }
    }

    fn tell_troubles(&self) {
        for trouble in &self.troubles {
            say::note(&format!("anchor-cli: {}", escape::line(trouble)));
        }
    }
}
