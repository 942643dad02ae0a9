//! A history in which everything happens that may: breaks, trimming, a restored backup, unknown outcomes, lagging beats.
//!
//! The log of the lobby has [`EVENTS`] events. Event n is publish n of one client, acked at n × 10 ms (a second later in the
//! new epoch), and seen by all readers but as said here. A backup was restored that kept 1 to [`FORK`]; the horizon is [`TRIMMED`] + 1.

use super::super::history::body_digest;
use super::*;
use crate::code::Code;
use crate::event::Body;
use crate::id::{ClientTag, Nonce, RoomId, Seq};
use crate::position::{Chain, Epoch, Mark, Offset, Ordinal, Position};
use crate::publish::{Ack, Durability};
use crate::resume::{Gap, GapReason};

/// The room's events at the end.
pub(super) const EVENTS: u64 = 20;
/// The newest event that the backup has.
pub(super) const FORK: u64 = 8;
/// The newest event that retention took away.
pub(super) const TRIMMED: u64 = 4;
/// The epochs before and after the restore.
pub(super) const OLD: Epoch = Epoch::from_bytes([1; 8]);
pub(super) const NEW: Epoch = Epoch::from_bytes([2; 8]);

/// Reads along from the start, through the restore.
pub(super) const FAST: Reader = Reader(1);
/// Comes late, is told what was trimmed, loses its connection once, and is told that it lags.
pub(super) const LATE: Reader = Reader(2);
/// Begins at event 15.
pub(super) const FRESH: Reader = Reader(3);
/// Leaves before the end.
pub(super) const LEFT: Reader = Reader(4);

pub(super) fn history() -> History {
    let mut history = History::new();
    // Before the restore: 1 to 10, of which 9 and 10 are lost; publish 100 gets no answer, and 101 is refused.
    history.push(opened(FAST, Position::START));
    for n in 1..=FORK + 2 {
        let entry = Entry { publish: publish(if n > FORK { 200 + n } else { n }), ..entry(OLD, n) };
        history.push_invoked(entry.publish, &room(), &body());
        history.push(acked(&entry));
        history.push(Record::Seen { reader: FAST, room: room(), entry });
    }
    history.push(Record::Beat { reader: FAST, at_ms: 100, lag: Vec::new() });
    history.push_invoked(publish(100), &room(), &body());
    history.push(Record::Queued { publish: publish(100) });
    history.push(Record::Unknown { publish: publish(100) });
    history.push(Record::Refused { publish: publish(101), code: Code::Denied });
    history.push(Record::Crashed(Crash::Process));
    history.push(Record::Disconnected { reader: FAST });
    history.push(Record::Restored { room: room(), fork: Offset(FORK) });
    history.push(opened(FAST, at(OLD, FORK + 2)));
    history.push(gap(FAST, GapReason::Restored, FORK + 1, FORK + 2, at(OLD, FORK)));
    // After it: 9 to 20. The last has no answer, and stands in the log.
    history.push(opened(LEFT, at(OLD, FORK)));
    for n in FORK + 1..=EVENTS {
        let entry = entry(NEW, n);
        history.push_invoked(entry.publish, &room(), &body());
        history.push(Record::Queued { publish: entry.publish });
        history.push(if n < EVENTS { acked(&entry) } else { Record::Unknown { publish: entry.publish } });
        history.push(seen(FAST, n));
    }
    history.push(seen(LEFT, FORK + 1));
    history.push(Record::Closed { reader: LEFT, room: room() });
    history.push(opened(LATE, Position::START));
    history.push(gap(LATE, GapReason::Trimmed, 1, TRIMMED, at(OLD, TRIMMED)));
    for n in TRIMMED + 1..=12 {
        history.push(seen(LATE, n));
    }
    history.push(Record::Beat { reader: LATE, at_ms: 2_000, lag: vec![room()] });
    history.push(Record::Disconnected { reader: LATE });
    history.push(Record::Beat { reader: LATE, at_ms: 3_000, lag: Vec::new() });
    history.push(Record::FaultsStopped);
    history.push(opened(LATE, at(NEW, 12)));
    for n in 13..=EVENTS {
        history.push(seen(LATE, n));
    }
    history.push(Record::Beat { reader: LATE, at_ms: 200, lag: Vec::new() });
    history.push(opened(FRESH, at(NEW, 14)));
    for n in 15..=EVENTS {
        history.push(seen(FRESH, n));
    }
    for n in 1..=16 {
        history.push(sample(1, n * 1_000, 900 + n % 3));
    }
    let entries = (TRIMMED + 1..=EVENTS).map(|n| entry(if n > FORK { NEW } else { OLD }, n)).collect();
    history.set_log(room(), Log { epoch: NEW, before: Offset(TRIMMED), entries });
    history
}

pub(super) fn room() -> RoomId {
    RoomId::lobby()
}

pub(super) fn body() -> Body {
    Body::text("hello")
}

pub(super) fn publish(seq: u64) -> PublishId {
    PublishId { client: ClientTag::from_bytes([7; 8]), seq: Seq::new(seq).unwrap(), nonce: Nonce(5) }
}

/// Event `n`, as publish `n`, written in `epoch`.
pub(super) fn entry(epoch: Epoch, n: u64) -> Entry {
    let body = Some(body_digest(&body()));
    Entry { epoch, offset: Offset(n), chain: chain(epoch, n), publish: publish(n), body }
}

fn chain(epoch: Epoch, n: u64) -> Chain {
    Chain::from_bytes((n << 8 | u64::from(epoch.as_bytes()[0])).to_be_bytes())
}

pub(super) fn at(epoch: Epoch, n: u64) -> Position {
    Position { epoch: Some(epoch), offset: Offset(n), chain: chain(epoch, n) }
}

pub(super) fn seen(reader: Reader, n: u64) -> Record {
    Record::Seen { reader, room: room(), entry: entry(if n > FORK { NEW } else { OLD }, n) }
}

pub(super) fn opened(reader: Reader, position: Position) -> Record {
    Record::Opened { reader, room: room(), position }
}

pub(super) fn acked(entry: &Entry) -> Record {
    let ack = Ack {
        seq: entry.publish.seq,
        room: room(),
        epoch: entry.epoch,
        mark: Mark { offset: entry.offset, ordinal: Ordinal(entry.offset.0), chain: entry.chain },
        ts: 0,
        duplicate: false,
        durability: Durability::Disk,
    };
    let at_ms = entry.offset.0 * 10 + if entry.epoch == NEW { 1_000 } else { 0 };
    Record::Acked { publish: entry.publish, ack, at_ms }
}

pub(super) fn gap(reader: Reader, reason: GapReason, from: u64, to: u64, position: Position) -> Record {
    let ordinal = Ordinal(position.offset.0);
    let gap = Gap { from: Offset(from), to: Offset(to), reason, position: Some(position), ordinal };
    Record::Told { reader, room: room(), gap }
}

pub(super) fn sample(process: u64, events: u64, bytes: u64) -> Record {
    Record::Memory(Sample { process, events, bytes, bound_bytes: 1_000_000 })
}

/// Adds `entry` to the end of the log, and lets every reader at the head see it.
pub(super) fn append(history: &mut History, entry: Entry) {
    history.logs.get_mut(&room()).unwrap().entries.push(entry);
    for reader in [FAST, LATE, FRESH] {
        history.push(Record::Seen { reader, room: room(), entry });
    }
}
