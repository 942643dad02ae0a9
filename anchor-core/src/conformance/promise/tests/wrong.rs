//! Right histories with one thing wrong somewhere: found, whatever was restored, trimmed and given up around it.
//!
//! Among thousands of seeds a few leave a history that is right, too: what a reader then learns (that its log is another one)
//! covers what was taken away. They are not among these.

use super::legal::drawn;
use super::*;
use crate::conformance::environment::SplitMix64;
use crate::position::Chain;

/// Asserts that every history which `corrupt` could change is found to be broken.
fn check(what: &str, corrupt: impl Fn(&mut History, &mut SplitMix64) -> Option<()>) {
    let mut changed = 0;
    for seed in 0..50 {
        let mut history = drawn(seed, 300);
        if corrupt(&mut history, &mut SplitMix64::new(seed)).is_some() {
            assert_ne!(check_all(&history), [], "{what}, seed {seed}");
            changed += 1;
        }
    }
    assert!(changed > 10, "{what}: tried {changed} times");
}

/// The index of a record for which `is_wanted`.
fn any(history: &History, dice: &mut SplitMix64, is_wanted: impl Fn(&Record) -> bool) -> Option<usize> {
    let wanted: Vec<_> =
        (0..history.records.len()).filter(|index| is_wanted(&history.records[*index])).collect();
    wanted.get(usize::try_from(dice.below(wanted.len() as u64)).unwrap()).copied()
}

fn leaves(history: &History, reader: Reader) -> bool {
    history
        .records
        .iter()
        .any(|record| matches!(record, Record::Closed { reader: other, .. } if *other == reader))
}

fn is_acked(history: &History, entry: &Entry) -> bool {
    history.records.iter().any(|record| match record {
        Record::Acked { publish, ack, .. } => *publish == entry.publish && ack.epoch == entry.epoch,
        _ => false,
    })
}

fn is_seen(history: &History, entry: &Entry) -> bool {
    history.records.iter().any(|record| matches!(record, Record::Seen { entry: seen, .. } if seen == entry))
}

#[test]
fn an_event_that_is_not_seen() {
    check("an event is not seen", |history, dice| {
        let index = any(history, dice, |record| match record {
            Record::Seen { reader, .. } => !leaves(history, *reader),
            _ => false,
        })?;
        history.records.remove(index);
        Some(())
    });
}

#[test]
fn an_event_that_is_seen_twice() {
    check("an event is seen twice", |history, dice| {
        let index = any(history, dice, |record| matches!(record, Record::Seen { .. }))?;
        history.records.insert(index, history.records[index].clone());
        Some(())
    });
}

#[test]
fn an_event_that_is_seen_otherwise() {
    check("an event is seen otherwise", |history, dice| {
        let index = any(history, dice, |record| match record {
            Record::Seen { room, entry, .. } => {
                history.log(room).is_some_and(|log| log.at(entry.offset) == Some(entry))
            }
            _ => false,
        })?;
        let Record::Seen { entry, .. } = &mut history.records[index] else { return None };
        entry.chain = Chain::from_bytes(dice.draw().to_be_bytes());
        Some(())
    });
}

#[test]
fn an_acked_event_that_is_lost() {
    check("the newest event is lost", |history, _| {
        let is_owed = |log: &Log| {
            log.entries.last().is_some_and(|entry| entry.epoch == log.epoch && is_acked(history, entry))
        };
        let room = history.logs.iter().find(|(_, log)| is_owed(log))?.0.clone();
        history.logs.get_mut(&room)?.entries.pop();
        Some(())
    });
}

#[test]
fn events_that_change_places() {
    check("two events change places", |history, dice| {
        let room = history.logs.iter().find(|(_, log)| log.entries.len() > 2)?.0.clone();
        let entries = &history.logs[&room].entries;
        let index = usize::try_from(dice.below(entries.len() as u64 - 1)).unwrap();
        let (one, other) = (entries[index], entries[index + 1]);
        if ![one, other].iter().any(|entry| is_acked(history, entry) || is_seen(history, entry)) {
            return None;
        }
        let entries = &mut history.logs.get_mut(&room)?.entries;
        entries[index] = Entry { publish: other.publish, body: other.body, ..one };
        entries[index + 1] = Entry { publish: one.publish, body: one.body, ..other };
        Some(())
    });
}

#[test]
fn a_publish_that_stands_again() {
    check("a publish stands again", |history, dice| {
        let log = history.logs.values_mut().find(|log| !log.entries.is_empty())?;
        let again = log.entries[usize::try_from(dice.below(log.entries.len() as u64)).unwrap()];
        let chain = Chain::from_bytes(dice.draw().to_be_bytes());
        log.entries.push(Entry { offset: log.head().next(), epoch: log.epoch, chain, ..again });
        Some(())
    });
}

#[test]
fn a_gap_that_is_not_told() {
    check("a gap is not told", |history, dice| {
        let index = any(history, dice, |record| match record {
            Record::Told { reader, gap, .. } => {
                gap.reason == GapReason::Restored && !leaves(history, *reader)
            }
            _ => false,
        })?;
        history.records.remove(index);
        Some(())
    });
}
