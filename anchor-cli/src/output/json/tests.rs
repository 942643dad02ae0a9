//! JSON that a program reads back unchanged and a terminal cannot be misled by.

use anchor_core::event::{Body, Event, EventKind};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Offset, Ordinal};
use serde_json::{Value, json};

use super::{event, to_line};

fn sample(kind: EventKind, body: Option<Body>) -> Event {
    Event {
        offset: Offset(7),
        ordinal: Ordinal(5),
        chain: Chain::ZERO,
        ts: 1_000,
        user: UserId::new("ada").unwrap(),
        client: ClientTag::from_bytes([1; 8]),
        seq: Seq::FIRST,
        nonce: Nonce(1),
        kind,
        target: None,
        body,
    }
}

fn printed(sample: &Event) -> Value {
    let line = to_line(&event(&RoomId::lobby(), Epoch::from_bytes([2; 8]), sample));
    serde_json::from_slice(&line).unwrap()
}

#[test]
fn an_event_has_the_documented_fields() {
    let line = printed(&sample(EventKind::MESSAGE, Some("hello".into())));
    let expected = json!({
        "room": "lobby", "epoch": "0202020202020202", "offset": 7, "ordinal": 5, "ts": 1000, "user": "ada",
        "client": "0101010101010101", "kind": "message", "body": "hello",
    });
    assert_eq!(line, expected);
}

#[test]
fn bodies_are_text_or_base64_or_nothing() {
    let image = Body::new(Some("image/png"), vec![0, 255].into()).unwrap();
    let line = printed(&sample(EventKind::MESSAGE, Some(image)));
    assert_eq!(line["body"], json!({ "b64": "AP8=" }));
    assert_eq!(line["content_type"], "image/png");
    assert_eq!(printed(&sample(EventKind::MESSAGE, None))["body"], Value::Null);
    assert_eq!(printed(&sample(EventKind(999), None))["kind"], "999");
}

#[test]
fn what_could_steer_a_terminal_is_escaped_and_reads_back_unchanged() {
    let text = "\x1b]0;x\x07 \u{7f}\u{85}\u{9b}1m \u{202e}\u{2066}\u{2028} \r\n\t ü 日 👩‍🚀 \"\\";
    let line = to_line(&json!(text));
    let shown = String::from_utf8(line).unwrap();
    assert!(!shown.chars().any(anchor_core::id::is_unprintable), "{shown}");
    assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
}
