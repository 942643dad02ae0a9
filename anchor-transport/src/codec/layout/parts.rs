//! What frames are made of: ids, positions, gaps, room entries, signals, reasons.

use anchor_core::code::Code;
use anchor_core::engine::{ConsumerName, Series};
use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::{ClientId, ClientTag, Nonce, RoomId, Seq, SessionId, UserId};
use anchor_core::msgpack::Malformed;
use anchor_core::position::{Chain, Epoch, Offset, Ordinal, Position};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::session::frame::{From, RequestId, ResumeRoom, RoomEntry, Signal, Unread};

use super::super::kind::FrameKind;
use super::super::value::{Reader, Writer};
use super::{Fault, Fields};

pub(super) fn room<'a>(r: &mut impl Reader<'a>) -> Result<RoomId, Malformed> {
    RoomId::new(r.text()?)
        .map_err(|_| Malformed("a room id has 1 to 64 bytes of a-z 0-9 . _ - after an optional @"))
}

pub(super) fn user<'a>(r: &mut impl Reader<'a>) -> Result<UserId, Malformed> {
    UserId::new(r.text()?).map_err(|_| {
        Malformed(
            "a user id has 1 to 64 bytes, no control or direction characters, no white space at its ends",
        )
    })
}

pub(super) fn seq<'a>(r: &mut impl Reader<'a>) -> Result<Seq, Malformed> {
    Seq::new(r.number()?).map_err(|_| Malformed("a seq is at most 2^53 - 1"))
}

pub(super) fn nonce<'a>(r: &mut impl Reader<'a>) -> Result<Nonce, Malformed> {
    u32::try_from(r.number()?).map(Nonce).map_err(|_| Malformed("a nonce has 32 bits"))
}

pub(super) fn offset<'a>(r: &mut impl Reader<'a>) -> Result<Offset, Malformed> {
    r.number().map(Offset)
}

pub(super) fn ordinal<'a>(r: &mut impl Reader<'a>) -> Result<Ordinal, Malformed> {
    r.number().map(Ordinal)
}

pub(super) fn chain<'a>(r: &mut impl Reader<'a>) -> Result<Chain, Malformed> {
    r.fixed().map(Chain::from_bytes)
}

pub(super) fn epoch<'a>(r: &mut impl Reader<'a>) -> Result<Epoch, Malformed> {
    r.fixed().map(Epoch::from_bytes)
}

pub(super) fn series<'a>(r: &mut impl Reader<'a>) -> Result<Series, Malformed> {
    r.fixed().map(Series::from_bytes)
}

pub(super) fn name<'a>(r: &mut impl Reader<'a>) -> Result<ConsumerName, Malformed> {
    ConsumerName::new(r.text()?).map_err(|_| Malformed("a name has 1 to 64 bytes of a-z 0-9 . _ -"))
}

pub(super) fn client_id<'a>(r: &mut impl Reader<'a>) -> Result<ClientId, Malformed> {
    r.fixed().map(ClientId::from_bytes)
}

pub(super) fn client_tag<'a>(r: &mut impl Reader<'a>) -> Result<ClientTag, Malformed> {
    r.fixed().map(ClientTag::from_bytes)
}

pub(super) fn session<'a>(r: &mut impl Reader<'a>) -> Result<SessionId, Malformed> {
    r.fixed().map(SessionId::from_bytes)
}

pub(super) fn text<'a>(r: &mut impl Reader<'a>) -> Result<String, Malformed> {
    r.text().map(Into::into)
}

pub(super) fn write_user<W: Writer>(w: &mut W, user: &UserId) {
    w.text(user.as_str());
}

/// `[tag]`: a choice that says all by its name.
pub(super) fn write_tag<W: Writer>(w: &mut W, tag: &str) {
    w.open(1);
    w.text(tag);
    w.close();
}

/// `[tag, value]`.
pub(super) fn write_tagged<W: Writer>(w: &mut W, tag: &str, write: impl FnOnce(&mut W)) {
    w.open(2);
    w.text(tag);
    write(w);
    w.close();
}

/// The id of a request, noted in `seen` for an answer to a fault further on.
pub(super) fn request<'a>(r: &mut impl Reader<'a>, seen: &mut Option<RequestId>) -> Result<RequestId, Fault> {
    let id = r.field("id", |r| r.number().map(RequestId))?;
    *seen = Some(id);
    Ok(id)
}

/// `[epoch, offset, chain]`; at offset zero the other two say nothing.
pub(super) fn position<'a>(r: &mut impl Reader<'a>) -> Result<Position, Fault> {
    r.array("position", |r| {
        let epoch = r.option("epoch", epoch)?;
        let offset = r.field("offset", offset)?;
        let chain = r.option("chain", chain)?;
        match (offset, epoch, chain) {
            (Offset::ZERO, ..) => Ok(Position::START),
            (_, Some(_), Some(chain)) => Ok(Position { epoch, offset, chain }),
            _ => Err(Fault::invalid("a position above offset 0 has an epoch and a chain")),
        }
    })
}

pub(super) fn write_position<W: Writer>(w: &mut W, position: &Position) {
    w.open(3);
    w.option(position.epoch.as_ref(), |w, epoch| w.fixed(epoch.as_bytes()));
    w.number(position.offset.0);
    w.fixed(position.chain.as_bytes());
    w.close();
}

/// `[room, position]`.
pub(super) fn place<'a>(r: &mut impl Reader<'a>) -> Result<(RoomId, Position), Fault> {
    r.array("place", |r| Ok((r.field("room", room)?, r.field("position", position)?)))
}

pub(super) fn write_place<W: Writer>(w: &mut W, (room, position): &(RoomId, Position)) {
    w.open(2);
    w.text(room.as_str());
    write_position(w, position);
    w.close();
}

/// `[room, position, last]`; the last is left out where it is absent.
pub(super) fn resume<'a>(r: &mut impl Reader<'a>) -> Result<ResumeRoom, Fault> {
    r.array("resume", |r| {
        Ok(ResumeRoom {
            room: r.field("room", room)?,
            position: r.field("position", position)?,
            last: r.option("last", Reader::number)?,
        })
    })
}

pub(super) fn write_resume<W: Writer>(w: &mut W, ResumeRoom { room, position, last }: &ResumeRoom) {
    w.open(2 + usize::from(last.is_some()));
    w.text(room.as_str());
    write_position(w, position);
    if let Some(last) = last {
        w.number(*last);
    }
    w.close();
}

/// `["start"]`, `["after", position]`, `["after", position, messages]`, `["offset", offset]`, `["last", messages]` or `["now"]`.
pub(super) fn from<'a, R: Reader<'a>>(r: &mut R) -> Result<From, Fault> {
    Ok(match &*r.text()? {
        "start" => From::Start,
        "after" => {
            let after = position(r)?;
            match r.option("last", Reader::number)? {
                Some(last) => From::Recent { after, last },
                None => From::After(after),
            }
        }
        "offset" => From::Offset(offset(r)?),
        "last" => From::Last(r.number()?),
        "now" => From::Now,
        _ => return Err(Fault::invalid("expected start, after, offset, last or now")),
    })
}

pub(super) fn write_from<W: Writer>(w: &mut W, from: &From) {
    match from {
        From::Start => write_tag(w, "start"),
        From::After(position) => write_tagged(w, "after", |w| write_position(w, position)),
        From::Recent { after, last } => {
            w.open(3);
            w.text("after");
            write_position(w, after);
            w.number(*last);
            w.close();
        }
        From::Offset(offset) => write_tagged(w, "offset", |w| w.number(offset.0)),
        From::Last(messages) => write_tagged(w, "last", |w| w.number(*messages)),
        From::Now => write_tag(w, "now"),
    }
}

/// `[kind, target, content type, body, mentions]`.
pub(super) fn draft<'a>(r: &mut impl Reader<'a>) -> Result<Draft, Fault> {
    r.array("event", |r| {
        let kind = r.field("kind", Reader::number)?;
        let kind = u16::try_from(kind).map_err(|_| Fault::invalid("a kind has 16 bits"))?;
        let target = r.option("target", offset)?;
        if target == Some(Offset::ZERO) {
            return Err(Fault::invalid("a target is an offset from 1"));
        }
        let body =
            r.field("body", Reader::body)?.ok_or(Fault::invalid("an event that is published has a body"))?;
        let body = if r.more()? { mentioning(r, body)? } else { body };
        Ok(Draft { kind: EventKind(kind), target, body })
    })
}

/// The body with the mentions that follow it, if any do: most have none, and pay nothing.
#[cold]
fn mentioning<'a, R: Reader<'a>>(r: &mut R, body: Body) -> Result<Body, Fault> {
    let mentions = r.field("mentions", Reader::mentions)?;
    Ok(body.mentioning(mentions.unwrap_or_default()))
}

pub(super) fn write_draft<W: Writer>(w: &mut W, draft: &Draft) {
    let mentions = draft.body.mentions();
    w.open(4 + usize::from(mentions.is_some()));
    w.number(draft.kind.0.into());
    w.option(draft.target, |w, target| w.number(target.0));
    w.body(Some(&draft.body));
    if let Some(mentions) = mentions {
        w.mentions(mentions);
    }
    w.close();
}

/// `from, to, reason, position, ordinal`: five elements, of a frame or of an array of their own.
pub(super) fn gap<'a>(r: &mut impl Reader<'a>) -> Result<Gap, Fault> {
    Ok(Gap {
        from: r.field("from", offset)?,
        to: r.field("to", offset)?,
        reason: GapReason::from_name(&r.field("reason", Reader::text)?).unwrap_or(GapReason::History),
        position: r.option("position", position)?,
        ordinal: r.field("ordinal", ordinal)?,
    })
}

pub(super) fn write_gap<W: Writer>(w: &mut W, gap: &Gap) {
    w.number(gap.from.0);
    w.number(gap.to.0);
    w.text(gap.reason.name());
    w.option(gap.position.as_ref(), write_position);
    w.number(gap.ordinal.0);
}

/// `[room, epoch, head, horizon, read, unread]`; the last two are left out where they are not told.
pub(super) fn entry<'a>(r: &mut impl Reader<'a>) -> Result<RoomEntry, Fault> {
    r.array("rooms", |r| {
        let entry = entry_fields(r)?;
        Ok(RoomEntry { unread: unread(r)?, ..entry })
    })
}

pub(super) fn write_entry<W: Writer>(w: &mut W, entry: &RoomEntry) {
    w.open(4 + 2 * usize::from(entry.unread.is_some()));
    write_entry_fields(w, entry);
    write_unread(w, entry.unread);
    w.close();
}

/// `read, unread`: two elements at the end, or none.
pub(super) fn unread<'a>(r: &mut impl Reader<'a>) -> Result<Option<Unread>, Fault> {
    let Some(read) = r.option("read", offset)? else { return Ok(None) };
    Ok(Some(Unread { read, messages: r.field("unread", Reader::number)? }))
}

pub(super) fn write_unread<W: Writer>(w: &mut W, unread: Option<Unread>) {
    if let Some(Unread { read, messages }) = unread {
        w.number(read.0);
        w.number(messages);
    }
}

/// `room, epoch, head, horizon`: four elements, of an entry or of a listing.
pub(super) fn entry_fields<'a>(r: &mut impl Reader<'a>) -> Result<RoomEntry, Fault> {
    Ok(RoomEntry {
        room: r.field("room", room)?,
        epoch: r.option("epoch", epoch)?,
        head: r.field("head", offset)?,
        horizon: r.field("horizon", offset)?,
        unread: None,
    })
}

pub(super) fn write_entry_fields<W: Writer>(w: &mut W, entry: &RoomEntry) {
    w.text(entry.room.as_str());
    w.option(entry.epoch.as_ref(), |w, epoch| w.fixed(epoch.as_bytes()));
    w.number(entry.head.0);
    w.number(entry.horizon.0);
}

/// A frame that goes either way: `room, user, client, content type, body`.
pub(super) fn signal<'a>(r: &mut impl Reader<'a>) -> Result<Signal, Fault> {
    Ok(Signal {
        room: r.field("room", room)?,
        user: r.option("user", user)?,
        client: r.option("client", client_tag)?,
        body: r.field("body", Reader::body)?.ok_or(Fault::invalid("a signal has a body"))?,
    })
}

pub(super) fn write_signal<W: Writer>(w: &mut W, signal: &Signal) {
    let Signal { room, user, client, body } = signal;
    w.open(6);
    w.kind(FrameKind::Signal);
    w.text(room.as_str());
    w.option(user.as_ref(), write_user);
    w.option(client.as_ref(), |w, client| w.fixed(client.as_bytes()));
    w.body(Some(body));
}

/// `code, message`: two elements. A code that is not known counts as `internal`, its name goes into the message.
pub(super) fn reason<'a>(r: &mut impl Reader<'a>) -> Result<(Code, String), Fault> {
    let name = r.field("code", Reader::text)?;
    let message = r.option("message", text)?.unwrap_or_default();
    Ok(match Code::from_name(&name) {
        Some(code) => (code, message),
        None => (Code::Internal, format!("{name}: {message}")),
    })
}

pub(super) fn write_reason<W: Writer>(w: &mut W, code: Code, message: &str) {
    w.text(code.name());
    w.text(message);
}
