//! The bodies of POSTs, as `docs/guide/webhooks.md` tells them.

use anchor_core::engine::ConsumerName;
use anchor_core::event::Event;
use anchor_core::event::EventKey;
use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Offset};
use anchor_core::resume::Gap;
use anchor_core::session::frame::{Events, ServerFrame};
use anchor_transport::codec::Encoding;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

/// What is sent, with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// The same for the same content. No full stop is in it, as the convention asks.
    pub(crate) id: String,
    pub(crate) body: Bytes,
}

#[derive(Serialize)]
struct EventsBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    webhook: &'a str,
    room: &'a str,
    epoch: String,
    events: Vec<KeyedEvent<'a>>,
}

#[derive(Serialize)]
struct KeyedEvent<'a> {
    key: String,
    event: &'a RawValue,
}

#[derive(Serialize)]
struct GapBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    webhook: &'a str,
    room: &'a str,
    from: u64,
    to: u64,
    reason: &'static str,
}

/// Tells events of one room and epoch, in rising order, at least one.
pub(crate) fn of_events(webhook: &ConsumerName, room: &RoomId, epoch: Epoch, events: Vec<Event>) -> Letter {
    let offsets: Vec<_> = events.iter().map(|event| event.offset).collect();
    let (first, last) = (edge(offsets.first()), edge(offsets.last()));
    // The one layout of an event is that of the protocol.
    let frame = ServerFrame::Events(Events { room: room.clone(), epoch, first, events });
    let frame = Encoding::Json.encode_server(&frame);
    let fields: Vec<&RawValue> =
        serde_json::from_slice(&frame).expect("a frame that was just written is an array");
    let raw = fields.last().map_or("[]", |events| events.get());
    let raw: Vec<&RawValue> = serde_json::from_str(raw).expect("its last field is the list of events");
    let key = |offset| EventKey { room: room.clone(), epoch, offset }.to_string();
    let events =
        offsets.iter().zip(raw).map(|(offset, event)| KeyedEvent { key: key(*offset), event }).collect();
    let body = EventsBody {
        kind: "events",
        webhook: webhook.as_str(),
        room: room.as_str(),
        epoch: epoch.to_string(),
        events,
    };
    Letter { id: id(room, &format!("{epoch}/{first}-{last}")), body: json(&body) }
}

/// Tells that events cannot be had.
pub(crate) fn of_gap(webhook: &ConsumerName, room: &RoomId, gap: &Gap) -> Letter {
    let Gap { from, to, reason, position, .. } = *gap;
    let body = GapBody {
        kind: "gap",
        webhook: webhook.as_str(),
        room: room.as_str(),
        from: from.0,
        to: to.0,
        reason: reason.name(),
    };
    let epoch =
        position.and_then(|position| position.epoch).map_or("none".to_owned(), |epoch| epoch.to_string());
    Letter { id: id(room, &format!("{epoch}/{}/{from}-{to}", reason.name())), body: json(&body) }
}

fn id(room: &RoomId, rest: &str) -> String {
    format!("{}/{rest}", room.as_str().replace('.', "~"))
}

fn edge(offset: Option<&Offset>) -> Offset {
    offset.copied().unwrap_or(Offset::ZERO)
}

fn json(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).expect("texts and numbers are JSON").into()
}
