//! Deciding one publish after another, and collecting the commit that they make.

use std::collections::BTreeMap;
use std::sync::Arc;

use anchor_core::chain::Link;
use anchor_core::error::BoxError;
use anchor_core::id::{RoomId, Seq, UserId};
use anchor_core::position::{Epoch, Mark};
use anchor_core::publish::{Ack, Durability, Outcome, Publish, Source, Verdict};
use anchor_core::room::rules::{self, Asked};
use anchor_core::sabotage::{self, Sabotage};
use anchor_core::user::{TooManyBlocked, UserChange, UserRow};
use anchor_core::window::{Decision, Entry, Verdict as Known};

use super::facts::AtPublish;
use super::growing::Growing;
use super::{Writer, client};
use crate::hash::{Map, Seed};
use crate::journal::{Changed, Commit, Ended, Recorded, RecordedOutcome, Trimmed};
use crate::reader::Reach;
use crate::sessions::Standing;
use crate::shared::Shared;
use crate::visible::Tip;

/// The commit that a step is making.
pub(super) struct Deciding<'a> {
    pub(super) shared: &'a Shared,
    unix_ms: u64,
    step: u64,
    rooms: Vec<Growing>,
    /// The newest of each id.
    room_indexes: Map<RoomId, usize>,
    /// Users' rows that it changes.
    users: BTreeMap<UserId, Arc<UserRow>>,
    commit: Commit,
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
        if let Some(Source { room, epoch }) = publish.derived_from()
            && deciding.epoch_of(room)? != Some(*epoch)
        {
            return Ok(Outcome::Fenced);
        }
        let fingerprint = publish.fingerprint();
        let Publish { client: key, session, seq, nonce, waits, room, draft, verdict, grounds } = publish;
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
                    let index = deciding.look_up(&room)?;
                    let grounds = grounds.as_deref();
                    let asked = Asked {
                        room: &room,
                        exists: index.is_some(),
                        missing,
                        offset: index.map_or(Mark::START.offset, |index| deciding.rooms[index].head()).next(),
                        user: &key.user,
                        admin: grounds.is_some_and(|grounds| grounds.admin),
                        derived: grounds.is_some_and(|grounds| grounds.derived.is_some()),
                        draft: &draft,
                        target: grounds.and_then(|grounds| grounds.target.as_ref()),
                    };
                    match rules::decide(&asked, &mut AtPublish { deciding, room: &room, index })? {
                        Err(refusal) => Err(refusal),
                        Ok(effect) => {
                            let salt = self.random.draw(deciding.shared);
                            let index = index.unwrap_or_else(|| {
                                let epoch = Epoch::from_bytes(self.random.draw(deciding.shared));
                                deciding.begin(&room, epoch)
                            });
                            let growing = &mut deciding.rooms[index];
                            let link = Link {
                                kind: draft.kind,
                                user: &key.user,
                                client: client.tag,
                                seq,
                                nonce,
                                ts: growing.ts,
                                target: draft.target,
                            };
                            let body = rules::appended(&draft, grounds, effect.as_deref());
                            let mark = growing.push(&link, body, &salt);
                            if let Some(effect) = effect {
                                growing.apply(*effect);
                            }
                            Ok((index, mark))
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
        let (users, commit) = Default::default();
        Self { shared, unix_ms, step, rooms, room_indexes, users, commit }
    }

    pub(super) fn trim(&mut self, trimmed: Option<Trimmed>) {
        self.commit.trims.extend(trimmed);
    }

    /// The commit, with every room's runs together.
    pub(super) fn finish(mut self) -> Result<Commit, BoxError> {
        let commit = &mut self.commit;
        let mut first_runs = Vec::with_capacity(self.rooms.len());
        commit.runs.reserve(self.rooms.len());
        for growing in &mut self.rooms {
            if growing.is_ended {
                first_runs.push(Place::Ended(commit.ended.len()));
                commit.ended.push(Ended { room: growing.room.clone(), epoch: growing.epoch });
                continue;
            }
            let run = commit.runs.len();
            first_runs.push(Place::Run(run));
            let changes = growing.finish(&mut commit.runs)?;
            if !changes.is_empty() {
                commit.changes.push(Changed { run, changes });
            }
        }
        for recorded in &mut commit.outcomes {
            if let RecordedOutcome::Appended { run, .. } = &mut recorded.outcome {
                *run = match first_runs[*run] {
                    Place::Run(run) => run,
                    Place::Ended(at) => commit.runs.len() + at,
                };
            }
        }
        // They were measured against the rooms that are no more.
        if !commit.ended.is_empty() {
            commit.trims.retain(|trim| commit.ended.iter().all(|ended| ended.room != trim.room));
        }
        commit.users.extend(self.users);
        Ok(self.commit)
    }

    /// The index of a room that there is, to be looked at or to grow.
    fn look_up(&mut self, room: &RoomId) -> Result<Option<usize>, BoxError> {
        if let Some(index) = self.room_indexes.get(room) {
            return Ok(Some(*index).filter(|index| !self.rooms[*index].is_ended));
        }
        let tip = self.shared.tip(room, Reach::Disk)?;
        Ok(tip.map(|tip| self.add(room, tip)))
    }

    /// The newest epoch of a room, if there is one.
    fn epoch_of(&self, room: &RoomId) -> Result<Option<Epoch>, BoxError> {
        match self.room(room) {
            Some(growing) => Ok((!growing.is_ended).then_some(growing.epoch)),
            None => Ok(self.shared.tip(room, Reach::Disk)?.map(|tip| tip.epoch)),
        }
    }

    /// The index of a room that comes into being with its next event.
    fn begin(&mut self, room: &RoomId, epoch: Epoch) -> usize {
        self.add(room, Tip { epoch, head: Mark::START, ts: 0, info: None })
    }

    fn add(&mut self, room: &RoomId, tip: Tip) -> usize {
        let index = self.rooms.len();
        self.rooms.push(Growing::new(room.clone(), tip, self.unix_ms));
        self.room_indexes.insert(room.clone(), index);
        index
    }

    pub(super) fn room_at(&self, index: usize) -> &Growing {
        &self.rooms[index]
    }

    /// The newest room of that id that this commit has looked at.
    pub(super) fn room(&self, room: &RoomId) -> Option<&Growing> {
        self.room_indexes.get(room).map(|index| &self.rooms[*index])
    }

    /// Rooms that this commit has looked at.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &Growing> {
        self.rooms.iter()
    }

    /// What is kept of a user.
    pub(super) fn user(&self, user: &UserId) -> Result<Arc<UserRow>, BoxError> {
        match self.users.get(user) {
            Some(row) => Ok(Arc::clone(row)),
            None => self.shared.user(user, Reach::Disk),
        }
    }

    /// Changes what is kept of a user; says what it is then.
    pub(super) fn change_user(
        &mut self,
        user: UserId,
        change: UserChange,
    ) -> Result<Result<UserRow, TooManyBlocked>, BoxError> {
        let before = self.user(&user)?;
        let mut row = UserRow::clone(&before);
        if let Err(refused) = row.apply(change) {
            return Ok(Err(refused));
        }
        if row != *before {
            self.users.insert(user, Arc::new(row.clone()));
        }
        Ok(Ok(row))
    }
}

/// Where the outcomes of a room find its id and epoch.
#[derive(Clone, Copy)]
enum Place {
    Run(usize),
    Ended(usize),
}

fn answer(seq: Seq, decision: Decision, duplicate: bool) -> Outcome {
    match decision {
        Decision::Appended { room, epoch, mark, ts } => {
            Outcome::Acked(Ack { seq, room, epoch, mark, ts, duplicate, durability: Durability::Disk })
        }
        Decision::Refused(refusal) => Outcome::Refused(refusal),
    }
}
