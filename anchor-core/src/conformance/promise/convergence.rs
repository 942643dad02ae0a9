//! Convergence: once the faults have stopped, every reader that means to read has reached the head of the final log.

use super::history::{History, Record};
use super::replay::{State, replay};
use super::violation::{Promise, Violation};

/// Checks where the readers stand at the end, if the history says that the faults stopped.
///
/// A reader whose connection broke still means to read; one that closed its subscription does not.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    if !history.records().contains(&Record::FaultsStopped) {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for stream in replay(history, |_, _| {}) {
        let Some(log) = history.log(stream.room) else { continue };
        if stream.state != State::Closed && stream.cursor < log.head() {
            let state = if stream.state == State::Broken { " without a connection" } else { "" };
            let what = format!("the head is {}, and it stopped{state} at {}", log.head(), stream.cursor);
            let violation = Violation::new(Promise::Convergence, what);
            violations.push(violation.room(stream.room).reader(stream.reader).offset(stream.cursor));
        }
    }
    violations
}
