//! A line of a history, between JSON and the records of the checkers.

use anchor_core::code::Code;
use anchor_core::conformance::promise::{Crash, Entry, Log, PublishId, Reader, Record, Sample};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal, Position};
use anchor_core::publish::{Ack, Durability};
use anchor_core::resume::{Gap, GapReason};
use serde::{Deserialize, Serialize};

use super::field::{Hex, code, durability, is_zero, reason, room, rooms, seq};

/// One line: an object with one key, which says what happened.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first line.
    History(About),
    Invoked(Invoked),
    Queued(Publish),
    Acked(Box<Acked>),
    Refused(Refused),
    Unknown(Publish),
    Opened(Place),
    Seen(Seen),
    Told(Box<Told>),
    Beat(Beat),
    Disconnected(Who),
    Closed(InRoom),
    Crashed(CrashOf),
    Restored(Restored),
    Deleted(Deleted),
    FaultsStopped(Nothing),
    Memory(Memory),
    /// The final read of a room; its events follow.
    Log(LogLine),
    /// An event of the log before it.
    Stands(Stands),
    /// Only in the journal of a client: where it found its cursor when it began.
    Found(Place),
    /// Only in the journal of a client: it is about to make its cursor durable.
    Saving(Place),
    /// Only in the journal of a client: its cursor is durable.
    Saved(Place),
    /// Only in the journal of a client: something that must not happen.
    Trouble(String),
}

/// What the first line says.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct About {
    /// Of the format.
    pub(crate) version: u64,
    /// Who wrote it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// What chose the faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
}

/// The name of a publish.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    client: Hex<8>,
    #[serde(with = "seq")]
    seq: Seq,
    #[serde(default, skip_serializing_if = "is_zero")]
    nonce: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invoked {
    client: Hex<8>,
    #[serde(with = "seq")]
    seq: Seq,
    #[serde(default, skip_serializing_if = "is_zero")]
    nonce: u32,
    #[serde(with = "room")]
    room: RoomId,
    body: Hex<16>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acked {
    client: Hex<8>,
    #[serde(with = "seq")]
    seq: Seq,
    #[serde(default, skip_serializing_if = "is_zero")]
    nonce: u32,
    #[serde(with = "room")]
    room: RoomId,
    epoch: Hex<8>,
    offset: u64,
    chain: Hex<8>,
    #[serde(with = "durability")]
    durability: Durability,
    at_ms: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    client: Hex<8>,
    #[serde(with = "seq")]
    seq: Seq,
    #[serde(default, skip_serializing_if = "is_zero")]
    nonce: u32,
    #[serde(with = "code")]
    code: Code,
}

/// A reader's place in a room.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) reader: u64,
    #[serde(with = "room")]
    pub(crate) room: RoomId,
    epoch: Option<Hex<8>>,
    offset: u64,
    chain: Hex<8>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    reader: u64,
    #[serde(with = "room")]
    room: RoomId,
    epoch: Hex<8>,
    offset: u64,
    chain: Hex<8>,
    client: Hex<8>,
    #[serde(with = "seq")]
    seq: Seq,
    #[serde(default, skip_serializing_if = "is_zero")]
    nonce: u32,
    body: Option<Hex<16>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    reader: u64,
    #[serde(with = "room")]
    room: RoomId,
    from: u64,
    to: u64,
    #[serde(with = "reason")]
    reason: GapReason,
    position: Option<At>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct At {
    epoch: Option<Hex<8>>,
    offset: u64,
    chain: Hex<8>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Beat {
    reader: u64,
    at_ms: u64,
    #[serde(with = "rooms")]
    lag: Vec<RoomId>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Who {
    reader: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InRoom {
    reader: u64,
    #[serde(with = "room")]
    room: RoomId,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CrashOf {
    Process,
    Node,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restored {
    #[serde(with = "room")]
    room: RoomId,
    fork: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deleted {
    #[serde(with = "room")]
    room: RoomId,
    epoch: Hex<8>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    process: u64,
    events: u64,
    bytes: u64,
    bound_bytes: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogLine {
    #[serde(with = "room")]
    pub(crate) room: RoomId,
    epoch: Hex<8>,
    before: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stands {
    #[serde(with = "room")]
    pub(crate) room: RoomId,
    epoch: Hex<8>,
    offset: u64,
    chain: Hex<8>,
    client: Hex<8>,
    #[serde(with = "seq")]
    seq: Seq,
    #[serde(default, skip_serializing_if = "is_zero")]
    nonce: u32,
    body: Option<Hex<16>>,
}

impl Line {
    /// The line that says `record`.
    pub(crate) fn of(record: &Record) -> Self {
        match record {
            Record::Invoked { publish, room, body } => {
                let Publish { client, seq, nonce } = (*publish).into();
                Self::Invoked(Invoked { client, seq, nonce, room: room.clone(), body: Hex(*body) })
            }
            Record::Queued { publish } => Self::Queued((*publish).into()),
            Record::Acked { publish, ack, at_ms } => {
                let Publish { client, seq, nonce } = (*publish).into();
                Self::Acked(Box::new(Acked {
                    client,
                    seq,
                    nonce,
                    room: ack.room.clone(),
                    epoch: Hex(*ack.epoch.as_bytes()),
                    offset: ack.mark.offset.0,
                    chain: Hex(*ack.mark.chain.as_bytes()),
                    durability: ack.durability,
                    at_ms: *at_ms,
                }))
            }
            Record::Refused { publish, code } => {
                let Publish { client, seq, nonce } = (*publish).into();
                Self::Refused(Refused { client, seq, nonce, code: *code })
            }
            Record::Unknown { publish } => Self::Unknown((*publish).into()),
            Record::Opened { reader, room, position } => Self::Opened(Place::new(*reader, room, position)),
            Record::Seen { reader, room, entry } => {
                let Stands { room, epoch, offset, chain, client, seq, nonce, body } =
                    Stands::new(room, entry);
                Self::Seen(Seen { reader: reader.0, room, epoch, offset, chain, client, seq, nonce, body })
            }
            Record::Told { reader, room, gap } => Self::Told(Box::new(Told {
                reader: reader.0,
                room: room.clone(),
                from: gap.from.0,
                to: gap.to.0,
                reason: gap.reason,
                position: gap.position.as_ref().map(At::new),
            })),
            Record::Beat { reader, at_ms, lag } => {
                Self::Beat(Beat { reader: reader.0, at_ms: *at_ms, lag: lag.clone() })
            }
            Record::Disconnected { reader } => Self::Disconnected(Who { reader: reader.0 }),
            Record::Closed { reader, room } => Self::Closed(InRoom { reader: reader.0, room: room.clone() }),
            Record::Crashed(Crash::Process) => Self::Crashed(CrashOf::Process),
            Record::Crashed(Crash::Node) => Self::Crashed(CrashOf::Node),
            Record::Restored { room, fork } => Self::Restored(Restored { room: room.clone(), fork: fork.0 }),
            Record::Deleted { room, epoch } => {
                Self::Deleted(Deleted { room: room.clone(), epoch: Hex(*epoch.as_bytes()) })
            }
            Record::FaultsStopped => Self::FaultsStopped(Nothing {}),
            Record::Memory(Sample { process, events, bytes, bound_bytes }) => Self::Memory(Memory {
                process: *process,
                events: *events,
                bytes: *bytes,
                bound_bytes: *bound_bytes,
            }),
        }
    }

    /// The line before the events of `log`.
    pub(crate) fn of_log(room: &RoomId, log: &Log) -> Self {
        let epoch = Hex(*log.epoch.as_bytes());
        Self::Log(LogLine { room: room.clone(), epoch, before: log.before.0 })
    }

    /// The line of an event of the log of `room`.
    pub(crate) fn of_standing(room: &RoomId, entry: &Entry) -> Self {
        Self::Stands(Stands::new(room, entry))
    }

    /// The record that the line says; `None` where it is none.
    pub(crate) fn into_record(self) -> Option<Record> {
        Some(match self {
            Self::Invoked(Invoked { client, seq, nonce, room, body }) => {
                Record::Invoked { publish: publish(client, seq, nonce), room, body: body.0 }
            }
            Self::Queued(publish) => Record::Queued { publish: publish.into() },
            Self::Acked(acked) => {
                let Acked { client, seq, nonce, room, epoch, offset, chain, durability, at_ms } = *acked;
                let ack = Ack {
                    seq,
                    room,
                    epoch: Epoch::from_bytes(epoch.0),
                    mark: Mark {
                        offset: Offset(offset),
                        ordinal: Ordinal(0),
                        chain: Chain::from_bytes(chain.0),
                    },
                    ts: 0,
                    duplicate: false,
                    durability,
                };
                Record::Acked { publish: publish(client, seq, nonce), ack, at_ms }
            }
            Self::Refused(Refused { client, seq, nonce, code }) => {
                Record::Refused { publish: publish(client, seq, nonce), code }
            }
            Self::Unknown(publish) => Record::Unknown { publish: publish.into() },
            Self::Opened(place) => {
                let position = place.position();
                Record::Opened { reader: Reader(place.reader), room: place.room, position }
            }
            Self::Seen(Seen { reader, room, epoch, offset, chain, client, seq, nonce, body }) => {
                let stands = Stands { room, epoch, offset, chain, client, seq, nonce, body };
                let entry = stands.entry();
                Record::Seen { reader: Reader(reader), room: stands.room, entry }
            }
            Self::Told(told) => {
                let Told { reader, room, from, to, reason, position } = *told;
                let gap = Gap {
                    from: Offset(from),
                    to: Offset(to),
                    reason,
                    position: position.map(At::position),
                    ordinal: Ordinal(0),
                };
                Record::Told { reader: Reader(reader), room, gap }
            }
            Self::Beat(Beat { reader, at_ms, lag }) => Record::Beat { reader: Reader(reader), at_ms, lag },
            Self::Disconnected(Who { reader }) => Record::Disconnected { reader: Reader(reader) },
            Self::Closed(InRoom { reader, room }) => Record::Closed { reader: Reader(reader), room },
            Self::Crashed(CrashOf::Process) => Record::Crashed(Crash::Process),
            Self::Crashed(CrashOf::Node) => Record::Crashed(Crash::Node),
            Self::Restored(Restored { room, fork }) => Record::Restored { room, fork: Offset(fork) },
            Self::Deleted(Deleted { room, epoch }) => {
                Record::Deleted { room, epoch: Epoch::from_bytes(epoch.0) }
            }
            Self::FaultsStopped(Nothing {}) => Record::FaultsStopped,
            Self::Memory(Memory { process, events, bytes, bound_bytes }) => {
                Record::Memory(Sample { process, events, bytes, bound_bytes })
            }
            Self::History(_)
            | Self::Log(_)
            | Self::Stands(_)
            | Self::Found(_)
            | Self::Saving(_)
            | Self::Saved(_)
            | Self::Trouble(_) => return None,
        })
    }
}

impl Place {
    pub(crate) fn new(reader: Reader, room: &RoomId, position: &Position) -> Self {
        let At { epoch, offset, chain } = At::new(position);
        Self { reader: reader.0, room: room.clone(), epoch, offset, chain }
    }

    pub(crate) const fn position(&self) -> Position {
        At { epoch: self.epoch, offset: self.offset, chain: self.chain }.position()
    }
}

impl At {
    fn new(position: &Position) -> Self {
        Self {
            epoch: position.epoch.map(|epoch| Hex(*epoch.as_bytes())),
            offset: position.offset.0,
            chain: Hex(*position.chain.as_bytes()),
        }
    }

    const fn position(self) -> Position {
        let epoch = match self.epoch {
            Some(Hex(bytes)) => Some(Epoch::from_bytes(bytes)),
            None => None,
        };
        Position { epoch, offset: Offset(self.offset), chain: Chain::from_bytes(self.chain.0) }
    }
}

impl LogLine {
    /// An empty log of that name.
    pub(crate) fn into_log(self) -> (RoomId, Log) {
        let epoch = Epoch::from_bytes(self.epoch.0);
        (self.room, Log { epoch, before: Offset(self.before), entries: Vec::new() })
    }
}

impl Stands {
    fn new(room: &RoomId, entry: &Entry) -> Self {
        let Publish { client, seq, nonce } = entry.publish.into();
        Self {
            room: room.clone(),
            epoch: Hex(*entry.epoch.as_bytes()),
            offset: entry.offset.0,
            chain: Hex(*entry.chain.as_bytes()),
            client,
            seq,
            nonce,
            body: entry.body.map(Hex),
        }
    }

    /// The event.
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            epoch: Epoch::from_bytes(self.epoch.0),
            offset: Offset(self.offset),
            chain: Chain::from_bytes(self.chain.0),
            publish: publish(self.client, self.seq, self.nonce),
            body: self.body.map(|body| body.0),
        }
    }
}

impl From<PublishId> for Publish {
    fn from(publish: PublishId) -> Self {
        Self { client: Hex(*publish.client.as_bytes()), seq: publish.seq, nonce: publish.nonce.0 }
    }
}

impl From<Publish> for PublishId {
    fn from(Publish { client, seq, nonce }: Publish) -> Self {
        publish(client, seq, nonce)
    }
}

const fn publish(client: Hex<8>, seq: Seq, nonce: u32) -> PublishId {
    PublishId { client: ClientTag::from_bytes(client.0), seq, nonce: Nonce(nonce) }
}
