//! No gap in silence: a reader's offsets are contiguous but for gaps that it was told, and those say the right range.
//!
//! **Proves**: the final logs are dense; each reader takes every offset behind its position, or is told a gap that begins
//! there and ends at the new position; no reader goes on in the log from a position, or from events, that the log does not
//! have (a fork that was not told). Of what a gap names: `trimmed` ends below the log's horizon, and the reader's epoch does
//! not go on behind the fork of `restored`; `history` is told only where the reader's position is not that of the log.
//!
//! **Cannot** say more of gaps in rooms that were restored: a backup brings an older horizon back, and older positions. A gap
//! `trimmed` of an earlier epoch, and any `history`, pass there; so does a gap `restored` of what a newer backup may have brought
//! back. Nor can it see what a reader was not meant to get: where a
//! subscription begins is what its [`Record::Opened`] says.

use super::history::{Entry, History, Log, Record};
use super::lost::Lost;
use super::replay::{State, Stream, replay};
use super::violation::{Promise, Violation};
use crate::position::Offset;
use crate::resume::{Gap, GapReason};

/// Checks what each reader took, where it went on, what it was told is missing, and that the logs are dense.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (room, log) in history.logs() {
        let mut before = log.before;
        for entry in &log.entries {
            if entry.offset != before.next() {
                let what = format!("the log goes on there after {before}");
                violations.push(Violation::new(Promise::NoSilentGap, what).room(room).offset(entry.offset));
            }
            before = entry.offset;
        }
    }
    let lost = Lost::of(history);
    let streams = replay(history, |stream, record| {
        let found = match record {
            Record::Seen { entry, .. } if entry.offset > stream.cursor().next() => {
                Some((entry.offset, format!("seen next after {}", stream.cursor())))
            }
            Record::Opened { position, .. }
                if stream.state != State::New && position.offset > stream.cursor() =>
            {
                Some((
                    position.offset,
                    format!("went on there, with everything after {} missing", stream.cursor()),
                ))
            }
            Record::Told { gap, .. } => {
                wrong_range(history, &lost, stream, gap).map(|what| (gap.from, describe(gap, &what)))
            }
            _ => None,
        };
        if let Some((offset, what)) = found {
            let violation = Violation::new(Promise::NoSilentGap, what);
            violations.push(violation.room(stream.room).reader(stream.reader).offset(offset));
        }
    });
    for stream in streams {
        let Some((last, offset)) = history.log(stream.room).and_then(|log| passed_fork(log, &stream)) else {
            continue;
        };
        let what = format!("not in the log, and the reader went on to {last} without being told");
        let violation = Violation::new(Promise::NoSilentGap, what);
        violations.push(violation.room(stream.room).reader(stream.reader).offset(offset));
    }
    violations
}

/// If the reader holds an event of the log, and something before it that the log has never had: both offsets.
fn passed_fork(log: &Log, stream: &Stream<'_>) -> Option<(Offset, Offset)> {
    let epoch_at = |offset| log.at(offset).map(|standing| standing.epoch);
    let last = stream.held.iter().rposition(|entry| epoch_at(entry.offset) == Some(entry.epoch))?;
    let is_strange = |entry: &&&Entry| epoch_at(entry.offset).is_some_and(|epoch| epoch != entry.epoch);
    let strange = stream.held[..last].iter().find(is_strange).map(|entry| entry.offset);
    let base = || {
        let base = stream.base;
        // A bare offset has no epoch, and nothing is known of its chain.
        let is_strange =
            base.epoch.is_some() && log.at(base.offset).is_some_and(|standing| standing.chain != base.chain);
        is_strange.then_some(base.offset)
    };
    Some((stream.held[last].offset, strange.or_else(base)?))
}

/// What is wrong with the range of `gap`, told to a reader whose cursor stands where that of `stream` does.
fn wrong_range(history: &History, lost: &Lost<'_>, stream: &Stream<'_>, gap: &Gap) -> Option<String> {
    let log = history.log(stream.room);
    let position = gap.position.map_or(Offset::ZERO, |position| position.offset);
    let (from, to) = match gap.reason {
        // That a cursor goes back by it is the matter of another promise.
        GapReason::Trimmed | GapReason::Hidden | GapReason::Skipped if position < stream.cursor() => {
            return None;
        }
        GapReason::Trimmed | GapReason::Hidden | GapReason::Skipped => (stream.cursor().next(), position),
        GapReason::Restored => (position.next(), stream.cursor()),
        GapReason::History => (Offset(1), stream.cursor().max(position)),
        GapReason::Deleted => return None,
    };
    if (gap.from, gap.to) != (from, to) {
        return Some(format!("the range is {from} to {to}"));
    }
    if gap.from > gap.to {
        return Some("it names nothing".to_owned());
    }
    match gap.reason {
        GapReason::Trimmed => {
            let log = log.filter(|log| gap.to > log.before)?;
            // A backup brings an older horizon back with it; but behind the last restore, none.
            let is_newest = gap.position.is_some_and(|position| position.epoch == Some(log.epoch));
            (is_newest || !lost.concerns(stream.room))
                .then(|| format!("the log still has everything after {}", log.before))
        }
        GapReason::Restored => {
            let first = stream.first_held_from(gap.from).map_or(gap.from, |dropped| dropped.offset);
            let epoch = stream.held_at(first).map_or(stream.position.epoch, |dropped| Some(dropped.epoch));
            let stands = log?.at(first).is_some_and(|standing| Some(standing.epoch) == epoch);
            (stands && !lost.may_have_come_back(stream.room, first))
                .then(|| format!("the reader's event {first} stands in the log"))
        }
        GapReason::History if !lost.concerns(stream.room) => {
            let stands = log?.at(stream.cursor()).is_some_and(|at| at.chain == stream.position.chain);
            stands.then(|| format!("the reader's event {} stands in the log", stream.cursor()))
        }
        // What a reader may see is the rooms' matter, not the log's; what it wants to see, the reader's.
        GapReason::History | GapReason::Deleted | GapReason::Hidden | GapReason::Skipped => None,
    }
}

fn describe(gap: &Gap, what: &str) -> String {
    format!("a gap {} from {} to {} was told: {what}", gap.reason.name(), gap.from, gap.to)
}
