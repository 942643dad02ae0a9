//! Convergence: once the faults have stopped, every reader that means to read has reached the head of the final log.
//!
//! **Proves**: each such reader stands at the head's offset with the head's chain, so neither behind it nor in another
//! history. **Cannot** say how long that took (the recorder decides how long it waits before its final read), nor compare the
//! chain where the log has no event left.

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
        if stream.state == State::Closed {
            continue;
        }
        let (head, cursor) = (log.head(), stream.cursor());
        // Whoever began at a bare offset and has seen nothing since knows no chain.
        let is_elsewhere = || {
            stream.position.epoch.is_some()
                && log.entries.last().is_some_and(|last| last.chain != stream.position.chain)
        };
        let what = if cursor < head {
            let state = if stream.state == State::Broken { " without a connection" } else { "" };
            format!("the head is {head}, and it stopped{state} at {cursor}")
        } else if cursor > head || is_elsewhere() {
            format!("the head is {head}, and it stands at {cursor} of another history")
        } else {
            continue;
        };
        let violation = Violation::new(Promise::Convergence, what);
        violations.push(violation.room(stream.room).reader(stream.reader).offset(cursor));
    }
    violations
}
