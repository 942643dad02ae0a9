//! What a consumer may not be given is found, and what it may is not blamed.

use anchor_core::event::EventKind;
use anchor_core::id::{ClientTag, Nonce, Seq, UserId};
use anchor_core::position::{Mark, Ordinal, Position};

use super::*;

fn event(offset: u64) -> Event {
    Event {
        offset: Offset(offset),
        ordinal: Ordinal(offset),
        chain: Chain::from_bytes([u8::try_from(offset).unwrap(); 8]),
        ts: 0,
        user: UserId::new("ada").unwrap(),
        client: ClientTag::from_bytes([0; 8]),
        seq: Seq::new(offset).unwrap(),
        nonce: Nonce(0),
        kind: EventKind::MESSAGE,
        target: None,
        body: None,
    }
}

fn epoch() -> Epoch {
    Epoch::from_bytes([1; 8])
}

fn events(offsets: impl IntoIterator<Item = u64>) -> Vec<Event> {
    offsets.into_iter().map(event).collect()
}

fn gap(reason: GapReason, to: u64) -> Gap {
    let mark = Mark { offset: Offset(to), ordinal: Ordinal(to), chain: Chain::from_bytes([0; 8]) };
    let position = Some(Position::at(epoch(), mark));
    Gap { from: Offset(1), to: Offset(to), reason, position, ordinal: Ordinal(to) }
}

/// What is wrong once `told` has happened, in a room of six events in the end.
fn wrong(told: impl FnOnce(&Followed, &RoomId)) -> Vec<String> {
    let (followed, room) = (Followed::default(), RoomId::lobby());
    told(&followed, &room);
    let left = events(1..=6).into_iter().map(|event| (epoch(), event)).collect();
    followed.verdict(&BTreeMap::from([(room, left)]))
}

#[test]
fn what_was_done_or_not_may_come_again() {
    let wrong = wrong(|followed, room| {
        let first = followed.opened();
        followed.given(first, room, epoch(), &events(1..=4));
        followed.done(room, Offset(2));
        let second = followed.opened();
        followed.given(second, room, epoch(), &events(1..=6));
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_is_skipped_is_found() {
    let begun_late = wrong(|followed, room| {
        let first = followed.opened();
        followed.given(first, room, epoch(), &events(1..=6));
        followed.done(room, Offset(2));
        let second = followed.opened();
        followed.given(second, room, epoch(), &events(4..=6));
    });
    assert!(begun_late[0].contains("begins with 4"), "{begun_late:?}");
    let in_between = wrong(|followed, room| {
        let opening = followed.opened();
        followed.given(opening, room, epoch(), &events([1, 2, 4, 5, 6]));
    });
    assert!(in_between[0].contains("was given 4 of lobby behind 2"), "{in_between:?}");
    assert!(in_between[1].contains("never given 1 events"), "{in_between:?}");
}

#[test]
fn what_is_told_to_be_gone_is_not_skipped() {
    let wrong = wrong(|followed, room| {
        let opening = followed.opened();
        followed.given(opening, room, epoch(), &events(1..=2));
        followed.told(opening, room, &gap(GapReason::Restored, 1));
        followed.given(opening, room, epoch(), &events(2..=6));
        let late = followed.opened();
        followed.told(late, room, &gap(GapReason::Trimmed, 3));
        followed.given(late, room, epoch(), &events(4..=6));
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn another_event_in_the_same_place_is_found() {
    let wrong = wrong(|followed, room| {
        let opening = followed.opened();
        followed.given(opening, room, epoch(), &events(1..=6));
        let other = Event { chain: Chain::from_bytes([9; 8]), ..event(1) };
        followed.given(followed.opened(), room, epoch(), &[other]);
    });
    assert!(wrong[0].contains("another event 1"), "{wrong:?}");
}
