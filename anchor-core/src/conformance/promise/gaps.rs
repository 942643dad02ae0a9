//! No gap in silence: a reader's offsets are contiguous but for gaps that it was told, and those say the right range.

use super::history::{History, Record};
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
    replay(history, |stream, record| {
        let found = match record {
            Record::Seen { entry, .. } if entry.offset > stream.cursor.next() => {
                Some((entry.offset, format!("seen next after {}", stream.cursor)))
            }
            Record::Opened { position, .. }
                if stream.state != State::New && position.offset > stream.cursor =>
            {
                Some((
                    position.offset,
                    format!("went on there, with everything after {} missing", stream.cursor),
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
    violations
}

/// What is wrong with the range of `gap`, told to a reader whose cursor stands where that of `stream` does.
fn wrong_range(history: &History, lost: &Lost<'_>, stream: &Stream<'_>, gap: &Gap) -> Option<String> {
    let log = history.log(stream.room);
    let position = gap.position.map_or(Offset::ZERO, |position| position.offset);
    let (from, to) = match gap.reason {
        // That a cursor goes back by it is the matter of another promise.
        GapReason::Trimmed if position < stream.cursor => return None,
        GapReason::Trimmed => (stream.cursor.next(), position),
        GapReason::Restored => (position.next(), stream.cursor),
        GapReason::History => (Offset(1), stream.cursor.max(position)),
        GapReason::Deleted => return None,
    };
    if (gap.from, gap.to) != (from, to) {
        return Some(format!("the range is {from} to {to}"));
    }
    if gap.from > gap.to {
        return Some("it names nothing".to_owned());
    }
    match gap.reason {
        // A backup brings an older horizon back with it.
        GapReason::Trimmed if !lost.concerns(stream.room) => {
            let standing = log.filter(|log| gap.to > log.before)?;
            Some(format!("the log still has everything after {}", standing.before))
        }
        GapReason::Restored => {
            let dropped = stream.first_held_from(gap.from)?;
            let standing = log?.at(dropped.offset)?;
            let stands = standing.epoch == dropped.epoch && standing.chain == dropped.chain;
            stands.then(|| format!("what was seen at {} stands in the log", dropped.offset))
        }
        _ => None,
    }
}

fn describe(gap: &Gap, what: &str) -> String {
    format!("a gap {} from {} to {} was told: {what}", gap.reason.name(), gap.from, gap.to)
}
