//! What was redacted is nowhere: not in a tail, not in what was read ahead, on no node.

use super::peer::{House, Peer, numbers};
use crate::event::{Body, Draft, EventKind};
use crate::position::Offset;
use crate::session::frame::From;

fn about(kind: EventKind, target: u64, text: &str) -> Draft {
    Draft { kind, target: Some(Offset(target)), body: Body::text(text) }
}

/// The offsets of the events that came with a body.
fn whole(peer: &Peer) -> Vec<u64> {
    let events = peer.events("lobby", 0).into_iter();
    events.filter(|event| event.body.is_some()).map(|event| event.offset.0).collect()
}

#[test]
fn a_tail_holds_neither_a_redacted_body_nor_that_of_an_edit() {
    let house = House::new();
    let mut live = house.visit("ada");
    live.subscribe(1, "lobby", From::Start);
    house.say("ada", "lobby", 3);
    house.act("ada", "lobby", about(EventKind::EDIT, 2, "edited"));
    house.act("ada", "lobby", about(EventKind::EDIT, 1, "another"));
    let mut early = house.visit("bob");
    early.subscribe(1, "lobby", From::Start);
    assert_eq!(whole(&early), [1, 2, 3, 4, 5], "all of it in one join");
    house.act("ada", "lobby", about(EventKind::REDACTION, 2, ""));
    let mut late = house.visit("cy");
    late.subscribe(1, "lobby", From::Start);
    assert_eq!((whole(&late), late.reads), (vec![1, 3, 5, 6], 0), "from the tail");
    assert_eq!(late.events("lobby", 0).len(), 6);
}

#[test]
fn what_was_read_ahead_is_read_again_once_something_of_it_is_redacted() {
    let house = House::new();
    house.write("lobby", numbers(1..=320));
    let house = house.restarted();
    let mut slow = house.visit("bob");
    slow.writable = false;
    slow.subscribe(1, "lobby", From::Start);
    slow.take_one().take_one();
    assert_eq!((slow.reads, whole(&slow)), (1, (1..=64).collect()));
    house.act("writer", "lobby", about(EventKind::REDACTION, 100, ""));
    slow.writable = true;
    slow.settle();
    assert_eq!(whole(&slow), (1..=321).filter(|offset| *offset != 100).collect::<Vec<_>>());
}
