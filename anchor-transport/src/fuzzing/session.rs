//! A hostile connection: a script of messages, time and neighbours, read from bytes and played against a real session.
//!
//! Half of the steps hand over raw messages, so that whatever passes the codec comes to the session; the others build
//! frames that make sense, so that runs come beyond the hello. Any bytes are a script.

use std::time::Duration;

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::engine::Anchor;
use anchor_core::event::{Body, Draft};
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::memory::MemoryStore;
use anchor_core::position::{Chain, Epoch, Offset, Position};
use anchor_core::session::frame::{
    ClientFrame, From, Hello, HistoryRange, PublishFrame, RequestId, ResumeRoom, Which,
};
use anchor_core::store::{Store as _, StoreExt as _};
use bytes::Bytes;
use futures::FutureExt as _;

use super::deeds;
use super::peer::Peer;
use crate::codec::Encoding;

/// Plays `script` against a session over a store in memory, and checks on the way that every request is answered once and
/// in its kind, that publishes are answered in their order and acknowledged only where they stand in the log, that what a
/// reader gets is contiguous, that a position that is not in the log is answered by a gap, and that the session ends when
/// it must, with the code that says why, and never else.
///
/// # Panics
/// Where that does not hold.
pub fn session(script: &[u8]) {
    let mut script = Script(script);
    let encoding = if script.byte() % 2 == 0 { Encoding::MessagePack } else { Encoding::Json };
    let house = House::new();
    let mut peer = Peer::connect(&house, encoding);
    let mut seq = 0;
    for number in 0..STEPS_MAX {
        let Some(op) = script.op() else { break };
        let frame = match op {
            Op::Message => {
                let length = usize::from(u16::from_le_bytes([script.byte(), script.byte()]));
                peer.receive(&Bytes::copy_from_slice(script.take(length)));
                continue;
            }
            Op::Hello => hello(&house, &mut script),
            Op::Resume => ClientFrame::Resume { id: RequestId(number), rooms: rooms(&house, &mut script) },
            Op::Subscribe => {
                let (room, from) = (room(&mut script), script.byte());
                let from = match from % 6 {
                    0 => From::Start,
                    1 => From::After(house.position(&room, script.byte())),
                    2 => From::Offset(Offset(script.byte().into())),
                    3 => From::Last(script.byte().into()),
                    4 => From::Now,
                    _ => From::Recent {
                        after: house.position(&room, script.byte()),
                        last: u64::from(script.byte() % 8),
                    },
                };
                ClientFrame::Subscribe { id: RequestId(number), room, from }
            }
            Op::Unsubscribe => ClientFrame::Unsubscribe { id: RequestId(number), room: room(&mut script) },
            Op::Publish => {
                let (step, kind, room) = (script.byte(), script.byte(), room(&mut script));
                let body = Body::text("x".repeat(usize::from(script.byte())));
                publish(&mut seq, (step, kind), room, Draft::message(body))
            }
            Op::History => {
                let room = room(&mut script);
                let range = match script.byte() % 4 {
                    0 => HistoryRange::Newest,
                    1 => HistoryRange::Before(house.position(&room, script.byte())),
                    2 => HistoryRange::BeforeOffset(Offset(script.byte().into())),
                    _ => HistoryRange::After(house.position(&room, script.byte())),
                };
                ClientFrame::History { id: RequestId(number), room, range, limit: script.byte().into() }
            }
            Op::Rooms => {
                let after = (script.byte() % 2 == 1).then(|| room(&mut script));
                ClientFrame::Rooms {
                    id: RequestId(number),
                    after,
                    limit: script.byte().into(),
                    which: Which::Readable,
                }
            }
            Op::Who => ClientFrame::Who { id: RequestId(number), room: room(&mut script) },
            Op::Do => {
                let (number, room, at) = (script.byte(), room(&mut script), script.byte());
                let draft = deeds::deed(number, &writer(), at);
                let (room, draft) = if at == REPORTED { deeds::report(&room, number) } else { (room, draft) };
                publish(&mut seq, (1, 4), room, draft)
            }
            Op::Other => {
                let (number, room, at) = (script.byte(), room(&mut script), script.byte());
                let draft = deeds::deed(number, &ada(), at);
                match at % 4 {
                    0 => peer.behind(|| say(&house.elsewhere, &room, [draft])),
                    _ => say(&house.anchor, &room, [draft]),
                }
                peer.settle();
                continue;
            }
            Op::Question => {
                let (kind, room) = (script.byte(), room(&mut script));
                deeds::question(kind, RequestId(number), room, writer(), script.byte())
            }
            Op::Signal => deeds::signal(room(&mut script), writer(), script.byte()),
            Op::Beat => ClientFrame::Beat,
            Op::Wait => {
                peer.wait(WAITS[usize::from(script.byte()) % WAITS.len()]);
                continue;
            }
            Op::Hold => {
                peer.hold_or_go_on();
                continue;
            }
            Op::Deaf => {
                peer.stop_or_take_again();
                continue;
            }
            Op::Write => {
                let (room, messages) = (room(&mut script), script.byte());
                match messages % 4 {
                    0 => peer.behind(|| say(&house.elsewhere, &room, numbered(messages % 100))),
                    _ => say(&house.anchor, &room, numbered(messages % 100)),
                }
                peer.settle();
                continue;
            }
            Op::Intrude => {
                peer.intrude(hello(&house, &mut Script(&[1, 0])));
                continue;
            }
            Op::Trim => {
                let room = room(&mut script);
                house.trim(&room, script.byte());
                continue;
            }
        };
        peer.receive(&encoding.encode_client(&frame));
    }
    peer.finish();
}

/// One step of a script.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// A raw message: its length (2 bytes, the lower first) and its bytes.
    Message,
    /// A hello: a user or none, rooms to resume.
    Hello,
    /// Rooms to resume.
    Resume,
    /// A room, from where.
    Subscribe,
    /// A room.
    Unsubscribe,
    /// How far the seq goes on, what waits, a room, a length.
    Publish,
    /// A room, a range, a limit.
    History,
    /// Whether after one, that room, a limit.
    Rooms,
    /// A room.
    Who,
    /// A sign of life.
    Beat,
    /// Time goes by, and the node asks the store what is new.
    Wait,
    /// From here on nothing happens but what is handed over; or everything again.
    Hold,
    /// The socket takes no events; or again.
    Deaf,
    /// Somebody else writes, here or on another node: a room, how many messages.
    Write,
    /// Another session of the same client.
    Intrude,
    /// The room's horizon rises.
    Trim,
    /// Does something else in a room: what, a room, an event.
    Do,
    /// Somebody else does, here or on another node: what, a room, an event.
    Other,
    /// What is asked, a room, an event or a limit.
    Question,
    /// A room, a length.
    Signal,
}

const OPS: [Op; 20] = [
    Op::Message,
    Op::Hello,
    Op::Resume,
    Op::Subscribe,
    Op::Unsubscribe,
    Op::Publish,
    Op::History,
    Op::Rooms,
    Op::Who,
    Op::Beat,
    Op::Wait,
    Op::Hold,
    Op::Deaf,
    Op::Write,
    Op::Intrude,
    Op::Trim,
    Op::Do,
    Op::Other,
    Op::Question,
    Op::Signal,
];

impl Op {
    /// The step that is named so, in lower case.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        OPS.into_iter().find(|op| format!("{op:?}").eq_ignore_ascii_case(name))
    }
}

/// Bytes read one after another; zeros once they are used up.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn op(&mut self) -> Option<Op> {
        (!self.0.is_empty()).then(|| OPS[usize::from(self.byte()) % OPS.len()])
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// An engine over a store in memory, under a clock of its own.
pub(super) struct House {
    pub(super) anchor: Anchor,
    /// Another node on the same store, of which this one learns by asking the store alone.
    elsewhere: Anchor,
    pub(super) store: MemoryStore,
    pub(super) env: TestEnvironment,
}

impl House {
    fn new() -> Self {
        let env = TestEnvironment::new(7);
        let store = MemoryStore::new(env.clone());
        let node = |store| Anchor::builder(store, env.clone()).build();
        Self { anchor: node(store.clone()), elsewhere: node(store.node()), store, env }
    }

    fn trim(&self, room: &RoomId, horizon: u8) {
        // A room that is not there has nothing to trim.
        drop(at_once(self.anchor.trim(room, Offset(horizon.into()))));
    }

    /// A position in `room`, right or wrong in one of several ways.
    fn position(&self, room: &RoomId, kind: u8) -> Position {
        let state = at_once(self.store.room(room)).expect("a store in memory does not fail");
        let events = at_once(self.store.read_all(room)).expect("a store in memory does not fail");
        let (Some(state), Some(newest)) = (state, events.last()) else {
            return match kind % 2 {
                0 => Position::START,
                _ => {
                    Position { epoch: Some(Epoch::from_bytes([1; 8])), offset: Offset(3), chain: Chain::ZERO }
                }
            };
        };
        let at = |event: &anchor_core::event::Event| Position::at(state.epoch_at(event.offset), event.mark());
        let head = at(newest);
        match kind % 8 {
            0 => Position::START,
            1 => head,
            2 => at(&events[events.len() / 2]),
            3 => Position { chain: Chain::from_bytes([3; 8]), ..head },
            4 => Position { offset: Offset(head.offset.0 + 5), ..head },
            5 => Position { epoch: Some(Epoch::from_bytes([1; 8])), ..head },
            6 => at(&events[0]),
            _ => Position { offset: Offset(anchor_core::id::NUMBER_MAX), ..head },
        }
    }
}

/// Has the other user publish through a node.
fn say(anchor: &Anchor, room: &RoomId, drafts: impl IntoIterator<Item = Draft>) {
    let opened = at_once(anchor.client(writer(), ClientId::from_bytes([9; 16])));
    let mut writer = opened.expect("a store in memory does not fail");
    for draft in drafts {
        // Not everything may be said everywhere.
        drop(at_once(writer.publish(room, draft)));
    }
}

fn numbered(messages: u8) -> impl Iterator<Item = Draft> {
    (0..messages).map(|number| Draft::message(number.to_string()))
}

/// Who is at the other end of the connection.
pub(super) fn ada() -> UserId {
    UserId::new("ada").expect("a user id")
}

/// Somebody else.
fn writer() -> UserId {
    UserId::new("writer").expect("a user id")
}

/// What a future comes to that waits for nothing, as those of a store in memory.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("a store in memory answers at once")
}

fn hello(house: &House, script: &mut Script<'_>) -> ClientFrame {
    let user = (!script.byte().is_multiple_of(8)).then(ada);
    ClientFrame::Hello(Hello {
        token: None,
        user,
        client_id: ClientId::from_bytes([7; 16]),
        waits: Seq::FIRST,
        features: Vec::new(),
        resume: rooms(house, script),
    })
}

fn rooms(house: &House, script: &mut Script<'_>) -> Vec<ResumeRoom> {
    let count = script.byte() % 5;
    let mut rooms = Vec::new();
    for _ in 0..count {
        let room = room(script);
        let position = house.position(&room, script.byte());
        // Who comes back to many rooms wants the newest of each alone.
        let last = (count == 4).then_some(2);
        rooms.push(ResumeRoom { room, position, last });
    }
    rooms
}

/// A publish, so many seqs further on, of one of several kinds.
fn publish(seq: &mut u64, (step, kind): (u8, u8), room: RoomId, draft: Draft) -> ClientFrame {
    *seq = (*seq + u64::from(step % 4)).max(1);
    let (waits, client_id) = match kind % 8 {
        0 => (*seq + 1, None),
        1 | 2 => (*seq, None),
        3 => (1, Some(ClientId::from_bytes([8; 16]))),
        _ => (1, None),
    };
    ClientFrame::Publish(PublishFrame {
        seq: Seq::new(*seq).expect("far below the largest"),
        nonce: Nonce(5),
        waits: Seq::new(waits).expect("far below the largest"),
        room,
        draft,
        client_id,
    })
}

fn room(script: &mut Script<'_>) -> RoomId {
    let name = ROOMS[usize::from(script.byte()) % ROOMS.len()];
    RoomId::new(name).expect("a room id")
}

/// One of them the vectors speak of, three are nobody's choice: one that there never is, that of the two users, and that in
/// which admins speak.
const ROOMS: [&str; 7] =
    ["lobby", "side", "quiet", "a.b_c-9", "@system", "@cb01dd47a43457f1149823a9deb09bea", "@announcements"];

/// The event of which somebody says so to the moderators.
const REPORTED: u8 = 255;

/// Spans around those at which something happens: the time for a hello, a heartbeat, three of them.
const WAITS: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_millis(9_999),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
    Duration::from_secs(60),
];

/// Longest script that is played, in steps. Source: chosen; a run takes well under a millisecond for each.
const STEPS_MAX: u64 = 600;
