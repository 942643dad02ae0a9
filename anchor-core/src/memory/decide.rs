//! What becomes of a publish: the order of [`crate::store::Store::append`], one after another, for one publish.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::log::{Log, push_joined};
use crate::chain::Link;
use crate::environment::Environment;
use crate::error::BoxError;
use crate::id::{ClientKey, RoomId, Seq, SessionNumber, UserId};
use crate::limits::SHARED_ROOMS_MAX;
use crate::position::{Epoch, Offset};
use crate::publish::{Ack, Durability, MissingRoom, Outcome, Publish, Source, Verdict};
use crate::record::{RecordKey, RecordWrite, Written};
use crate::room::rules::{self, Asked, Facts};
use crate::room::{Amendment, Member, RoomInfo, RoomKind, UserSigns};
use crate::run::Run;
use crate::sabotage::{self, Sabotage};
use crate::store::ClientState;
use crate::user::{Contact, UserRow};
use crate::window::{Decision, Entry, Verdict as Known, Window};

/// What a durable store would keep: logs and windows.
#[derive(Clone, Default)]
pub(super) struct Data {
    pub(super) logs: BTreeMap<RoomId, Log>,
    pub(super) windows: BTreeMap<ClientKey, Window>,
    pub(super) users: BTreeMap<UserId, UserRow>,
    /// The newest epochs of rooms that were deleted and have not come into being again.
    pub(super) deleted: BTreeMap<RoomId, Epoch>,
    pub(super) records: BTreeMap<RecordKey, Vec<u8>>,
}

/// What ends with the process: who may hand over.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<ClientKey, Session>);

#[derive(Clone, Copy, Default)]
struct Session {
    newest: SessionNumber,
    /// The session that met a full window, and from which nothing more is taken.
    full: Option<SessionNumber>,
}

/// What a batch adds.
#[derive(Default)]
pub(super) struct Added {
    /// The runs, by room.
    pub(super) runs: BTreeMap<RoomId, Vec<Run>>,
    /// Rooms that were deleted before those runs.
    pub(super) deleted: Vec<RoomId>,
}

impl Data {
    /// Decides `publish`, and adds to `added` what that appended.
    pub(super) fn decide(
        &mut self,
        publish: &Publish,
        sessions: &mut Sessions,
        env: &dyn Environment,
        added: &mut Added,
    ) -> Outcome {
        if let Some(number) = publish.session {
            let session = sessions.0.entry(publish.client.clone()).or_default();
            if number < session.newest {
                return Outcome::Fenced;
            }
            if session.full == Some(number) {
                return Outcome::WindowFull;
            }
        }
        if let Some(Source { room, epoch }) = publish.derived_from()
            && self.logs.get(room).is_none_or(|log| log.state().epoch() != *epoch)
        {
            return Outcome::Fenced;
        }
        let window = self.windows.entry(publish.client.clone()).or_default();
        window.raise_floor(publish.waits);
        let fingerprint = publish.fingerprint();
        let known = window.look_up(publish.seq, fingerprint);
        match known {
            Known::Repeat(decision) => answer(publish.seq, decision, true),
            Known::Refused(refusal) => Outcome::Refused(refusal),
            Known::Full => {
                if publish.session.is_some() {
                    sessions.0.entry(publish.client.clone()).or_default().full = publish.session;
                }
                Outcome::WindowFull
            }
            Known::Fresh => {
                let decision = match &publish.verdict {
                    Verdict::Append { room } => self.append(publish, *room, env, added),
                    Verdict::Refuse(refusal) => Decision::Refused(refusal.clone()),
                };
                let entry = Entry { seq: publish.seq, fingerprint, decision: decision.clone() };
                self.windows.entry(publish.client.clone()).or_default().record(entry);
                answer(publish.seq, decision, false)
            }
        }
    }

    /// Raises the session number and the floor of `client`.
    pub(super) fn open_client(
        &mut self,
        client: &ClientKey,
        waits: Seq,
        sessions: &mut Sessions,
    ) -> ClientState {
        let session = sessions.0.entry(client.clone()).or_default();
        session.newest = SessionNumber(session.newest.0 + 1);
        let window = self.windows.entry(client.clone()).or_default();
        window.raise_floor(waits);
        ClientState { session: session.newest, highest: window.highest() }
    }

    /// Writes records, if the guard allows it.
    pub(super) fn write_records(&mut self, write: RecordWrite) -> Written {
        if let Some((key, value)) = &write.guard
            && self.records.get(key) != value.as_ref()
            && !sabotage::is(Sabotage::GuardIgnored)
        {
            return Written::GuardFailed;
        }
        for (key, value) in write.puts {
            match value {
                Some(value) => self.records.insert(key, value),
                None => self.records.remove(&key),
            };
        }
        Written::Done
    }

    fn append(
        &mut self,
        publish: &Publish,
        missing: MissingRoom,
        env: &dyn Environment,
        added: &mut Added,
    ) -> Decision {
        let room = &publish.room;
        let effect = match self.ask_rules(publish, missing) {
            Ok(effect) => effect,
            Err(refusal) => return Decision::Refused(refusal),
        };
        self.deleted.remove(room);
        let log = self
            .logs
            .entry(room.clone())
            .or_insert_with_key(|room| Log::new(room.clone(), random_epoch(env)));
        let ts = log.next_ts(env.unix_ms());
        let link = Link {
            kind: publish.draft.kind,
            user: &publish.client.user,
            client: publish.client.tag(),
            seq: publish.seq,
            nonce: publish.nonce,
            ts,
            target: publish.draft.target,
        };
        let body = rules::appended(&publish.draft, publish.grounds.as_deref(), effect.as_deref());
        let mut salt = [0; 16];
        env.fill_random(&mut salt);
        let run = log.append(&link, body, &salt);
        let deletes = effect.as_ref().is_some_and(|effect| effect.deletes);
        if let Some(effect) = effect {
            log.change(*effect);
        }
        if deletes {
            self.logs.remove(room);
            self.deleted.insert(room.clone(), run.epoch());
            added.runs.remove(room);
            added.deleted.push(room.clone());
        } else {
            push_joined(added.runs.entry(room.clone()).or_default(), &run);
        }
        Decision::Appended { room: room.clone(), epoch: run.epoch(), mark: run.tip(), ts }
    }

    fn ask_rules(&self, publish: &Publish, missing: MissingRoom) -> rules::Decision {
        let head = self.logs.get(&publish.room).map(Log::head);
        let grounds = publish.grounds.as_deref();
        let asked = Asked {
            room: &publish.room,
            exists: head.is_some(),
            missing,
            offset: head.unwrap_or_default().next(),
            user: &publish.client.user,
            admin: grounds.is_some_and(|grounds| grounds.admin),
            derived: grounds.is_some_and(|grounds| grounds.derived.is_some()),
            draft: &publish.draft,
            target: grounds.and_then(|grounds| grounds.target.as_ref()),
        };
        rules::decide(&asked, &mut InMemory(self)).expect("what is in memory can be read")
    }
}

/// What the rules ask, answered from memory.
struct InMemory<'a>(&'a Data);

impl Facts for InMemory<'_> {
    fn info(&mut self, room: &RoomId) -> Result<Option<Arc<RoomInfo>>, BoxError> {
        Ok(self.0.logs.get(room).and_then(|log| log.info.clone()))
    }

    fn was_deleted(&mut self, room: &RoomId) -> Result<bool, BoxError> {
        Ok(self.0.deleted.contains_key(room))
    }

    fn member(&mut self, room: &RoomId, user: &UserId) -> Result<Option<Member>, BoxError> {
        Ok(self.0.logs.get(room).and_then(|log| log.members.get(user).copied()))
    }

    fn contact(&mut self, user: &UserId) -> Result<Contact, BoxError> {
        Ok(self.0.users.get(user).map(|row| row.contact.clone()).unwrap_or_default())
    }

    fn share_a_room(&mut self, one: &UserId, other: &UserId) -> Result<bool, BoxError> {
        let has_joined =
            |log: &Log, user| log.members.get(user).is_some_and(|member| member.joined().is_some());
        let is_direct = |log: &Log| log.info.as_ref().is_some_and(|info| info.kind == RoomKind::Direct);
        let is_listed = |member: &Member| member.membership.is_listed();
        let of_one = self.0.logs.values().filter(|log| log.members.get(one).is_some_and(is_listed));
        Ok(of_one
            .take(SHARED_ROOMS_MAX)
            .any(|log| !is_direct(log) && has_joined(log, one) && has_joined(log, other)))
    }

    fn edits(&mut self, room: &RoomId, target: Offset) -> Result<Vec<Amendment>, BoxError> {
        let Some(log) = self.0.logs.get(room) else { return Ok(Vec::new()) };
        Ok(log.amendments((target, target))?)
    }

    fn signs(&mut self, room: &RoomId, target: Offset, user: &UserId) -> Result<UserSigns, BoxError> {
        Ok(self.0.logs.get(room).map(|log| log.signs(target, user)).unwrap_or_default())
    }

    fn epoch_at(&mut self, room: &RoomId, offset: Offset) -> Result<Option<Epoch>, BoxError> {
        let state = self.0.logs.get(room).map(Log::state);
        Ok(state
            .filter(|state| (state.horizon..=state.head.offset).contains(&offset))
            .map(|state| state.epoch_at(offset)))
    }
}

/// A new epoch.
pub(super) fn random_epoch(env: &dyn Environment) -> Epoch {
    let mut epoch = [0; 8];
    env.fill_random(&mut epoch);
    Epoch::from_bytes(epoch)
}

fn answer(seq: Seq, decision: Decision, duplicate: bool) -> Outcome {
    match decision {
        Decision::Appended { room, epoch, mark, ts } => {
            Outcome::Acked(Ack { seq, room, epoch, mark, ts, duplicate, durability: Durability::Memory })
        }
        Decision::Refused(refusal) => Outcome::Refused(refusal),
    }
}
