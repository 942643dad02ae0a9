//! What is read where it lies is what the codec of the protocol wrote.

use anchor_core::event::{Body, Event};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal};
use anchor_core::publish::{Ack, Durability};
use anchor_core::session::frame::{Events, Page, RequestId};

use super::*;

fn event(offset: u64, kind: EventKind, body: Option<Body>) -> Event {
    Event {
        offset: Offset(offset),
        ordinal: Ordinal(offset),
        chain: Chain::from_bytes([3; 8]),
        ts: 1_766_400_000_000,
        user: UserId::new("ada").unwrap(),
        client: ClientTag::from_bytes([4; 8]),
        seq: Seq::new(1 << 40).unwrap(),
        nonce: Nonce(u32::MAX),
        kind,
        target: (kind != EventKind::MESSAGE).then_some(Offset(70_000)),
        body,
    }
}

/// Events of every shape.
fn events() -> Vec<Event> {
    let bytes = Body::new(Some("image/png"), Bytes::from_static(b"\x89PNG")).unwrap();
    vec![
        event(300, EventKind::MESSAGE, Some("hello".into())),
        event(301, EventKind::EDIT, Some("hallo".into())),
        event(302, EventKind::MESSAGE, Some(bytes)),
        event(303, EventKind::MESSAGE, None),
        event(304, EventKind::MESSAGE, Some("x".repeat(70_000).into())),
    ]
}

fn check(mut seen: EventsSeen<'_>, expected: &[Event]) {
    assert_eq!((seen.room, seen.epoch, seen.first), ("lobby", [1; 8], 300));
    for event in expected {
        let seen = seen.next().unwrap().unwrap();
        assert_eq!((seen.offset, seen.seq), (event.offset.0, event.seq.get()));
        assert_eq!((seen.chain, seen.client), ([3; 8], [4; 8]));
        let text = event.body.as_ref().filter(|_| event.kind == EventKind::MESSAGE).and_then(Body::as_text);
        assert_eq!(seen.body, text.unwrap_or_default());
    }
    assert!(seen.next().unwrap().is_none());
}

#[test]
fn events_are_read() {
    let (room, epoch) = (RoomId::lobby(), Epoch::from_bytes([1; 8]));
    let frame = ServerFrame::Events(Events { room, epoch, first: Offset(300), events: events() });
    let bytes = Encoding::MessagePack.encode_server(&frame);
    let Ok(Said::Events(seen)) = Said::read(&bytes) else { panic!("another frame") };
    check(seen, &events());
}

#[test]
fn pages_are_read() {
    let frame = ServerFrame::Page(Box::new(Page {
        id: RequestId(9),
        room: RoomId::lobby(),
        epoch: Some(Epoch::from_bytes([1; 8])),
        first: Offset(300),
        events: events(),
        head: Offset(900),
        horizon: Offset(1),
        gap: None,
        next: None,
        changes: Vec::new(),
    }));
    let bytes = Encoding::MessagePack.encode_server(&frame);
    let Ok(Said::Page(page)) = Said::read(&bytes) else { panic!("another frame") };
    assert_eq!(page.id, 9);
    check(page.events, &events());
}

#[test]
fn acks_are_read() {
    for duplicate in [false, true] {
        let frame = ServerFrame::Ack(Ack {
            seq: Seq::new(70_000).unwrap(),
            room: RoomId::lobby(),
            epoch: Epoch::from_bytes([1; 8]),
            mark: Mark { offset: Offset(5), ordinal: Ordinal(5), chain: Chain::from_bytes([2; 8]) },
            ts: 1_766_400_000_000,
            duplicate,
            durability: Durability::Disk,
        });
        let bytes = Encoding::MessagePack.encode_server(&frame);
        let Ok(Said::Ack(ack)) = Said::read(&bytes) else { panic!("another frame") };
        assert_eq!((ack.seq, ack.offset, ack.is_duplicate), (70_000, 5, duplicate));
        assert_eq!((ack.epoch, ack.chain, ack.durability), ([1; 8], [2; 8], "disk"));
    }
}

#[test]
fn anything_else_is_refused_or_read_whole() {
    let frame = ServerFrame::Beat { at: 1, lag: Vec::new() };
    let bytes = Encoding::MessagePack.encode_server(&frame);
    assert!(matches!(Said::read(&bytes), Ok(Said::Other(read)) if *read == frame));
    for cut in 0..bytes.len() {
        assert!(Said::read(&bytes[..cut]).is_err());
    }
}
