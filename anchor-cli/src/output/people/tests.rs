//! What people see of an event, and what nobody can make them see.

use anchor_core::event::{Body, Event, EventKind};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Offset, Ordinal};

use super::{Style, Zone};

fn sample(user: &str, body: impl Into<Body>) -> Event {
    Event {
        offset: Offset(12),
        ordinal: Ordinal(12),
        chain: Chain::ZERO,
        // 2026-11-22 14:03:05.500 UTC
        ts: 1_795_356_185_500,
        user: UserId::new(user).unwrap(),
        client: ClientTag::from_bytes([1; 8]),
        seq: Seq::FIRST,
        nonce: Nonce(1),
        kind: EventKind::MESSAGE,
        target: None,
        body: Some(body.into()),
    }
}

#[test]
fn a_message_is_a_line_with_time_offset_and_name() {
    let style = Style::new(Zone::Utc);
    assert_eq!(style.event(&RoomId::lobby(), &sample("ada", "hello")), "2026-11-22 14:03:05Z #12 ada: hello");
    assert_eq!(style.chat(&RoomId::lobby(), &sample("ada", "hello")), "14:03Z ada: hello");
}

#[test]
fn other_events_say_what_they_are() {
    let style = Style::new(Zone::Utc);
    let mut event = sample("ada", "better");
    event.kind = EventKind::EDIT;
    event.target = Some(Offset(3));
    assert_eq!(style.chat(&RoomId::lobby(), &event), "14:03Z ada [edited #3]: better");
    event.kind = EventKind(99);
    event.target = None;
    event.body = None;
    assert_eq!(style.chat(&RoomId::lobby(), &event), "14:03Z ada [kind 99] [redacted]");
    event.kind = EventKind::MESSAGE;
    event.body = Some(Body::new(Some("image/png"), vec![0; 3].into()).unwrap());
    assert_eq!(style.chat(&RoomId::lobby(), &event), "14:03Z ada [image/png, 3 bytes]");
}

#[test]
fn nobody_writes_in_the_name_of_another() {
    let style = Style::new(Zone::Utc);
    let forged = style.chat(&RoomId::lobby(), &sample("ada", "hi\n14:03Z bob: I quit"));
    assert_eq!(forged, "14:03Z ada: hi\n    14:03Z bob: I quit");
    assert_eq!(style.chat(&RoomId::lobby(), &sample("bob: I quit", "x")), "14:03Z \"bob: I quit\": x");
    assert_eq!(
        style.chat(&RoomId::lobby(), &sample("ada", "hi\r14:03Z bob: I quit")),
        "14:03Z ada: hi\\r14:03Z bob: I quit"
    );
}

#[test]
fn a_time_out_of_all_bounds_is_still_shown() {
    let mut event = sample("ada", "hello");
    event.ts = u64::MAX;
    assert_eq!(Style::new(Zone::Utc).chat(&RoomId::lobby(), &event), format!("{}ms ada: hello", u64::MAX));
}
