//! The model: a list for each room, a map for each client, and the rules of an append one after another.
//!
//! It shares no code with the windows and logs of stores, so that they cannot be wrong together.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::event::{Draft, EventKind};
use crate::id::{ClientKey, Nonce, RoomId, Seq, SessionNumber};
use crate::limits::WINDOW;
use crate::position::Offset;
use crate::publish::{Ack, Durability, MissingRoom, Outcome, Publish, Verdict};
use crate::store::ClientState;

/// What a store should know.
#[derive(Default)]
pub(super) struct Expected {
    logs: BTreeMap<RoomId, Log>,
    clients: BTreeMap<ClientKey, Client>,
}

/// What a room should hold.
pub(super) struct Log {
    pub(super) appended: Vec<(Publish, Ack)>,
    pub(super) horizon: Offset,
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
            log.horizon = log.horizon.max(horizon).min(Offset(log.appended.len() as u64 + 1));
        }
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = &RoomId> {
        self.logs.keys()
    }

    /// The log of a room that has events.
    pub(super) fn log(&self, room: &RoomId) -> &Log {
        &self.logs[room]
    }

    /// Asserts that `actual` is what a publish comes to that is decided for the first time.
    fn check_fresh(&mut self, publish: &Publish, actual: Outcome, now: u64, durability: Durability) {
        match &publish.verdict {
            Verdict::Refuse(refusal) => {
                assert_eq!(actual, Outcome::Refused(refusal.clone()), "{publish:?}");
                return;
            }
            Verdict::Append { room: MissingRoom::Refuse } if !self.logs.contains_key(&publish.room) => {
                assert_eq!(refused(&actual), Some(Code::RoomUnknown), "{publish:?}");
                return;
            }
            Verdict::Append { .. } => {}
        }
        let log = self
            .logs
            .entry(publish.room.clone())
            .or_insert_with(|| Log { appended: Vec::new(), horizon: Offset(1) });
        let Outcome::Acked(ack) = actual else { panic!("{publish:?} was not appended: {actual:?}") };
        let newest = log.appended.last().map(|(_, ack)| ack);
        let (offset, ordinal, ts) =
            newest.map_or((0, 0, 0), |ack| (ack.mark.offset.0, ack.mark.ordinal.0, ack.ts));
        assert_eq!((ack.seq, &ack.room), (publish.seq, &publish.room), "an ack names its publish");
        assert_eq!(ack.mark.offset.0, offset + 1, "offsets are dense in {}", ack.room);
        let counted = u64::from(publish.draft.kind == EventKind::MESSAGE);
        assert_eq!(ack.mark.ordinal.0, ordinal + counted, "ordinals count messages in {}", ack.room);
        assert_eq!(ack.ts, ts.max(now), "the clock's time, or the newest of the room");
        assert_eq!((ack.duplicate, ack.durability), (false, durability));
        assert!(newest.is_none_or(|newest| newest.epoch == ack.epoch), "an epoch ends with a restore only");
        log.appended.push((publish.clone(), ack));
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
