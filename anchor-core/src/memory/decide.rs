//! What becomes of a publish: the rules of [`crate::store::Store::append`], one after another, for one publish.

use std::collections::BTreeMap;

use super::log::{Log, push_joined};
use crate::chain::Link;
use crate::code::Code;
use crate::environment::Environment;
use crate::id::{ClientKey, RoomId, Seq, SessionNumber};
use crate::position::Epoch;
use crate::publish::{Ack, Durability, MissingRoom, Outcome, Publish, Refusal, Verdict};
use crate::run::Run;
use crate::store::ClientState;
use crate::window::{Decision, Entry, Verdict as Known, Window};

/// What a durable store would keep: logs and windows.
#[derive(Clone, Default)]
pub(super) struct Data {
    pub(super) logs: BTreeMap<RoomId, Log>,
    pub(super) windows: BTreeMap<ClientKey, Window>,
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

/// The runs that a batch adds, by room.
pub(super) type Added = BTreeMap<RoomId, Vec<Run>>;

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

    fn append(
        &mut self,
        publish: &Publish,
        missing: MissingRoom,
        env: &dyn Environment,
        added: &mut Added,
    ) -> Decision {
        if missing == MissingRoom::Refuse && !self.logs.contains_key(&publish.room) {
            return Decision::Refused(Refusal::new(Code::RoomUnknown, "there is no such room"));
        }
        let log = self
            .logs
            .entry(publish.room.clone())
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
        let mut salt = [0; 16];
        env.fill_random(&mut salt);
        let run = log.append(&link, &publish.draft.body, &salt);
        push_joined(added.entry(publish.room.clone()).or_default(), &run);
        Decision::Appended { room: publish.room.clone(), epoch: run.epoch(), mark: run.tip(), ts }
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
