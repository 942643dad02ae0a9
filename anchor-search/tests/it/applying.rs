//! Taking events, once and again: the index has what a log says, whatever was taken before.

use std::collections::BTreeMap;

use anchor_core::event::{Event, EventKind};
use anchor_core::position::{Epoch, Offset};
use anchor_core::resume::GapReason;
use anchor_search::{Audience, Indexer, Taken};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::room::{EPOCH, edited, find, gap, places, redacted, room, said, take};

#[test]
fn the_newest_edit_is_found_in_the_place_of_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    take(&mut indexer, "plans", [said(1, "red"), said(2, "blue"), edited(3, 1, "green")]);
    take(&mut indexer, "plans", [edited(4, 2, "black"), edited(5, 1, "white")]);
    for gone in ["red", "blue", "green"] {
        assert_eq!(places(&indexer, gone), [""; 0], "{gone}");
    }
    let [white] = &find(&indexer, "white")[..] else { panic!("one place") };
    assert_eq!((white.offset.0, white.ts, white.version.0), (1, 1_000, 5), "it is the message of then");
    assert_eq!(places(&indexer, "black"), ["plans/2"]);
}

#[test]
fn older_events_that_come_again_take_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    take(&mut indexer, "plans", [said(1, "red"), edited(2, 1, "green"), edited(3, 1, "blue")]);
    for again in [said(1, "red"), edited(2, 1, "green")] {
        take(&mut indexer, "plans", [again]);
        assert_eq!(places(&indexer, "blue"), ["plans/1"]);
    }
    take(&mut indexer, "plans", [Event { body: None, ..said(1, "") }]);
    assert_eq!(places(&indexer, "in:plans"), [""; 0], "it was redacted before it came again");
}

#[test]
fn gaps_take_away_what_is_not_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    let fill = |indexer: &mut Indexer| take(indexer, "plans", (1..=4).map(|offset| said(offset, "hello")));
    take(&mut indexer, "other", [said(1, "hello")]);
    for (reason, taken, left) in [
        (GapReason::Hidden, Taken::Whole, 5),
        (GapReason::Trimmed, Taken::Whole, 2),
        (GapReason::History, Taken::Whole, 1),
        (GapReason::Deleted, Taken::Whole, 1),
        (GapReason::Restored, Taken::Anew, 1),
    ] {
        fill(&mut indexer);
        assert_eq!(indexer.gap(&room("plans"), &gap(reason, 2, 3)).unwrap(), taken);
        assert_eq!(places(&indexer, "hello").len(), left, "{reason:?}");
    }
    fill(&mut indexer);
    assert_eq!(indexer.index().rooms(None, 10).unwrap(), [room("other"), room("plans")]);
    assert_eq!(indexer.index().rooms(Some(&room("other")), 10).unwrap(), [room("plans")]);
    assert_eq!(indexer.index().span(&room("plans")).unwrap(), Some((Offset(1), Offset(4), EPOCH)));
    indexer.trim(&room("plans"), Offset(3)).unwrap();
    assert_eq!(indexer.index().span(&room("plans")).unwrap(), Some((Offset(3), Offset(4), EPOCH)));
    indexer.forget(&room("plans")).unwrap();
    assert_eq!(indexer.index().span(&room("plans")).unwrap(), None);
}

#[test]
fn a_log_that_is_not_the_one_that_was_taken_is_taken_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut indexer = Indexer::open(dir.path()).unwrap();
    take(&mut indexer, "plans", (1..=4).map(|offset| said(offset, "old")));
    let another = Epoch::from_bytes([2; 8]);
    let mut give = |first| {
        let events = (first..=4).map(|offset| said(offset, "new"));
        let taken = indexer.take(&room("plans"), Audience::Everybody, another, events).unwrap();
        indexer.commit().unwrap();
        (taken, places(&indexer, "old").len(), places(&indexer, "new").len())
    };
    assert_eq!(give(3), (Taken::Anew, 0, 0));
    assert_eq!(give(1), (Taken::Whole, 0, 4));
    assert_eq!(give(1), (Taken::Whole, 0, 4), "what is taken again, is the same");
}

/// A log: messages, edits and redactions of earlier messages, in any order.
fn log() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0_u8..6, any::<Index>(), 0_u8..5), 1..25).prop_map(|steps| {
        let (mut events, mut alive) = (Vec::new(), Vec::<u64>::new());
        for (offset, (step, target, word)) in (1..).zip(steps) {
            let text = format!("w{word}");
            events.push(match step {
                4 if !alive.is_empty() => edited(offset, *target.get(&alive), &text),
                5 if !alive.is_empty() => redacted(offset, alive.remove(target.index(alive.len()))),
                _ => {
                    alive.push(offset);
                    said(offset, &text)
                }
            });
        }
        events
    })
}

/// What each word is to be found in, by the log alone.
fn expected(log: &[Event]) -> BTreeMap<String, Vec<u64>> {
    let mut texts = BTreeMap::new();
    for event in log {
        let text = event.body.as_ref().and_then(|body| body.as_text()).unwrap_or_default().to_owned();
        match (event.kind, event.target) {
            (EventKind::MESSAGE, _) => drop(texts.insert(event.offset.0, text)),
            (EventKind::EDIT, Some(target)) => drop(texts.insert(target.0, text)),
            (_, Some(target)) => drop(texts.remove(&target.0)),
            _ => {}
        }
    }
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (offset, text) in texts.into_iter().rev() {
        found.entry(text).or_default().push(offset);
    }
    found
}

/// The log as it is read once it has grown up to `upto`: what was redacted up to there has no body.
fn as_read(log: &[Event], upto: usize) -> Vec<Event> {
    let redacted = |offset: Offset| {
        log[..upto].iter().any(|event| event.kind == EventKind::REDACTION && event.target == Some(offset))
    };
    let is_gone = |event: &Event| match event.kind {
        EventKind::MESSAGE => redacted(event.offset),
        EventKind::EDIT => event.target.is_some_and(redacted),
        _ => false,
    };
    let read =
        |event: &Event| Event { body: event.body.clone().filter(|_| !is_gone(event)), ..event.clone() };
    log.iter().map(read).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_index_has_what_the_log_says_however_often_parts_of_it_come_again(
        log in log(),
        turns in prop::collection::vec((any::<Index>(), any::<Index>(), any::<bool>(), any::<bool>()), 1..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut indexer = Indexer::open(dir.path()).unwrap();
        indexer.begun().unwrap();
        let mut head = 0;
        for (from, to, is_settled, is_opened_anew) in turns {
            // Somebody reads on from where it was, or from before, up to a head that only rises.
            let from = from.index(head + 1);
            head = to.index(log.len() + 1).max(head);
            take(&mut indexer, "plans", as_read(&log, head)[from..head].to_vec());
            if is_settled {
                indexer.settle().unwrap();
            }
            if is_opened_anew {
                drop(indexer);
                indexer = Indexer::open(dir.path()).unwrap();
                prop_assert!(!indexer.is_new());
            }
            let expected = expected(&log[..head]);
            for word in ["w0", "w1", "w2", "w3", "w4"] {
                let found: Vec<_> = find(&indexer, word).iter().map(|found| found.offset.0).collect();
                prop_assert_eq!(&found, &expected.get(word).cloned().unwrap_or_default(), "{}", word);
            }
        }
    }
}
