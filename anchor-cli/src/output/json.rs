//! What `--json` prints: one object per line, pure ASCII where a terminal could be misled.

use std::io;

use anchor_core::code::Code;
use anchor_core::event::{Body, Event, Mentions};
use anchor_core::id::{RoomId, is_unprintable};
use anchor_core::position::{Epoch, Position};
use anchor_core::publish::{Ack, Refusal};
use anchor_core::resume::Gap;
use anchor_core::room::{Changes, Reaction};
use anchor_core::session::frame::Signal;
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
    current(room, Some(epoch), event, None)
}

/// An event of a room, and what later ones changed of it. The epoch is left out where it is not known.
pub(crate) fn current(
    room: &RoomId,
    epoch: Option<Epoch>,
    event: &Event,
    changes: Option<&Changes>,
) -> impl Serialize {
    EventLine {
        room: room.to_string(),
        epoch: epoch.map(|epoch| epoch.to_string()),
        offset: event.offset.0,
        ordinal: event.ordinal.0,
        ts: event.ts,
        user: event.user.to_string(),
        client: event.client.to_string(),
        kind: event.kind.name().map_or_else(|| event.kind.0.to_string(), str::to_owned),
        target: event.target.map(|target| target.0),
        content_type: event.body.as_ref().and_then(Body::content_type).map(str::to_owned),
        mentions: event.body.as_ref().and_then(Body::mentions).map(mentions),
        body: event.body.as_ref().map_or(Value::Null, body),
        changes: changes.map(changed),
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

/// What was refused; without a line where it was none.
pub(crate) fn refused(line: Option<u64>, room: &RoomId, refusal: &Refusal) -> impl Serialize {
    let (room, message) = (room.to_string(), refusal.message.clone());
    RefusedLine { line, room, refused: refusal.code.name(), message }
}

/// What is so already.
pub(crate) fn unchanged(room: &RoomId, message: &str) -> Value {
    json!({ "room": room.as_str(), "unchanged": true, "message": message })
}

/// The reading of a room has ended, since the user may not read it any more.
pub(crate) fn ended(room: &RoomId, code: Code, message: &str) -> Value {
    json!({ "ended": { "room": room.as_str(), "code": code.name(), "message": message } })
}

/// Something was said in passing; nobody knows whether it was heard.
pub(crate) fn signalled(room: &RoomId) -> Value {
    json!({ "room": room.as_str(), "signalled": true })
}

/// What somebody said in passing.
pub(crate) fn signal(signal: &Signal) -> Value {
    json!({ "signal": {
        "room": signal.room.as_str(),
        "user": signal.user.as_ref().map(ToString::to_string),
        "client": signal.client.map(|client| client.to_string()),
        "content_type": signal.body.content_type(),
        "body": body(&signal.body),
    } })
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
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    mentions: Option<Value>,
    body: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Value>,
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

#[derive(Serialize)]
struct RefusedLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    room: String,
    refused: &'static str,
    message: String,
}

/// As the protocol's JSON has it: text is a string, anything else `{"b64": …}`.
fn body(body: &Body) -> Value {
    match body.as_text() {
        Some(text) => text.into(),
        None => json!({ "b64": BASE64.encode(body.bytes()) }),
    }
}

/// Whom a message calls.
fn mentions(mentions: &Mentions) -> Value {
    let users: Vec<_> = mentions.users.iter().map(ToString::to_string).collect();
    json!({ "room": mentions.room, "users": users })
}

/// What later events made of one.
fn changed(changes: &Changes) -> Value {
    let Changes { target: _, edit, redacted_by, reactions, replies, last_reply, pinned } = changes;
    let edit = edit.as_ref().map(|edit| {
        json!({
            "offset": edit.offset.0,
            "ts": edit.ts,
            "content_type": edit.body.as_ref().and_then(Body::content_type),
            "mentions": edit.body.as_ref().and_then(Body::mentions).map(mentions),
            "body": edit.body.as_ref().map(body),
        })
    });
    let reactions: Vec<_> = reactions
        .iter()
        .map(|Reaction { sign, count, mine }| json!({ "sign": sign.as_str(), "count": count, "mine": mine }))
        .collect();
    json!({
        "edit": edit,
        "redacted_by": redacted_by.map(|offset| offset.0),
        "reactions": reactions,
        "replies": replies,
        "last_reply": last_reply.map(|offset| offset.0),
        "pinned": pinned,
    })
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
