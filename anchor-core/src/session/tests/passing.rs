//! What is said in passing: to those who are there, and in nobody's way.

use super::peer::{House, Peer, hello, publish, room_id};
use crate::code::Code;
use crate::event::{Body, Draft, EventKind};
use crate::id::{ClientId, ClientTag, UserId};
use crate::limits::{SIGNAL_BYTES_MAX, SIGNALS_WAITING_MAX};
use crate::position::Position;
use crate::room::RoomKind;
use crate::room::change::{RoomChange, Settings};
use crate::session::frame::{ClientFrame, RequestId, ServerFrame, Signal};

fn signal(room: &str, text: &str) -> Signal {
    Signal { room: room_id(room), user: None, client: None, body: Body::text(text) }
}

/// What was heard in passing since the last look: who said it, and what.
fn heard(peer: &mut Peer) -> Vec<String> {
    let said = |frame| match frame {
        ServerFrame::Signal(Signal { user, client, body, .. }) => {
            assert!(client.is_some(), "a signal names its sender's client");
            Some(format!("{}: {}", user.expect("a signal names its sender"), body.as_text().unwrap()))
        }
        _ => None,
    };
    peer.settle().frames().into_iter().filter_map(said).collect()
}

fn refusals(peer: &mut Peer) -> Vec<Code> {
    let refusal = |frame| match frame {
        ServerFrame::Error { id: None, code, .. } => Some(code),
        _ => None,
    };
    peer.settle().frames().into_iter().filter_map(refusal).collect()
}

/// A session of another client of the user.
fn other_client(house: &House, user: &str, id: u8) -> (Peer, ClientTag) {
    let mut hello = hello(user, &[("lobby", Position::START)]);
    hello.client_id = ClientId::from_bytes([id; 16]);
    let mut peer = house.connect();
    peer.send(ClientFrame::Hello(hello));
    let ServerFrame::Welcome(welcome) = peer.frames().remove(0) else { panic!("no welcome") };
    (peer, welcome.client)
}

#[test]
fn a_signal_goes_to_all_others_to_a_user_or_to_a_client_who_are_there() {
    let house = House::new();
    let mut ada = house.session("ada", &[("lobby", Position::START)]);
    let mut bob = house.session("bob", &[("lobby", Position::START)]);
    let (mut phone, phone_tag) = other_client(&house, "bob", 9);
    let mut away = house.session("cy", &[("elsewhere", Position::START)]);
    ada.send(ClientFrame::Signal(signal("lobby", "typing")));
    ada.send(ClientFrame::Signal(Signal {
        user: Some(UserId::new("bob").unwrap()),
        ..signal("lobby", "psst")
    }));
    ada.send(ClientFrame::Signal(Signal { client: Some(phone_tag), ..signal("lobby", "ring") }));
    assert_eq!(heard(&mut bob), ["ada: typing", "ada: psst"]);
    assert_eq!(heard(&mut phone), ["ada: typing", "ada: psst", "ada: ring"]);
    assert_eq!((heard(&mut ada), heard(&mut away)), (vec![], vec![]));
    // Neither stored, nor heard by who comes later or has left.
    bob.send(ClientFrame::Unsubscribe { id: RequestId(1), room: room_id("lobby") });
    let mut late = house.session("late", &[("lobby", Position::START)]);
    ada.send(ClientFrame::Signal(signal("lobby", "again")));
    assert_eq!((heard(&mut bob), heard(&mut late)), (vec![], vec!["ada: again".to_owned()]));
    assert_eq!(late.events("lobby", 0), []);
}

#[test]
fn who_may_not_write_may_not_signal() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let ClientFrame::Publish(mut frame) = publish(1, 1, "club", "") else { unreachable!("it is a publish") };
    let change = RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None };
    frame.draft = Draft { kind: EventKind::ROOM, target: None, body: change.to_body() };
    ada.send(ClientFrame::Publish(frame));
    let mut eve = house.session("eve", &[("club", Position::START)]);
    eve.send(ClientFrame::Signal(signal("club", "hey")));
    assert_eq!(refusals(&mut eve), [Code::NotAMember]);
    ada.subscribe(1, "club", crate::session::frame::From::Now).frames();
    eve.send(ClientFrame::Signal(signal("club", "hey")));
    assert_eq!(heard(&mut ada), [""; 0]);
    ada.send(ClientFrame::Signal(signal("club", "hey")));
    assert_eq!(heard(&mut eve), ["ada: hey"]);
    eve.send(ClientFrame::Signal(signal("@announcements", "hear, hear")));
    eve.send(ClientFrame::Signal(signal("lobby", &"x".repeat(SIGNAL_BYTES_MAX + 1))));
    assert_eq!(refusals(&mut eve), [Code::Denied, Code::Invalid]);
}

#[test]
fn of_too_many_the_oldest_are_dropped_and_events_come_all_the_same() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let mut bob = house.session("bob", &[("lobby", Position::START)]);
    bob.writable = false;
    for n in 1..=100 {
        ada.send(ClientFrame::Signal(signal("lobby", &n.to_string())));
        ada.send(publish(n, n, "lobby", &n.to_string()));
        bob.settle();
    }
    assert_eq!(heard(&mut bob), [""; 0], "the socket takes nothing");
    bob.writable = true;
    assert_eq!(bob.settle().texts("lobby", 0).len(), 100);
    let newest = (101 - SIGNALS_WAITING_MAX..=100).map(|n| format!("ada: {n}"));
    assert!(heard(&mut bob).into_iter().eq(newest));
}
