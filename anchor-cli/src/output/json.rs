//! What `--json` prints: one object per line, pure ASCII where a terminal could be misled.

use std::io;

use anchor_core::event::{Body, Event};
use anchor_core::id::{RoomId, is_unprintable};
use anchor_core::position::{Epoch, Position};
use anchor_core::publish::{Ack, Refusal};
use anchor_core::resume::Gap;
use anchor_core::session::frame::RoomEntry;
use data_encoding::BASE64;
use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Serializer, Value, json};

/// `value` as one line without its end. Everything unprintable is written as `\uXXXX`, also what JSON would allow.
pub(crate) fn to_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = Vec::with_capacity(256);
    value
        .serialize(&mut Serializer::with_formatter(&mut line, Visible))
        .expect("the values of this module have string keys, and a Vec takes everything");
    line
}

/// An event of a room.
pub(crate) fn event(room: &RoomId, epoch: Epoch, event: &Event) -> impl Serialize {
    EventLine {
        room: room.to_string(),
        epoch: epoch.to_string(),
        offset: event.offset.0,
        ordinal: event.ordinal.0,
        ts: event.ts,
        user: event.user.to_string(),
        client: event.client.to_string(),
        kind: event.kind.name().map_or_else(|| event.kind.0.to_string(), str::to_owned),
        target: event.target.map(|target| target.0),
        content_type: event.body.as_ref().and_then(Body::content_type).map(str::to_owned),
        body: event.body.as_ref().map_or(Value::Null, body),
    }
}

/// Events that cannot be had.
pub(crate) fn gap(room: &RoomId, gap: &Gap) -> Value {
    json!({ "gap": {
        "room": room.as_str(),
        "from": gap.from.0,
        "to": gap.to.0,
        "reason": gap.reason.name(),
        "position": gap.position.map(|at| position(&at)),
    } })
}

/// A message that was acknowledged; without a line where an earlier process took it.
pub(crate) fn ack(line: Option<u64>, ack: &Ack) -> impl Serialize {
    AckLine {
        line,
        room: ack.room.to_string(),
        epoch: ack.epoch.to_string(),
        offset: ack.mark.offset.0,
        ordinal: ack.mark.ordinal.0,
        ts: ack.ts,
    }
}

/// A message that was refused.
pub(crate) fn refused(line: Option<u64>, room: &RoomId, refusal: &Refusal) -> Value {
    json!({ "line": line, "room": room.as_str(), "refused": refusal.code.name(), "message": refusal.message })
}

/// A room in a list.
pub(crate) fn room(entry: &RoomEntry) -> Value {
    json!({
        "room": entry.room.as_str(),
        "epoch": entry.epoch.map(|epoch| epoch.to_string()),
        "head": entry.head.0,
        "horizon": entry.horizon.0,
    })
}

/// A position in a room.
pub(crate) fn position(at: &Position) -> Value {
    json!({
        "epoch": at.epoch.map(|epoch| epoch.to_string()),
        "offset": at.offset.0,
        "chain": at.chain.to_string(),
    })
}

#[derive(Serialize)]
struct EventLine {
    room: String,
    epoch: String,
    offset: u64,
    ordinal: u64,
    ts: u64,
    user: String,
    client: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    body: Value,
}

#[derive(Serialize)]
struct AckLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    room: String,
    epoch: String,
    offset: u64,
    ordinal: u64,
    ts: u64,
}

/// As the protocol's JSON has it: text is a string, anything else `{"b64": …}`.
fn body(body: &Body) -> Value {
    match body.as_text() {
        Some(text) => text.into(),
        None => json!({ "b64": BASE64.encode(body.bytes()) }),
    }
}

/// Compact JSON that escapes whatever could steer a terminal.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unprintable(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            // All of them lie in the basic plane, so one unit is enough.
            write!(writer, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests;
