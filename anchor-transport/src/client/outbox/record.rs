//! Stored values as bytes: MessagePack arrays in the order of their fields, written and read here alone.

use anchor_core::event::{Draft, EventKind, encoding};
use anchor_core::id::{ClientId, Nonce, RoomId, Seq};
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::{Chain, Epoch, Offset, Position};
use bytes::Bytes;
use rmp::encode;

use super::{Entry, Identity, Kept};
use crate::client::notice::{Undecided, UndecidedId, UndecidedReason};

/// `[nonce, room, draft…, known…]`.
pub(super) fn write_entry(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + entry.draft.body.bytes().len());
    uint(&mut out, entry.nonce.0.into());
    text(&mut out, entry.room.as_str());
    draft(&mut out, &entry.draft);
    position(&mut out, &entry.known);
    out
}

/// As [`write_entry`] wrote it.
pub(super) fn read_entry(bytes: &[u8]) -> Result<Entry, Malformed> {
    let shared = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&shared);
    let nonce = Nonce(u32::try_from(reader.uint()?).map_err(|_| Malformed("a nonce above 32 bits"))?);
    let room = read_room(&mut reader)?;
    let draft = read_draft(&mut reader)?;
    Ok(Entry { nonce, room, draft, known: read_position(&mut reader)? })
}

/// `[client_id, highest, highest acked]`.
pub(super) fn write_identity(identity: &Identity) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    binary(&mut out, identity.id.as_bytes());
    uint(&mut out, identity.highest.get());
    uint(&mut out, identity.highest_acked.get());
    out
}

/// As [`write_identity`] wrote it.
pub(super) fn read_identity(bytes: &[u8]) -> Result<Identity, Malformed> {
    let mut reader = Reader::from_slice(bytes);
    let id = ClientId::from_bytes(reader.fixed()?);
    Ok(Identity { id, highest: read_seq(&mut reader)?, highest_acked: read_seq(&mut reader)? })
}

/// `[room, draft…, position…]`.
pub(super) fn write_kept(kept: &Kept) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + kept.draft.body.bytes().len());
    text(&mut out, kept.room.as_str());
    draft(&mut out, &kept.draft);
    position(&mut out, &kept.position);
    out
}

/// As [`write_kept`] wrote it.
pub(super) fn read_kept(bytes: &[u8]) -> Result<Kept, Malformed> {
    let shared = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&shared);
    let room = read_room(&mut reader)?;
    let draft = read_draft(&mut reader)?;
    Ok(Kept { room, draft, position: read_position(&mut reader)? })
}

/// `[room, draft…, seq, was it acknowledged, position…]`.
pub(super) fn write_undecided(undecided: &Undecided) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + undecided.draft.body.bytes().len());
    text(&mut out, undecided.room.as_str());
    draft(&mut out, &undecided.draft);
    uint(&mut out, undecided.seq.get());
    match &undecided.reason {
        UndecidedReason::Unconfirmed => uint(&mut out, 0),
        UndecidedReason::Lost { position: lost } => {
            uint(&mut out, 1);
            position(&mut out, lost);
        }
    }
    out
}

/// As [`write_undecided`] wrote it.
pub(super) fn read_undecided(id: UndecidedId, bytes: &[u8]) -> Result<Undecided, Malformed> {
    let shared = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&shared);
    let room = read_room(&mut reader)?;
    let draft = read_draft(&mut reader)?;
    let seq = read_seq(&mut reader)?;
    let reason = match reader.uint()? {
        0 => UndecidedReason::Unconfirmed,
        _ => UndecidedReason::Lost { position: read_position(&mut reader)? },
    };
    Ok(Undecided { id, room, draft, seq, reason })
}

/// `[epoch, offset, chain]`.
pub(super) fn write_position(at: &Position) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    position(&mut out, at);
    out
}

/// As [`write_position`] wrote it.
pub(super) fn parse_position(bytes: &[u8]) -> Result<Position, Malformed> {
    read_position(&mut Reader::from_slice(bytes))
}

fn read_position(reader: &mut Reader<'_>) -> Result<Position, Malformed> {
    let epoch = if reader.nil()? { None } else { Some(Epoch::from_bytes(reader.fixed()?)) };
    let offset = Offset(reader.uint()?);
    Ok(Position { epoch, offset, chain: Chain::from_bytes(reader.fixed()?) })
}

fn read_draft(reader: &mut Reader<'_>) -> Result<Draft, Malformed> {
    let kind = EventKind(u16::try_from(reader.uint()?).map_err(|_| Malformed("a kind above 16 bits"))?);
    let target = if reader.nil()? { None } else { Some(Offset(reader.uint()?)) };
    let body = encoding::read_body(reader)?.ok_or(Malformed("an entry without a body"))?;
    Ok(Draft { kind, target, body })
}

fn read_room(reader: &mut Reader<'_>) -> Result<RoomId, Malformed> {
    RoomId::new(reader.str()?).map_err(|_| Malformed("not a room id"))
}

fn read_seq(reader: &mut Reader<'_>) -> Result<Seq, Malformed> {
    Seq::new(reader.uint()?).map_err(|_| Malformed("not a seq"))
}

fn draft(out: &mut Vec<u8>, draft: &Draft) {
    uint(out, draft.kind.0.into());
    match draft.target {
        Some(target) => uint(out, target.0),
        None => nil(out),
    }
    encoding::write_body(out, Some(&draft.body)).expect("a Vec takes every write");
}

fn position(out: &mut Vec<u8>, position: &Position) {
    match &position.epoch {
        Some(epoch) => binary(out, epoch.as_bytes()),
        None => nil(out),
    }
    uint(out, position.offset.0);
    binary(out, position.chain.as_bytes());
}

fn uint(out: &mut Vec<u8>, number: u64) {
    encode::write_uint(out, number).expect("a Vec takes every write");
}

fn text(out: &mut Vec<u8>, text: &str) {
    encode::write_str(out, text).expect("a Vec takes every write");
}

fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    encode::write_bin(out, bytes).expect("a Vec takes every write");
}

fn nil(out: &mut Vec<u8>) {
    encode::write_nil(out).expect("a Vec takes every write");
}
