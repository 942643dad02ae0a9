//! What was redacted is nowhere: not in a tail, not in what was read ahead, on no node.

use futures::executor::block_on;

use super::peer::{House, Peer, numbers, position};
use crate::conformance::faults::FailingStore;
use crate::event::{Body, Draft, EventKind};
use crate::id::RoomId;
use crate::position::Offset;
use crate::session::frame::{From, HistoryRange, RequestId};
use crate::store::Direction;

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

/// What was read of an event for an answer that is still in the making is taken out of it again.
#[test]
fn what_is_redacted_while_a_page_or_a_thread_is_read_is_in_neither() {
    for is_thread in [false, true] {
        let mut failing = None;
        let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
        let failing = failing.expect("the house was built");
        house.say("ada", "lobby", 1);
        house.act("ada", "lobby", about(EventKind::MESSAGE, 1, "a reply"));
        house.act("ada", "lobby", about(EventKind::EDIT, 2, "edited"));
        let redact = house.later("ada", "lobby", about(EventKind::REDACTION, 2, ""));
        // Behind the events, before what became of them.
        failing.change_after_reads(1, redact);
        let (id, lobby) = (RequestId(1), RoomId::lobby());
        let (events, changes, is_told) = if is_thread {
            let from = Direction::After(Offset(0));
            let page = block_on(house.anchor.thread(id, &lobby, Offset(1), from, 9, None)).unwrap();
            let is_told = page.changes.iter().any(|changes| changes.redacted_by.is_some());
            (page.root.into_iter().chain(page.replies).collect::<Vec<_>>(), page.changes, is_told)
        } else {
            let page = block_on(house.anchor.history(id, &lobby, HistoryRange::Newest, 9, None)).unwrap();
            let is_told = page.changes.iter().any(|changes| changes.redacted_by.is_some());
            (page.events, page.changes, is_told)
        };
        assert_eq!(position(&house, "lobby", 4).offset, Offset(4), "it was redacted meanwhile");
        let whole = events.iter().filter(|event| event.body.is_some()).map(|event| event.offset.0);
        assert_eq!(whole.collect::<Vec<_>>(), [1], "thread: {is_thread}");
        let edits = changes.iter().filter_map(|changes| changes.edit.as_ref());
        assert!(edits.into_iter().all(|edit| edit.body.is_none()) && !is_told, "{changes:?}");
    }
}
