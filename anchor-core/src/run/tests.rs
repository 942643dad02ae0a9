//! Joining and cutting runs keeps what a run promises.

use super::*;
use crate::event::EventKind;
use crate::id::{ClientTag, Nonce, Seq, UserId};

/// A run of `texts` behind `before`.
fn run(before: Mark, texts: &[String]) -> Run {
    let user = UserId::new("ada").unwrap();
    let mut builder = RunBuilder::new(RoomId::lobby(), Epoch::from_bytes([1; 8]), before);
    for text in texts {
        let link = Link {
            kind: EventKind::MESSAGE,
            user: &user,
            client: ClientTag::from_bytes([2; 8]),
            seq: Seq::FIRST,
            nonce: Nonce(3),
            ts: 4,
            target: None,
        };
        builder.push(&link, &Body::text(text.clone()), &[5; 16]);
    }
    builder.finish().unwrap()
}

fn texts(run: &Run) -> Vec<String> {
    run.events().map(|event| event.unwrap().body.unwrap().as_text().unwrap().to_owned()).collect()
}

fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[test]
fn a_run_joined_of_two_is_the_run_made_at_once() {
    let all = run(Mark::START, &numbered(0..5));
    let first = run(Mark::START, &numbered(0..2));
    let joined = first.joined(&run(first.tip(), &numbered(2..5))).unwrap();
    assert_eq!(joined.parts(), all.parts());
}

#[test]
fn runs_that_do_not_follow_or_do_not_fit_are_not_joined() {
    let first = run(Mark::START, &numbered(0..2));
    assert!(first.joined(&first).is_none(), "it does not follow itself");
    assert!(first.joined(&run(first.tip(), &numbered(0..63))).is_none(), "65 events");
    let large = vec!["x".repeat(RUN_BYTES_MAX - 100)];
    assert!(first.joined(&run(first.tip(), &large)).is_none(), "too many bytes");
    let other =
        RunParts { epoch: Epoch::from_bytes([9; 8]), ..run(first.tip(), &numbered(2..3)).parts().clone() };
    assert!(first.joined(&Run::from_parts(other)).is_none(), "another epoch");
}

#[test]
fn a_run_is_cut_at_an_event() {
    let all = run(Mark::START, &numbered(0..5));
    let rest = all.from_offset(Offset(4)).unwrap().unwrap();
    assert_eq!(texts(&rest), numbered(3..5));
    assert_eq!((rest.before(), rest.tip()), (all.mark_at(Offset(3)).unwrap().unwrap(), all.tip()));
    assert_eq!(all.from_offset(Offset(1)).unwrap().unwrap().parts(), all.parts());
    assert_eq!(rest.from_offset(Offset(2)).unwrap().unwrap().parts(), rest.parts());
    assert!(all.from_offset(Offset(6)).unwrap().is_none());
}

/// Found by fuzzing: a stored run whose events do not stand where its marks say was cut at the wrong place, into a run of
/// fewer than no events.
#[test]
fn a_run_whose_events_are_out_of_place_is_an_error_where_it_is_cut() {
    let all = run(Mark::START, &numbered(0..5));
    let tip = Mark { offset: Offset(3), ..all.tip() };
    let odd = Run::from_parts(RunParts {
        before: Mark::START,
        tip,
        ..run(all.tip(), &numbered(5..8)).parts().clone()
    });
    assert!(odd.from_offset(Offset(3)).is_err(), "offset 6 where 1 should be");
    assert!(odd.mark_at(Offset(2)).is_err());
}

#[test]
fn what_was_kept_before_mentions_were_looked_for_may_have_some() {
    for bits in 0..8 {
        assert!(Contents::from_bits(bits).has(Contents::MENTIONS), "{bits}");
    }
    for contents in
        [Contents::PLAIN, Contents::OF_ROOM, Contents::MENTIONS, Contents::TARGETED.and(Contents::MENTIONS)]
    {
        assert_eq!(Contents::from_bits(contents.bits()), contents);
    }
}
