//! Deciding one publish after another, and collecting the commit that they make.

use std::sync::Arc;

use anchor_core::chain::Link;
use anchor_core::code::Code;
use anchor_core::error::BoxError;
use anchor_core::event::Draft;
use anchor_core::id::{RoomId, Seq};
use anchor_core::position::Epoch;
use anchor_core::publish::{Ack, Durability, MissingRoom, Outcome, Publish, Refusal, Verdict};
use anchor_core::run::RunBuilder;
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::window::{Decision, Entry, Verdict as Known};

use super::{Writer, client};
use crate::hash::{Map, Seed};
use crate::journal::{Commit, Recorded, RecordedOutcome, SIDE_BYTES, Stored, Trimmed};
use crate::reader::Reach;
use crate::sessions::Standing;
use crate::shared::Shared;
use crate::visible::Tip;

/// The commit that a step is making.
pub(super) struct Deciding<'a> {
    shared: &'a Shared,
    unix_ms: u64,
    step: u64,
    rooms: Vec<Growing>,
    room_indexes: Map<RoomId, usize>,
    commit: Commit,
}

/// A room to which the commit adds events.
struct Growing {
    room: RoomId,
    epoch: Epoch,
    ts: u64,
    builder: RunBuilder,
    sides: Vec<u8>,
    full: Vec<Stored>,
}

impl Writer {
    /// Decides `publish`, following the order of [`anchor_core::store::Store::append`].
    pub(super) fn decide(
        &mut self,
        publish: Publish,
        deciding: &mut Deciding<'_>,
    ) -> Result<Outcome, BoxError> {
        if let Some(number) = publish.session {
            match self.sessions.standing(&publish.client, number) {
                Standing::Open => {}
                Standing::Fenced | Standing::Forgotten => return Ok(Outcome::Fenced),
                Standing::Full => return Ok(Outcome::WindowFull),
            }
        }
        let fingerprint = publish.fingerprint();
        let Publish { client: key, session, seq, nonce, waits, room, draft, verdict, .. } = publish;
        let client = client(&mut self.clients, deciding.shared, &key)?;
        if waits > client.window.floor() || sabotage::is(Sabotage::FloorFalls) {
            Arc::make_mut(&mut client.window).raise_floor(waits);
            self.cut.touch(&key, client);
        }
        let decision = match client.window.look_up(seq, fingerprint) {
            Known::Repeat(decision) => return Ok(answer(seq, decision, true)),
            Known::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
            Known::Full => {
                if let Some(number) = session {
                    self.sessions.fill(&key, number);
                }
                return Ok(Outcome::WindowFull);
            }
            Known::Fresh => match verdict {
                Verdict::Refuse(refusal) => Err(refusal),
                Verdict::Append { room: missing } => {
                    let salt = self.random.draw(deciding.shared);
                    let new_epoch = || Epoch::from_bytes(self.random.draw(deciding.shared));
                    match deciding.growing(&room, missing, new_epoch)? {
                        None => Err(Refusal::new(Code::RoomUnknown, "there is no such room")),
                        Some(index) => {
                            let link = Link {
                                kind: draft.kind,
                                user: &key.user,
                                client: client.tag,
                                seq,
                                nonce,
                                ts: deciding.rooms[index].ts,
                                target: draft.target,
                            };
                            Ok((index, deciding.rooms[index].push(&link, &draft, &salt)))
                        }
                    }
                }
            },
        };
        let (recorded, decision) = match decision {
            Err(refusal) => (RecordedOutcome::Refused(refusal.clone()), Decision::Refused(refusal)),
            Ok((index, mark)) => {
                let Growing { epoch, ts, .. } = deciding.rooms[index];
                let appended = RecordedOutcome::Appended { run: index, mark, ts };
                (appended, Decision::Appended { room, epoch, mark, ts })
            }
        };
        if client.step != deciding.step {
            client.step = deciding.step;
            client.index = deciding.commit.clients.len();
            deciding.commit.clients.push((key.clone(), Seq::ZERO));
        }
        let entry = Entry { seq, fingerprint, decision: decision.clone() };
        Arc::make_mut(&mut client.window).record(entry);
        deciding.commit.clients[client.index].1 = client.window.floor();
        deciding.commit.outcomes.push(Recorded { client: client.index, seq, fingerprint, outcome: recorded });
        self.cut.touch(&key, client);
        Ok(answer(seq, decision, false))
    }
}

impl<'a> Deciding<'a> {
    /// A commit of about `count` requests.
    pub(super) fn new(shared: &'a Shared, unix_ms: u64, step: u64, count: usize, seed: Seed) -> Self {
        let rooms = Vec::with_capacity(count);
        let room_indexes = Map::with_capacity_and_hasher(count, seed);
        Self { shared, unix_ms, step, rooms, room_indexes, commit: Commit::default() }
    }

    pub(super) fn trim(&mut self, trimmed: Option<Trimmed>) {
        self.commit.trims.extend(trimmed);
    }

    /// The commit, with every room's runs together.
    pub(super) fn finish(mut self) -> Commit {
        let mut first_runs = Vec::with_capacity(self.rooms.len());
        for mut growing in self.rooms {
            growing.close();
            first_runs.push(self.commit.runs.len());
            self.commit.runs.append(&mut growing.full);
        }
        for recorded in &mut self.commit.outcomes {
            if let RecordedOutcome::Appended { run, .. } = &mut recorded.outcome {
                *run = first_runs[*run];
            }
        }
        self.commit
    }

    /// The index of a room that grows; `None` if there is no such room and none is to be made.
    fn growing(
        &mut self,
        room: &RoomId,
        missing: MissingRoom,
        new_epoch: impl FnOnce() -> Epoch,
    ) -> Result<Option<usize>, BoxError> {
        if let Some(index) = self.room_indexes.get(room) {
            return Ok(Some(*index));
        }
        let tip = match (self.shared.tip(room, Reach::Disk)?, missing) {
            (Some(tip), _) => tip,
            (None, MissingRoom::Refuse) => return Ok(None),
            (None, MissingRoom::Create) => {
                Tip { epoch: new_epoch(), head: anchor_core::position::Mark::START, ts: 0 }
            }
        };
        let index = self.rooms.len();
        self.rooms.push(Growing {
            room: room.clone(),
            epoch: tip.epoch,
            ts: tip.ts.max(self.unix_ms),
            builder: RunBuilder::new(room.clone(), tip.epoch, tip.head),
            sides: Vec::new(),
            full: Vec::new(),
        });
        self.room_indexes.insert(room.clone(), index);
        Ok(Some(index))
    }
}

impl Growing {
    fn push(
        &mut self,
        link: &Link<'_>,
        draft: &Draft,
        salt: &[u8; SIDE_BYTES],
    ) -> anchor_core::position::Mark {
        let content_type = draft.body.content_type().map_or(0, str::len);
        let bytes = EVENT_BYTES + link.user.as_str().len() + content_type + draft.body.bytes().len();
        if self.builder.is_full_for(bytes) {
            self.close();
        }
        self.sides.extend_from_slice(salt);
        self.builder.push(link, &draft.body, salt)
    }

    /// Closes the run that grows, if it has an event.
    fn close(&mut self) {
        let next = RunBuilder::new(self.room.clone(), self.epoch, self.builder.tip());
        if let Some(run) = std::mem::replace(&mut self.builder, next).finish() {
            let sides = std::mem::take(&mut self.sides).into();
            self.full.push(Stored { run, ts: self.ts, sides });
        }
    }
}

fn answer(seq: Seq, decision: Decision, duplicate: bool) -> Outcome {
    match decision {
        Decision::Appended { room, epoch, mark, ts } => {
            Outcome::Acked(Ack { seq, room, epoch, mark, ts, duplicate, durability: Durability::Disk })
        }
        Decision::Refused(refusal) => Outcome::Refused(refusal),
    }
}

/// The largest encoding of an event without user, content type and body. Source: twelve MessagePack fields at their
/// widest.
const EVENT_BYTES: usize = 96;
