//! Stores that are slow, away, or in doubt: nothing is told before it is true, and nothing happens twice.

use std::sync::Arc;

use super::peer::{House, Peer, Sent, publish};
use crate::code::Code;
use crate::conformance::faults::{FailingStore, Fault, SlowStore};
use crate::environment::Environment;
use crate::position::Position;
use crate::publish::Outcome;
use crate::session::frame::ServerFrame;
use crate::session::{Action, Ask, Reply};
use crate::store::StoreError;

/// Offsets of the acks among what was sent, and whether each said duplicate.
fn acks(peer: &Peer) -> Vec<(u64, bool)> {
    let ack = |sent: &Sent| match sent {
        Sent::Frame(ServerFrame::Ack(ack)) => Some((ack.mark.offset.0, ack.duplicate)),
        _ => None,
    };
    peer.sent.iter().filter_map(ack).collect()
}

#[test]
fn neither_ack_nor_event_nor_repeat_is_told_before_the_commit() {
    let mut slow = None;
    let house = House::behind(|store| slow.insert(SlowStore::new(store)).clone());
    let slow = slow.expect("the house was built");
    let mut ada = house.session("ada", &[("lobby", Position::START)]);
    let mut bob = house.session("bob", &[("lobby", Position::START)]);
    slow.hold();
    ada.send(publish(1, 1, "lobby", "a")).send(publish(1, 1, "lobby", "a"));
    let late = house.session("late", &[("lobby", Position::START)]);
    assert_eq!((acks(&ada), ada.texts("lobby", 0)), (vec![], vec![]));
    assert_eq!((bob.settle().texts("lobby", 0), late.texts("lobby", 0)), (vec![], vec![]));
    slow.release_all();
    assert_eq!(acks(ada.settle()), [(1, false), (1, true)]);
    assert_eq!(ada.texts("lobby", 0), ["a"]);
    assert_eq!(bob.settle().texts("lobby", 0), ["a"]);
}

#[test]
fn a_drain_waits_for_what_is_on_its_way_to_the_store() {
    let mut slow = None;
    let house = House::behind(|store| slow.insert(SlowStore::new(store)).clone());
    let slow = slow.expect("the house was built");
    let mut ada = house.session("ada", &[]);
    slow.hold();
    ada.send(publish(1, 1, "lobby", "a"));
    house.anchor.drain(crate::engine::Drain { back_in: std::time::Duration::ZERO, per_second: 1 });
    assert!(ada.settle().goodbye.is_none());
    assert!(ada.send(publish(2, 1, "lobby", "not taken any more")).goodbye.is_none());
    house.anchor.drain(crate::engine::Drain { back_in: std::time::Duration::ZERO, per_second: 1 });
    assert!(ada.settle().goodbye.is_none(), "asked twice, its acks are still due");
    slow.release_all();
    assert_eq!(acks(ada.settle()), [(1, false)]);
    assert_eq!(ada.goodbye.as_ref().map(|goodbye| goodbye.code), Some(Code::Shutdown));
}

#[test]
fn an_append_that_fails_ends_the_session_and_its_repeat_appends_once() {
    for (fault, code) in [
        (Fault::Unavailable, Code::StoreUnavailable),
        (Fault::UnknownWritten, Code::StoreUnknown),
        (Fault::UnknownUnwritten, Code::StoreUnknown),
    ] {
        let mut failing = None;
        let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
        let failing = failing.expect("the house was built");
        let mut ada = house.session("ada", &[]);
        failing.fail_next(fault);
        ada.send(publish(1, 1, "lobby", "a")).send(publish(2, 1, "lobby", "b"));
        assert_eq!(ada.goodbye.as_ref().map(|goodbye| goodbye.code), Some(code));
        assert_eq!(acks(&ada), []);
        let mut again = house.session("ada", &[("lobby", Position::START)]);
        again.send(publish(1, 1, "lobby", "a")).send(publish(2, 1, "lobby", "b"));
        assert_eq!(again.settle().texts("lobby", 0), ["a", "b"], "{fault:?}");
    }
}

#[test]
fn what_is_fenced_behind_a_batch_in_doubt_does_not_hide_the_doubt() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let now = house.env.now();
    let mut batches = Vec::new();
    for seq in 1..=2 {
        ada.session.handle_frame(now, Ok(publish(seq, 1, "lobby", "x")));
        let Some(Action::Ask(Ask::Append(batch, _))) = ada.session.poll_action(now) else {
            panic!("no batch")
        };
        batches.push(batch);
    }
    let unknown = StoreError::Unknown { backend: "test", source: Arc::new("lost".into()) };
    ada.session.handle_reply(Reply::Appended(batches[1], Ok(vec![Outcome::Fenced])));
    ada.session.handle_reply(Reply::Appended(batches[0], Err(unknown)));
    assert_eq!(ada.settle().goodbye.as_ref().map(|goodbye| goodbye.code), Some(Code::StoreUnknown));
}

#[test]
fn a_store_that_failed_for_good_answers_nobody_any_more() {
    let mut failing = None;
    let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
    let failing = failing.expect("the house was built");
    let mut ada = house.session("ada", &[]);
    let mut bob = house.session("bob", &[]);
    failing.fail_next(Fault::FailedWritten);
    ada.send(publish(1, 1, "lobby", "a"));
    for peer in [&mut ada, &mut bob, &mut house.connect()] {
        assert_eq!(peer.settle().goodbye.as_ref().map(|goodbye| goodbye.code), Some(Code::StoreFailed));
    }
    assert_eq!(acks(&ada), []);
}
