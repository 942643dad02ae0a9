//! How far users have read, whether they are there, and who types.

use anchor_core::cursor::Readers;
use anchor_core::position::Offset;
use anchor_core::session::frame::{CursorFrame, Presence, Receipt, RequestId, Sighting, Watching};

use super::super::kind::FrameKind;
use super::super::value::{Reader, Writer};
use super::parts::{epoch, offset, ordinal, request, room, user, write_user};
use super::{ANY_NUMBER, Fault, Fields};

/// `room, epoch, delivered, read`.
pub(super) fn cursor<'a>(r: &mut impl Reader<'a>) -> Result<CursorFrame, Fault> {
    Ok(CursorFrame {
        room: r.field("room", room)?,
        epoch: r.field("epoch", epoch)?,
        delivered: r.option("delivered", offset)?,
        read: r.option("read", offset)?,
    })
}

pub(super) fn write_cursor<W: Writer>(w: &mut W, cursor: &CursorFrame) {
    let CursorFrame { room, epoch, delivered, read } = cursor;
    w.open(5);
    w.kind(FrameKind::Cursor);
    w.text(room.as_str());
    w.fixed(epoch.as_bytes());
    w.option(*delivered, |w, offset| w.number(offset.0));
    w.option(*read, |w, offset| w.number(offset.0));
}

/// As a client says it of itself.
pub(super) fn own_presence<'a, R: Reader<'a>>(r: &mut R) -> Result<Presence, Fault> {
    match Presence::from_name(&r.text()?) {
        Some(presence @ (Presence::Online | Presence::Away)) => Ok(presence),
        _ => Err(Fault::invalid("expected online or away")),
    }
}

/// `[user, delivered, read, ordinal]`; the last is left out where it is not told.
pub(super) fn receipt<'a>(r: &mut impl Reader<'a>) -> Result<Receipt, Fault> {
    r.array("receipts", |r| {
        Ok(Receipt {
            user: r.field("user", user)?,
            delivered: r.option("delivered", offset)?,
            read: r.field("read", offset)?,
            ordinal: r.option("ordinal", ordinal)?,
        })
    })
}

pub(super) fn write_receipt<W: Writer>(w: &mut W, receipt: &Receipt) {
    let Receipt { user, delivered, read, ordinal } = receipt;
    w.open(3 + usize::from(ordinal.is_some()));
    write_user(w, user);
    w.option(*delivered, |w, offset| w.number(offset.0));
    w.number(read.0);
    if let Some(ordinal) = ordinal {
        w.number(ordinal.0);
    }
    w.close();
}

/// `[user, state, seen]`; a state that is not known counts as `offline`.
pub(super) fn sighting<'a, R: Reader<'a>>(r: &mut R) -> Result<Sighting, Fault> {
    r.array("present", |r| {
        Ok(Sighting {
            user: r.field("user", user)?,
            presence: Presence::from_name(&r.field("state", Reader::text)?).unwrap_or_default(),
            seen: r.option("seen", Reader::number)?,
        })
    })
}

pub(super) fn write_sighting<W: Writer>(w: &mut W, Sighting { user, presence, seen }: &Sighting) {
    w.open(3);
    write_user(w, user);
    w.text(presence.name());
    w.option(*seen, W::number);
    w.close();
}

/// `[offset, delivered, read]`.
pub(super) fn readers<'a, R: Reader<'a>>(r: &mut R) -> Result<(Offset, Readers), Fault> {
    r.array("readers", |r| {
        let offset = r.field("offset", offset)?;
        let delivered = r.field("delivered", Reader::number)?;
        Ok((offset, Readers { delivered, read: r.field("read", Reader::number)? }))
    })
}

pub(super) fn write_readers<W: Writer>(w: &mut W, (offset, readers): &(Offset, Readers)) {
    let Readers { delivered, read } = *readers;
    w.open(3);
    w.number(offset.0);
    w.number(delivered);
    w.number(read);
    w.close();
}

pub(super) fn watching<'a, R: Reader<'a>>(
    r: &mut R,
    seen: &mut Option<RequestId>,
) -> Result<Watching, Fault> {
    Ok(Watching {
        id: request(r, seen)?,
        room: r.field("room", room)?,
        receipts: match r.nil()? {
            true => None,
            false => Some(r.list("receipts", ANY_NUMBER, receipt)?),
        },
        sightings: r.list("present", ANY_NUMBER, sighting)?,
        online: r.field("online", Reader::number)?,
        away: r.field("away", Reader::number)?,
        typing: r.list("typing", ANY_NUMBER, |r| Ok(user(r)?))?,
    })
}

pub(super) fn write_watching<W: Writer>(w: &mut W, watching: &Watching) {
    let Watching { id, room, receipts, sightings, online, away, typing } = watching;
    w.open(8);
    w.kind(FrameKind::Watching);
    w.number(id.0);
    w.text(room.as_str());
    w.option(receipts.as_deref(), |w, receipts| w.list(receipts, write_receipt));
    w.list(sightings, write_sighting);
    w.number(*online);
    w.number(*away);
    w.list(typing, write_user);
}
