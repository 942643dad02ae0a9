//! What clients did and saw, as typed records.
//!
//! **Order.** Records stand in the order observed by one clock, or client by client: all that the checkers ask is that the
//! records of one reader stand in the order in which that reader saw them. Between clients only times are compared
//! (`at_ms`, in milliseconds since the Unix epoch), so ack times and beats must come from clocks that agree.

use std::collections::BTreeMap;
use std::fmt;

use crate::chain::{self, Digest};
use crate::code::Code;
use crate::event::{Body, Event};
use crate::id::{ClientTag, Nonce, RoomId, Seq};
use crate::position::{Chain, Epoch, Offset, Position};
use crate::publish::Ack;
use crate::resume::Gap;

/// A reader that takes events in order and remembers its cursor, through any number of connections.
///
/// One that was set elsewhere on purpose (a copy, a restart from an older cursor, a leap to the head) is another reader.
/// The recorder numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reader(pub u64);

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reader {}", self.0)
    }
}

/// Which publish: what its client named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublishId {
    /// The public name of the client.
    pub client: ClientTag,
    /// The client's number for it.
    pub seq: Seq,
    /// The client's random bits for it.
    pub nonce: Nonce,
}

impl fmt::Display for PublishId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "publish {} of client {}", self.seq, self.client)
    }
}

/// An event as far as the promise concerns it. Small, so that a million of them fit into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The history it was written in.
    pub epoch: Epoch,
    /// Its place.
    pub offset: Offset,
    /// Digest of the log up to and including it.
    pub chain: Chain,
    /// Whose publish it is.
    pub publish: PublishId,
    /// What [`body_digest`] says of its body; `None` once redacted.
    pub body: Option<Digest>,
}

impl Entry {
    /// What the promise concerns of `event`, written in `epoch`.
    #[must_use]
    pub fn of(epoch: Epoch, event: &Event) -> Self {
        Self {
            epoch,
            offset: event.offset,
            chain: event.chain,
            publish: PublishId { client: event.client, seq: event.seq, nonce: event.nonce },
            body: event.body.as_ref().map(body_digest),
        }
    }

    /// Where a reader stands that took it last.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position { epoch: Some(self.epoch), offset: self.offset, chain: self.chain }
    }

    /// True if both are the same event, be it that one of them was redacted meanwhile.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let bodies_agree = self.body.zip(other.body).is_none_or(|(one, another)| one == another);
        bodies_agree && Self { body: None, ..*self } == Self { body: None, ..*other }
    }
}

/// Sixteen bytes that stand for a body in a history.
#[must_use]
pub fn body_digest(body: &Body) -> Digest {
    chain::digest(&[0; 16], body)
}

/// A room as a full read found it after everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The room's epoch now; without events in it where nothing was published since a restore.
    pub epoch: Epoch,
    /// The offset before the horizon: everything up to it was trimmed. Zero where nothing was.
    pub before: Offset,
    /// The events from the horizon to the head, in the order of their offsets.
    pub entries: Vec<Entry>,
}

impl Log {
    /// The newest offset.
    #[must_use]
    pub fn head(&self) -> Offset {
        self.entries.last().map_or(self.before, |entry| entry.offset)
    }

    /// The event at `offset`, if it stands.
    #[must_use]
    pub fn at(&self, offset: Offset) -> Option<&Entry> {
        let index = self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()?;
        self.entries.get(index)
    }
}

/// How much went down with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process or the power: what was acked `disk` survives.
    Process,
    /// The node with its disk: only what was acked `replicated` survives.
    Node,
}

/// How much memory a process used at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Which process; a restarted one is another.
    pub process: u64,
    /// Events that it had handled by then (appended or delivered): what memory must not grow with.
    pub events: u64,
    /// What it used, in bytes.
    pub bytes: u64,
    /// What it may use, in bytes.
    pub bound_bytes: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A client began to publish. Without an answer its outcome is unknown.
    Invoked {
        /// Which publish.
        publish: PublishId,
        /// Into which room.
        room: RoomId,
        /// The body, as [`body_digest`] tells it.
        body: Digest,
    },
    /// The client has it in a durable outbox: from here on it is delivered, though the process be killed.
    Queued {
        /// Which publish.
        publish: PublishId,
    },
    /// The publish was acknowledged.
    Acked {
        /// Which publish.
        publish: PublishId,
        /// The answer.
        ack: Ack,
        /// When its client had the answer.
        at_ms: u64,
    },
    /// The publish was refused. `seq_forgotten` counts as unknown.
    Refused {
        /// Which publish.
        publish: PublishId,
        /// Why.
        code: Code,
    },
    /// The client gave up without an answer: the publish stands at most once.
    Unknown {
        /// Which publish.
        publish: PublishId,
    },
    /// A subscription began, or went on after a break: it is in force, the server has answered.
    Opened {
        /// Who reads.
        reader: Reader,
        /// What.
        room: RoomId,
        /// Where it asked to go on, or was told to begin; before any gap.
        position: Position,
    },
    /// The reader took an event. What its client library left out as known already was not taken.
    Seen {
        /// Who reads.
        reader: Reader,
        /// Where.
        room: RoomId,
        /// What.
        entry: Entry,
    },
    /// The reader was told a gap.
    Told {
        /// Who reads.
        reader: Reader,
        /// Where.
        room: RoomId,
        /// What.
        gap: Gap,
    },
    /// The reader got a beat.
    Beat {
        /// Who reads.
        reader: Reader,
        /// What it says: the node knew the heads at this time.
        at_ms: u64,
        /// The rooms in which the reader is said to be behind.
        lag: Vec<RoomId>,
    },
    /// The reader lost its connection: its subscriptions are in force again once opened again.
    Disconnected {
        /// Who reads.
        reader: Reader,
    },
    /// The reader left the room on its own account.
    Closed {
        /// Who read.
        reader: Reader,
        /// What.
        room: RoomId,
    },
    /// A server went down.
    Crashed(Crash),
    /// A backup was restored (or a store that keeps nothing began anew): what stood above `fork` is not in the log.
    ///
    /// Only this excuses an acked event that is gone: a `restored` gap is the server's own word. Those of one room stand in
    /// the order in which it was restored.
    Restored {
        /// In which room.
        room: RoomId,
        /// The newest offset of the backup.
        fork: Offset,
    },
    /// A room was deleted: what stood in that epoch is gone, and that is right. What is in a room of that id now is another.
    Deleted {
        /// Which room.
        room: RoomId,
        /// The epoch that it had.
        epoch: Epoch,
    },
    /// From here on nothing goes wrong any more, and everybody has time to catch up.
    FaultsStopped,
    /// Somebody measured memory.
    Memory(Sample),
}

/// Everything that was observed. See the [module](self) on order.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) records: Vec<Record>,
    pub(super) logs: BTreeMap<RoomId, Log>,
}

impl History {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what happened next.
    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Notes that `publish` of `body` into `room` was begun.
    pub fn push_invoked(&mut self, publish: PublishId, room: &RoomId, body: &Body) {
        self.push(Record::Invoked { publish, room: room.clone(), body: body_digest(body) });
    }

    /// Notes that `reader` took `event` of `room`, written in `epoch`.
    pub fn push_seen(&mut self, reader: Reader, room: &RoomId, epoch: Epoch, event: &Event) {
        self.push(Record::Seen { reader, room: room.clone(), entry: Entry::of(epoch, event) });
    }

    /// Sets the final read of `room`; a later one replaces it.
    pub fn set_log(&mut self, room: RoomId, log: Log) {
        self.logs.insert(room, log);
    }

    /// What happened, in order.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The final read of each room.
    #[must_use]
    pub const fn logs(&self) -> &BTreeMap<RoomId, Log> {
        &self.logs
    }

    /// The final read of `room`.
    #[must_use]
    pub fn log(&self, room: &RoomId) -> Option<&Log> {
        self.logs.get(room)
    }
}
