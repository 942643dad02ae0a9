//! From the first byte to welcome, and all the ways a session ends.

use std::time::Duration;

use super::peer::{House, Sent, hello, publish, room_id};
use crate::code::Code;
use crate::conformance::faults::FailingStore;
use crate::engine::Drain;
use crate::id::{Seq, UserId};
use crate::limits::{HEARTBEAT, HELLO_WITHIN};
use crate::position::{Offset, Position};
use crate::session::Fault;
use crate::session::frame::{ClientFrame, From, RequestId, ResumeRoom, ServerFrame};

/// The code of the goodbye, which must be the last frame.
fn ended(peer: &super::peer::Peer) -> Option<Code> {
    match peer.sent.last() {
        Some(Sent::Frame(ServerFrame::Goodbye { code, .. })) => {
            assert_eq!(peer.goodbye.as_ref().map(|goodbye| goodbye.code), Some(*code));
            Some(*code)
        }
        _ => None,
    }
}

#[test]
fn hello_is_answered_by_welcome_with_the_rooms_as_they_stand() {
    let house = House::new();
    house.write("lobby", ["a".to_owned(), "b".to_owned()]);
    let mut peer = house.session("ada", &[("lobby", Position::START), ("empty", Position::START)]);
    let ServerFrame::Welcome(welcome) = &peer.frames()[0] else { panic!("no welcome") };
    assert_eq!(welcome.user, UserId::new("ada").unwrap());
    assert_eq!(welcome.seq, Seq::ZERO);
    let heads: Vec<_> =
        welcome.rooms.iter().map(|room| (room.room.as_str(), room.head, room.epoch.is_some())).collect();
    assert_eq!(heads, [("lobby", Offset(2), true), ("empty", Offset(0), false)]);
}

#[test]
fn a_frame_before_hello_ends_the_session() {
    let house = House::new();
    let mut peer = house.connect();
    assert_eq!(ended(peer.send(publish(1, 1, "lobby", "x"))), Some(Code::OutOfOrder));
    assert!(house.session("reader", &[("lobby", Position::START)]).texts("lobby", 0).is_empty());
}

#[test]
fn hello_comes_once() {
    let mut peer = House::new().session("ada", &[]);
    assert_eq!(ended(peer.send(ClientFrame::Hello(hello("ada", &[])))), Some(Code::OutOfOrder));
}

#[test]
fn a_hello_without_a_user_is_not_let_in() {
    let mut peer = House::new().connect();
    peer.send(ClientFrame::Hello(crate::session::frame::Hello { user: None, ..hello("ada", &[]) }));
    assert_eq!(ended(&peer), Some(Code::Auth));
}

#[test]
fn a_hello_that_does_not_come_ends_the_session() {
    let mut peer = House::new().connect();
    assert_eq!(ended(peer.advance(HELLO_WITHIN.saturating_sub(Duration::from_millis(1)))), None);
    assert_eq!(ended(peer.advance(Duration::from_millis(1))), Some(Code::HelloLate));
}

#[test]
fn silence_for_three_heartbeats_ends_a_session_and_any_byte_keeps_it() {
    let house = House::new();
    let mut peer = house.session("ada", &[]);
    for _ in 0..5 {
        assert_eq!(ended(peer.advance(2 * HEARTBEAT)), None);
        peer.send(ClientFrame::Beat);
    }
    assert_eq!(ended(peer.advance(3 * HEARTBEAT)), Some(Code::Silent));
}

#[test]
fn bytes_that_are_no_frame_end_a_session_and_a_fault_in_a_request_does_not() {
    let mut peer = House::new().session("ada", &[]);
    let fault = |code, id| Fault { code, id, message: "?".to_owned() };
    peer.frames();
    peer.send_fault(fault(Code::Invalid, Some(RequestId(4)))).send_fault(fault(Code::Unsupported, None));
    let errors: Vec<_> = peer
        .frames()
        .into_iter()
        .map(|frame| match frame {
            ServerFrame::Error { id, code, .. } => (id, code),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(errors, [(Some(RequestId(4)), Code::Invalid), (None, Code::Unsupported)]);
    assert_eq!(ended(peer.send_fault(fault(Code::Malformed, None))), Some(Code::Malformed));
    assert!(peer.send(ClientFrame::Beat).goodbye.is_some(), "nothing is taken after goodbye");
}

#[test]
fn a_second_session_of_a_client_ends_the_first_for_good() {
    let house = House::new();
    let mut first = house.session("ada", &[]);
    let mut second = house.session("ada", &[]);
    assert_eq!(ended(first.settle()), Some(Code::Replaced));
    assert_eq!(ended(second.settle()), None);
    second.publish("lobby", "mine");
    assert!(second.frames().iter().any(|frame| matches!(frame, ServerFrame::Ack(_))));
}

#[test]
fn a_drain_gives_everybody_a_slot_of_their_own() {
    let house = House::new();
    let mut peers: Vec<_> = ["a", "b", "c"].map(|user| house.session(user, &[])).into();
    house.anchor.drain(Drain { back_in: Duration::from_secs(2), per_second: 10 });
    let mut slots: Vec<_> = peers
        .iter_mut()
        .map(|peer| {
            assert_eq!(ended(peer.settle()), Some(Code::Shutdown));
            peer.goodbye.as_ref().unwrap().reconnect_after.unwrap().as_millis()
        })
        .collect();
    slots.sort_unstable();
    assert_eq!(slots, [2000, 2100, 2200]);
    assert_eq!(ended(house.connect().settle()), Some(Code::Shutdown), "a late comer too");
}

#[test]
fn graver_news_is_not_hidden_by_what_comes_later() {
    let house = House::new();
    let mut first = house.session("ada", &[]);
    let _second = house.session("ada", &[]);
    house.anchor.drain(Drain { back_in: Duration::ZERO, per_second: 1 });
    assert_eq!(ended(first.settle()), Some(Code::Replaced), "coming back in a slot would replace the other");
}

#[test]
fn an_unsubscribe_that_overtakes_its_subscribe_is_answered_after_it() {
    let house = House::new();
    house.write("lobby", ["a".to_owned()]);
    let mut peer = house.session("ada", &[]);
    peer.frames();
    let now = crate::environment::Environment::now(&house.env);
    let subscribe = ClientFrame::Subscribe { id: RequestId(1), room: room_id("lobby"), from: From::Start };
    peer.session.handle_frame(now, Ok(subscribe));
    peer.session.handle_frame(now, Ok(ClientFrame::Unsubscribe { id: RequestId(2), room: room_id("lobby") }));
    peer.settle();
    assert!(peer.texts("lobby", 0).is_empty());
    let frames = peer.frames();
    assert!(
        matches!(frames[..], [ServerFrame::Subscribed { .. }, ServerFrame::Unsubscribed { .. }]),
        "{frames:?}"
    );
    peer.subscribe(3, "lobby", From::Start);
    assert_eq!(peer.texts("lobby", 0), ["a"]);
}

#[test]
fn an_unsubscribe_of_a_room_that_could_not_be_opened_is_answered() {
    let mut failing = None;
    let house = House::behind(|store| failing.insert(FailingStore::new(store)).clone());
    let mut peer = house.session("ada", &[]);
    peer.frames();
    failing.expect("the house was built").go_away();
    let now = crate::environment::Environment::now(&house.env);
    let subscribe = ClientFrame::Subscribe { id: RequestId(1), room: room_id("lobby"), from: From::Start };
    peer.session.handle_frame(now, Ok(subscribe));
    peer.send(ClientFrame::Unsubscribe { id: RequestId(2), room: room_id("lobby") });
    let errors: Vec<_> = peer
        .frames()
        .into_iter()
        .map(|frame| match frame {
            ServerFrame::Error { id, code, .. } => (id, code),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        errors,
        [(Some(RequestId(1)), Code::StoreUnavailable), (Some(RequestId(2)), Code::NotSubscribed)]
    );
}

#[test]
fn whatever_comes_between_hello_and_welcome_but_a_beat_ends_the_session() {
    let house = House::new();
    let now = crate::environment::Environment::now(&house.env);
    let fault = |code| Fault { code, id: Some(RequestId(1)), message: "?".to_owned() };
    for frame in [Ok(publish(1, 1, "lobby", "x")), Err(fault(Code::Unsupported)), Err(fault(Code::Invalid))] {
        let mut peer = house.connect();
        peer.session.handle_frame(now, Ok(ClientFrame::Hello(hello("ada", &[]))));
        peer.session.handle_frame(now, frame);
        assert_eq!(ended(peer.settle()), Some(Code::OutOfOrder));
        assert_eq!(peer.sent.len(), 1, "the first frame is welcome or goodbye");
    }
}

#[test]
fn requests_that_break_a_rule_are_refused_by_name() {
    let mut peer = House::new().session("ada", &[("lobby", Position::START)]);
    peer.frames();
    peer.subscribe(1, "lobby", From::Now).subscribe(2, "@secret", From::Now);
    peer.send(ClientFrame::Unsubscribe { id: RequestId(3), room: room_id("other") });
    let twice = vec![ResumeRoom::after(room_id("x"), Position::START); 2];
    peer.send(ClientFrame::Resume { id: RequestId(4), rooms: twice });
    let codes: Vec<_> = peer
        .frames()
        .into_iter()
        .map(|frame| match frame {
            ServerFrame::Error { code, .. } => code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        codes,
        [Code::AlreadySubscribed, Code::NotAMember, Code::NotSubscribed, Code::AlreadySubscribed]
    );
}
