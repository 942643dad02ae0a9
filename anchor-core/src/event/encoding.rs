//! An event as bytes: a MessagePack array of twelve elements in the order of `docs/protocol.md`.
//!
//! `[offset, ordinal, chain, ts, user, client, seq, nonce, kind, target, content type, body, mentions]`; `chain` and
//! `client` are binary of 8 bytes; `target` and `content type` are nil where absent; `body` is a string for text, binary
//! for anything else, nil once redacted; `mentions` is left out where there are none, else `[room, [user…]]`. Further
//! elements are ignored.

use super::{Body, Event, EventKind, MENTIONS_MAX, Mentions};
use crate::chain::Link;
use crate::id::{ClientTag, NUMBER_MAX, Nonce, Seq, UserId};
use crate::msgpack::{Malformed, Reader, write};
use crate::position::{Chain, Mark, Offset, Ordinal};

/// Appends an event to `out`.
pub fn write(out: &mut Vec<u8>, at: Mark, link: &Link<'_>, body: Option<&Body>) {
    let mentions = body.and_then(Body::mentions);
    write::array(out, ELEMENTS + usize::from(mentions.is_some()));
    write::uint(out, at.offset.0);
    write::uint(out, at.ordinal.0);
    write::bin(out, at.chain.as_bytes());
    write::uint(out, link.ts);
    write::str(out, link.user.as_str());
    write::bin(out, link.client.as_bytes());
    write::uint(out, link.seq.get());
    write::uint(out, link.nonce.0.into());
    write::uint(out, link.kind.0.into());
    match link.target {
        Some(target) => write::uint(out, target.0),
        None => write::nil(out),
    }
    write_body(out, body);
    if let Some(mentions) = mentions {
        write_mentions(out, mentions);
    }
}

/// Appends an event that was decoded before to `out`.
pub fn write_event(out: &mut Vec<u8>, event: &Event) {
    write(out, event.mark(), &event.link(), event.body.as_ref());
}

/// Takes one event.
///
/// # Errors
/// [`Malformed`] says in what the bytes are no event.
pub fn read(reader: &mut Reader<'_>) -> Result<Event, Malformed> {
    let elements = reader.array()?;
    let further = elements.checked_sub(ELEMENTS).ok_or(Malformed("an event of fewer than 12 elements"))?;
    let mut event = Event {
        offset: Offset(number(reader)?),
        ordinal: Ordinal(number(reader)?),
        chain: Chain::from_bytes(reader.fixed()?),
        ts: number(reader)?,
        user: UserId::new(reader.str()?).map_err(|_| Malformed("not a user id"))?,
        client: ClientTag::from_bytes(reader.fixed()?),
        seq: Seq::new(number(reader)?).map_err(|_| Malformed("not a seq"))?,
        nonce: Nonce(u32::try_from(number(reader)?).map_err(|_| Malformed("a nonce above 32 bits"))?),
        kind: EventKind(u16::try_from(number(reader)?).map_err(|_| Malformed("a kind above 16 bits"))?),
        target: if reader.nil()? { None } else { Some(Offset(number(reader)?)) },
        body: read_body(reader)?,
    };
    if further > 0
        && let Some(mentions) = read_mentions(reader)?
    {
        event.body = event.body.map(|body| body.mentioning(mentions));
    }
    (1..further).try_for_each(|_| reader.skip())?;
    Ok(event)
}

/// Passes over one event; returns the point of the log after it. Looks at nothing but its place.
///
/// # Errors
/// [`Malformed`] if the bytes are cut short, or no array that begins with a place.
pub fn skip(reader: &mut Reader<'_>) -> Result<Mark, Malformed> {
    let elements = reader.array()?;
    let further = elements.checked_sub(3).ok_or(Malformed("an event of fewer than 12 elements"))?;
    let mark = Mark {
        offset: Offset(number(reader)?),
        ordinal: Ordinal(number(reader)?),
        chain: Chain::from_bytes(reader.fixed()?),
    };
    (0..further).try_for_each(|_| reader.skip())?;
    Ok(mark)
}

/// Takes a content type and a body: two elements; `None` if it is redacted.
///
/// # Errors
/// [`Malformed`] where body and content type do not fit.
pub fn read_body(reader: &mut Reader<'_>) -> Result<Option<Body>, Malformed> {
    let content_type = if reader.nil()? { None } else { Some(reader.str()?) };
    if reader.nil()? {
        return Ok(None);
    }
    let is_text = content_type.is_none_or(|name| name.starts_with("text/"));
    let taken = if is_text { reader.str()?.as_bytes() } else { reader.bin()? };
    Body::new(content_type, reader.to_bytes(taken))
        .map(Some)
        .map_err(|_| Malformed("not a body of its content type"))
}

/// Appends a content type and a body, two elements.
pub fn write_body(out: &mut Vec<u8>, body: Option<&Body>) {
    match body.and_then(Body::content_type) {
        Some(name) => write::str(out, name),
        None => write::nil(out),
    }
    match body {
        Some(body) => match body.as_text() {
            Some(text) => write::str(out, text),
            None => write::bin(out, body.bytes()),
        },
        None => write::nil(out),
    }
}

/// Takes mentions, or nil.
///
/// # Errors
/// [`Malformed`] if it is neither.
pub fn read_mentions(reader: &mut Reader<'_>) -> Result<Option<Mentions>, Malformed> {
    if reader.nil()? {
        return Ok(None);
    }
    let elements = reader.array()?;
    let further = elements.checked_sub(2).ok_or(Malformed("mentions of fewer than 2 elements"))?;
    let room = reader.bool()?;
    let users = reader.array()?;
    if users > MENTIONS_MAX {
        return Err(Malformed("more mentions than a message has"));
    }
    let user = |reader: &mut Reader<'_>| UserId::new(reader.str()?).map_err(|_| Malformed("not a user id"));
    let users = (0..users).map(|_| user(reader)).collect::<Result<Vec<_>, _>>()?;
    (0..further).try_for_each(|_| reader.skip())?;
    Mentions::new(room, users).map(Some).map_err(|_| Malformed("more mentions than a message has"))
}

/// Appends mentions, one element.
pub fn write_mentions(out: &mut Vec<u8>, mentions: &Mentions) {
    write::array(out, 2);
    write::bool(out, mentions.room);
    write::array(out, mentions.users.len());
    mentions.users.iter().for_each(|user| write::str(out, user.as_str()));
}

fn number(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let number = reader.uint()?;
    if number > NUMBER_MAX { Err(Malformed("a number above 2^53 - 1")) } else { Ok(number) }
}

/// Elements of an event without mentions. Source: `docs/protocol.md`.
const ELEMENTS: usize = 12;
