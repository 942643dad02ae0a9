//! Samples: users, rooms, messages and frames as a busy server sees them, the same at every run.

use anchor_core::chain::Link;
use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::{ClientId, ClientKey, ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal, Position};
use anchor_core::publish::{Ack, Durability, MissingRoom, Publish, Verdict};
use anchor_core::run::{Run, RunBuilder};
use anchor_core::session::frame::{ClientFrame, Hello, HistoryRange, PublishFrame, RequestId, ResumeRoom};

/// Bytes of a message's body. Source: the size at which Anchor is compared with others.
pub const BODY_BYTES: usize = 128;

/// The client with this number: a user of its own with one installation.
#[must_use]
pub fn client(number: usize) -> ClientKey {
    let user = UserId::new(format!("user-{number}")).expect("a user id");
    let mut id = [0xc1; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    ClientKey { user, id: ClientId::from_bytes(id) }
}

/// The room with this number.
#[must_use]
pub fn room(number: usize) -> RoomId {
    RoomId::new(format!("room-{number}")).expect("a room id")
}

/// A message of [`BODY_BYTES`], with quotes in it as people write them.
#[must_use]
pub fn body() -> Body {
    let text = "\"Nothing acknowledged is lost, repeated or reordered\", she said. ";
    Body::text(text.chars().cycle().take(BODY_BYTES).collect::<String>())
}

/// The number of a publish.
#[must_use]
pub fn seq(number: u64) -> Seq {
    Seq::new(number).expect("a seq")
}

/// The `hello` of a client that resumes `rooms`.
#[must_use]
pub fn hello(client: &ClientKey, rooms: Vec<(RoomId, Position)>) -> ClientFrame {
    ClientFrame::Hello(Hello {
        token: None,
        user: Some(client.user.clone()),
        client_id: client.id,
        waits: Seq::FIRST,
        features: Vec::new(),
        resume: rooms.into_iter().map(|(room, position)| ResumeRoom::after(room, position)).collect(),
    })
}

/// A publish as a client sends it that waits for `waits` and all behind it.
#[must_use]
pub fn publish_frame(number: u64, waits: u64, room: &RoomId) -> ClientFrame {
    ClientFrame::Publish(PublishFrame {
        seq: seq(number),
        nonce: NONCE,
        waits: seq(waits),
        room: room.clone(),
        draft: Draft::message(body()),
        client_id: None,
    })
}

/// Asks for so many of the newest messages before an offset.
#[must_use]
pub fn history_frame(room: &RoomId, before: u64, limit: u64) -> ClientFrame {
    let range = HistoryRange::BeforeOffset(Offset(before));
    ClientFrame::History { id: RequestId(1), room: room.clone(), range, limit }
}

/// A publish as a store takes it, of a client that waits for nothing else.
#[must_use]
pub fn publish(client: &ClientKey, number: u64, room: &RoomId) -> Publish {
    Publish {
        client: client.clone(),
        session: None,
        seq: seq(number),
        nonce: NONCE,
        waits: seq(number),
        room: room.clone(),
        draft: Draft::message(body()),
        verdict: Verdict::Append { room: MissingRoom::Create },
        grounds: None,
    }
}

/// An ack from the middle of a room's life.
#[must_use]
pub fn ack() -> Ack {
    Ack {
        seq: seq(123_456),
        room: RoomId::lobby(),
        epoch: EPOCH,
        mark: Mark { offset: Offset(654_321), ordinal: Ordinal(654_000), chain: Chain::from_bytes([9; 8]) },
        ts: TS,
        duplicate: false,
        durability: Durability::Disk,
    }
}

/// The first `events` messages of the lobby, as one run.
#[must_use]
pub fn run(events: u64) -> Run {
    let mut builder = RunBuilder::new(RoomId::lobby(), EPOCH, Mark::START);
    let user = UserId::new("ada").expect("a user id");
    let (client, body) = (ClientTag::from_bytes([3; 8]), body());
    for number in 1..=events {
        let kind = EventKind::MESSAGE;
        let link = Link { kind, user: &user, client, seq: seq(number), nonce: NONCE, ts: TS, target: None };
        builder.push(&link, &body, &[1; 16]);
    }
    builder.finish().expect("events were pushed")
}

const EPOCH: Epoch = Epoch::from_bytes([7; 8]);

const NONCE: Nonce = Nonce(0xdead_beef);

/// Milliseconds since the Unix epoch: a day in December 2025.
const TS: u64 = 1_766_400_000_000;
