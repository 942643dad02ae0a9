//! The model: a list for each room, a map for each client, and the rules of an append one after another.
//!
//! It shares no code with the windows and logs of stores, so that they cannot be wrong together; who may do what is asked
//! of the same rules.

use std::collections::{BTreeMap, BTreeSet};

use super::facts;
use super::log::Log;
use crate::code::Code;
use crate::cursor::CursorMove;
use crate::event::{Draft, EventKind};
use crate::id::{ClientKey, Nonce, RoomId, Seq, SessionNumber, UserId};
use crate::limits::WINDOW;
use crate::position::{Epoch, Offset};
use crate::publish::{Ack, Durability, Outcome, Publish, Verdict};
use crate::record::{RecordKey, RecordWrite, Written};
use crate::store::ClientState;
use crate::user::{UserChange, UserRow};

/// What a store should know.
#[derive(Default)]
pub(super) struct Expected {
    logs: BTreeMap<RoomId, Log>,
    clients: BTreeMap<ClientKey, Client>,
    users: BTreeMap<UserId, UserRow>,
    /// Every epoch that each room ever had, and whether the room is gone.
    epochs: BTreeMap<RoomId, BTreeSet<Epoch>>,
    deleted: BTreeMap<RoomId, Epoch>,
    records: BTreeMap<RecordKey, Vec<u8>>,
}

#[derive(Default)]
struct Client {
    session: SessionNumber,
    full: Option<SessionNumber>,
    floor: Seq,
    decided: BTreeMap<Seq, (RoomId, Draft, Nonce, Outcome)>,
}

impl Expected {
    /// Asserts that `actual` is what becomes of `publish` at the Unix time `now`.
    pub(super) fn check_outcome(
        &mut self,
        publish: &Publish,
        actual: Outcome,
        now: u64,
        durability: Durability,
    ) {
        let client = self.clients.entry(publish.client.clone()).or_default();
        if publish.session.is_some_and(|number| number < client.session) {
            assert_eq!(actual, Outcome::Fenced, "{publish:?}");
            return;
        }
        if publish.session.is_some() && publish.session == client.full {
            assert_eq!(actual, Outcome::WindowFull, "{publish:?}");
            return;
        }
        client.floor = client.floor.max(publish.waits);
        let highest = client.decided.keys().next_back().copied().unwrap_or_default();
        if publish.seq < client.floor {
            assert_eq!(refused(&actual), Some(Code::SeqForgotten), "{publish:?}");
        } else if let Some((room, draft, nonce, first)) = client.decided.get(&publish.seq) {
            if (room, draft, nonce) == (&publish.room, &publish.draft, &publish.nonce) {
                assert_eq!(actual, repeated(first), "{publish:?}");
            } else {
                assert_eq!(
                    refused(&actual),
                    Some(Code::SeqConflict),
                    "{publish:?} came to {actual:?}, first {first:?}"
                );
            }
        } else if publish.seq < highest {
            assert_eq!(refused(&actual), Some(Code::SeqSkipped), "{publish:?}");
        } else if client.decided.range(client.floor..).count() >= WINDOW {
            assert_eq!(actual, Outcome::WindowFull, "{publish:?}");
            client.full = publish.session.or(client.full);
        } else {
            let content = (publish.room.clone(), publish.draft.clone(), publish.nonce, actual.clone());
            client.decided.insert(publish.seq, content);
            self.check_fresh(publish, actual, now, durability);
        }
    }

    /// Asserts that a session of `client` opened as `state` says.
    pub(super) fn check_opened(&mut self, client: &ClientKey, waits: Seq, state: ClientState) {
        let client = self.clients.entry(client.clone()).or_default();
        assert!(state.session > client.session, "a session number rises");
        let highest = client.decided.keys().next_back().copied().unwrap_or_default();
        assert_eq!(state.highest, highest, "the highest seq that was decided");
        client.session = state.session;
        client.floor = client.floor.max(waits);
    }

    /// The store was opened anew.
    pub(super) fn forget_sessions(&mut self) {
        for client in self.clients.values_mut() {
            client.session = SessionNumber::default();
            client.full = None;
        }
    }

    pub(super) fn trim(&mut self, room: &RoomId, horizon: Offset) {
        if let Some(log) = self.logs.get_mut(room) {
            log.trim(horizon);
        }
    }

    /// A user changes; returns what the store should say.
    pub(super) fn change_user(&mut self, user: &UserId, change: UserChange) -> UserRow {
        let row = self.users.entry(user.clone()).or_default();
        row.apply(change).expect("a test blocks few users");
        row.clone()
    }

    /// Cursors move, if the log is the one that is meant and goes so far.
    pub(super) fn move_cursors(&mut self, CursorMove { room, epoch, user, to }: CursorMove) {
        if let Some(log) = self.logs.get_mut(&room)
            && log.newest().is_some_and(|newest| newest.epoch == epoch)
        {
            log.move_cursors(user, to);
        }
    }

    /// Records change; returns what the store should say.
    pub(super) fn write_records(&mut self, RecordWrite { guard, puts }: RecordWrite) -> Written {
        if guard.is_some_and(|(key, value)| self.records.get(&key) != value.as_ref()) {
            return Written::GuardFailed;
        }
        for (key, value) in puts {
            self.records.remove(&key);
            self.records.extend(value.map(|value| (key, value)));
        }
        Written::Done
    }

    pub(super) fn record(&self, key: &RecordKey) -> Option<&Vec<u8>> {
        self.records.get(key)
    }

    /// All records, in rising order of their keys.
    pub(super) fn records(&self) -> impl Iterator<Item = (&RecordKey, &Vec<u8>)> {
        self.records.iter()
    }

    /// True if the window of `client` should know an answer to `seq`.
    pub(super) fn is_decided(&self, client: &ClientKey, seq: Seq) -> bool {
        let Some(client) = self.clients.get(client) else { return false };
        seq < client.floor || client.decided.keys().next_back().is_some_and(|highest| seq <= *highest)
    }

    /// The rooms that have events, with their logs, in rising order.
    pub(super) fn logs(&self) -> impl Iterator<Item = (&RoomId, &Log)> {
        self.logs.iter()
    }

    pub(super) fn log(&self, room: &RoomId) -> Option<&Log> {
        self.logs.get(room)
    }

    /// The last epoch of a room that was deleted and did not come into being again.
    pub(super) fn deleted(&self, room: &RoomId) -> Option<Epoch> {
        self.deleted.get(room).copied()
    }

    pub(super) fn user(&self, user: &UserId) -> UserRow {
        self.users.get(user).cloned().unwrap_or_default()
    }

    /// Asserts that `actual` is what a publish comes to that is decided for the first time.
    fn check_fresh(&mut self, publish: &Publish, actual: Outcome, now: u64, durability: Durability) {
        let missing = match &publish.verdict {
            Verdict::Append { room } => *room,
            Verdict::Refuse(refusal) => {
                assert_eq!(actual, Outcome::Refused(refusal.clone()), "{publish:?}");
                return;
            }
        };
        let effect = match facts::decide(self, publish, missing) {
            Ok(effect) => effect.map(|effect| *effect).unwrap_or_default(),
            Err(refusal) => {
                assert_eq!(actual, Outcome::Refused(refusal), "{publish:?}");
                return;
            }
        };
        let Outcome::Acked(ack) = actual else { panic!("{publish:?} was not appended: {actual:?}") };
        let room = publish.room.clone();
        let log = self.logs.entry(room.clone()).or_insert_with(Log::new);
        let newest = log.newest();
        let (offset, ordinal, ts) =
            newest.map_or((0, 0, 0), |ack| (ack.mark.offset.0, ack.mark.ordinal.0, ack.ts));
        assert_eq!((ack.seq, &ack.room), (publish.seq, &room), "an ack names its publish");
        assert_eq!(ack.mark.offset.0, offset + 1, "offsets are dense in {room}");
        let counted = u64::from(publish.draft.kind == EventKind::MESSAGE);
        assert_eq!(ack.mark.ordinal.0, ordinal + counted, "ordinals count messages in {room}");
        assert_eq!(ack.ts, ts.max(now), "the clock's time, or the newest of the room");
        assert_eq!((ack.duplicate, ack.durability), (false, durability));
        assert!(newest.is_none_or(|newest| newest.epoch == ack.epoch), "an epoch ends with a restore only");
        let is_new = self.epochs.entry(room.clone()).or_default().insert(ack.epoch);
        assert_eq!(is_new, newest.is_none(), "a room that comes into being has an epoch of its own");
        if effect.deletes {
            self.logs.remove(&room);
            self.deleted.insert(room, ack.epoch);
        } else {
            log.append(publish.clone(), ack, effect);
            self.deleted.remove(&room);
        }
    }
}

fn refused(outcome: &Outcome) -> Option<Code> {
    match outcome {
        Outcome::Refused(refusal) => Some(refusal.code),
        _ => None,
    }
}

/// The answer to a publish whose first answer was `first`.
fn repeated(first: &Outcome) -> Outcome {
    match first {
        Outcome::Acked(ack) => Outcome::Acked(Ack { duplicate: true, ..ack.clone() }),
        other => other.clone(),
    }
}
