//! Stored values as bytes: MessagePack arrays in the order of the fields below, by serde.
//!
//! A record is a plain copy of what it stores, in types that serde knows; what comes back is checked as anything from
//! outside is.

use anchor_core::event::{Body, Draft, EventKind, Mentions};
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::position::{Chain, Epoch, Offset, Position};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{Entry, Identity, Kept};
use crate::client::notice::{Undecided, UndecidedId, UndecidedReason};

#[derive(Serialize, Deserialize)]
struct EntryRecord<'a> {
    nonce: u32,
    room: &'a str,
    #[serde(borrow)]
    draft: DraftRecord<'a>,
    known: PositionRecord,
}

#[derive(Serialize, Deserialize)]
struct IdentityRecord {
    id: ByteArray<16>,
    highest: u64,
    highest_acked: u64,
}

#[derive(Serialize, Deserialize)]
struct KeptRecord<'a> {
    room: &'a str,
    #[serde(borrow)]
    draft: DraftRecord<'a>,
    position: PositionRecord,
}

#[derive(Serialize, Deserialize)]
struct UndecidedRecord<'a> {
    room: &'a str,
    #[serde(borrow)]
    draft: DraftRecord<'a>,
    seq: u64,
    /// Where it stood, if it was acknowledged and lost.
    lost: Option<PositionRecord>,
}

#[derive(Serialize, Deserialize)]
struct DraftRecord<'a> {
    kind: u16,
    target: Option<u64>,
    content_type: Option<&'a str>,
    #[serde(with = "serde_bytes")]
    body: &'a [u8],
    /// Left out where nobody is mentioned: such a record is what it was before there were mentions.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    mentions: Option<MentionsRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct MentionsRecord<'a> {
    room: bool,
    #[serde(borrow)]
    users: Vec<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct PositionRecord {
    epoch: Option<ByteArray<8>>,
    offset: u64,
    chain: ByteArray<8>,
}

pub(super) fn write_entry(entry: &Entry) -> Vec<u8> {
    let Entry { nonce, room, draft, known } = entry;
    write(&EntryRecord { nonce: nonce.0, room: room.as_str(), draft: draft.into(), known: known.into() })
}

pub(super) fn read_entry(bytes: &[u8]) -> Result<Entry, Malformed> {
    let EntryRecord { nonce, room, draft, known } = read(bytes)?;
    Ok(Entry {
        nonce: Nonce(nonce),
        room: room_id(room)?,
        draft: draft.try_into()?,
        known: known.try_into()?,
    })
}

pub(super) fn write_identity(identity: &Identity) -> Vec<u8> {
    write(&IdentityRecord {
        id: ByteArray::new(*identity.id.as_bytes()),
        highest: identity.highest.get(),
        highest_acked: identity.highest_acked.get(),
    })
}

pub(super) fn read_identity(bytes: &[u8]) -> Result<Identity, Malformed> {
    let IdentityRecord { id, highest, highest_acked } = read(bytes)?;
    let id = ClientId::from_bytes(id.into_array());
    Ok(Identity { id, highest: seq(highest)?, highest_acked: seq(highest_acked)? })
}

pub(super) fn write_kept(kept: &Kept) -> Vec<u8> {
    let Kept { room, draft, position } = kept;
    write(&KeptRecord { room: room.as_str(), draft: draft.into(), position: position.into() })
}

pub(super) fn read_kept(bytes: &[u8]) -> Result<Kept, Malformed> {
    let KeptRecord { room, draft, position } = read(bytes)?;
    Ok(Kept { room: room_id(room)?, draft: draft.try_into()?, position: position.try_into()? })
}

pub(super) fn write_undecided(undecided: &Undecided) -> Vec<u8> {
    write(&UndecidedRecord {
        room: undecided.room.as_str(),
        draft: (&undecided.draft).into(),
        seq: undecided.seq.get(),
        lost: match &undecided.reason {
            UndecidedReason::Unconfirmed => None,
            UndecidedReason::Lost { position } => Some(position.into()),
        },
    })
}

pub(super) fn read_undecided(id: UndecidedId, bytes: &[u8]) -> Result<Undecided, Malformed> {
    let UndecidedRecord { room, draft, seq: number, lost } = read(bytes)?;
    let reason = match lost {
        None => UndecidedReason::Unconfirmed,
        Some(position) => UndecidedReason::Lost { position: position.try_into()? },
    };
    Ok(Undecided { id, room: room_id(room)?, draft: draft.try_into()?, seq: seq(number)?, reason })
}

pub(super) fn write_position(position: &Position) -> Vec<u8> {
    write(&PositionRecord::from(position))
}

pub(super) fn read_position(bytes: &[u8]) -> Result<Position, Malformed> {
    read::<PositionRecord>(bytes)?.try_into()
}

impl<'a> From<&'a Draft> for DraftRecord<'a> {
    fn from(draft: &'a Draft) -> Self {
        Self {
            kind: draft.kind.0,
            target: draft.target.map(|target| target.0),
            content_type: draft.body.content_type(),
            body: draft.body.bytes(),
            mentions: draft.body.mentions().map(|mentions| MentionsRecord {
                room: mentions.room,
                users: mentions.users.iter().map(UserId::as_str).collect(),
            }),
        }
    }
}

impl TryFrom<DraftRecord<'_>> for Draft {
    type Error = Malformed;

    fn try_from(record: DraftRecord<'_>) -> Result<Self, Malformed> {
        let body = Body::new(record.content_type, Bytes::copy_from_slice(record.body));
        let mut body = body.map_err(|_| Malformed("not a body of its content type"))?;
        if let Some(MentionsRecord { room, users }) = record.mentions {
            let users: Result<Vec<_>, _> = users.into_iter().map(UserId::new).collect();
            let users = users.map_err(|_| Malformed("not a user id"))?;
            body = body.mentioning(Mentions::new(room, users).map_err(|_| Malformed("too many mentions"))?);
        }
        let draft = Self { kind: EventKind(record.kind), target: record.target.map(Offset), body };
        if draft.is_sound() { Ok(draft) } else { Err(Malformed("a publish that no frame can carry")) }
    }
}

impl From<&Position> for PositionRecord {
    fn from(position: &Position) -> Self {
        Self {
            epoch: position.epoch.map(|epoch| ByteArray::new(*epoch.as_bytes())),
            offset: position.offset.0,
            chain: ByteArray::new(*position.chain.as_bytes()),
        }
    }
}

impl TryFrom<PositionRecord> for Position {
    type Error = Malformed;

    /// As the wire reads it: at offset zero the other two say nothing.
    fn try_from(record: PositionRecord) -> Result<Self, Malformed> {
        let epoch = record.epoch.map(|epoch| Epoch::from_bytes(epoch.into_array()));
        let chain = Chain::from_bytes(record.chain.into_array());
        match (Self { epoch, offset: Offset(record.offset), chain }) {
            Self { offset: Offset::ZERO, .. } => Ok(Self::START),
            position if position.is_sound() => Ok(position),
            _ => Err(Malformed("a position that no frame can carry")),
        }
    }
}

fn write(record: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(record).expect("records hold nothing that MessagePack cannot")
}

/// One record and nothing behind it, which `rmp_serde` alone would pass over.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let mut whole = Reader::from_slice(bytes);
    whole.skip()?;
    if !whole.is_empty() {
        return Err(Malformed("bytes behind a stored record"));
    }
    rmp_serde::from_slice(bytes).map_err(|_| Malformed("not a stored record"))
}

fn room_id(room: &str) -> Result<RoomId, Malformed> {
    RoomId::new(room).map_err(|_| Malformed("not a room id"))
}

fn seq(number: u64) -> Result<Seq, Malformed> {
    Seq::new(number).map_err(|_| Malformed("not a seq"))
}

#[cfg(test)]
mod tests;
