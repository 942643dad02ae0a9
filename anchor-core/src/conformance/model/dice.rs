//! Draws what is done next, so that repeats, conflicts, full windows and old sessions are frequent.

use super::NO_SESSION;
use crate::code::Code;
use crate::conformance::environment::{SplitMix64, UNIX_MS_AT_START};
use crate::conformance::store::room;
use crate::event::{Draft, EventKind};
use crate::id::{ClientId, ClientKey, Nonce, RoomId, Seq, SessionNumber, UserId};
use crate::limits::WINDOW;
use crate::position::Offset;
use crate::publish::{MissingRoom, Outcome, Publish, Refusal, Verdict};

/// One thing to do.
pub(super) enum Step {
    /// Hand over these batches at once.
    Append(Vec<Vec<Publish>>),
    /// Set the Unix clock.
    Clock(u64),
    /// Trim a room.
    Trim(RoomId, Offset),
    /// Compare everything.
    Check,
}

pub(super) struct Dice {
    random: SplitMix64,
    clients: Vec<Client>,
    rooms: Vec<RoomId>,
}

/// What a client needs to know of itself to publish.
struct Client {
    key: ClientKey,
    session: SessionNumber,
    next: u64,
    waits: u64,
    /// Some of what it published, to be published again.
    sent: Vec<Publish>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Two of them share a `client_id`.
        let client = |(user, installation)| Client {
            key: ClientKey {
                user: UserId::new(user).expect("a valid user"),
                id: ClientId::from_bytes([installation; 16]),
            },
            session: NO_SESSION,
            next: 1,
            waits: 1,
            sent: Vec::new(),
        };
        Self {
            random: SplitMix64::new(seed),
            clients: [("ada", 1), ("ada", 2), ("bob", 1), ("eve", 9)].map(client).into(),
            rooms: ["a", "b", "c", "@d"].map(room).into(),
        }
    }

    pub(super) const fn one_in(&mut self, n: u64) -> bool {
        self.random.below(n) == 0
    }

    pub(super) fn step(&mut self) -> Step {
        match self.random.below(20) {
            0 => Step::Clock(UNIX_MS_AT_START + self.random.below(3_600_000)),
            1 => Step::Trim(self.room(), Offset(self.random.below(120))),
            2 => Step::Check,
            _ => Step::Append(self.batches()),
        }
    }

    /// A client that opens a session now, with its `waits`.
    pub(super) fn opening(&mut self) -> Option<(ClientKey, Seq)> {
        let at = self.client();
        let client = &self.clients[at];
        let opens = client.session == NO_SESSION || self.random.below(6) == 0;
        opens.then(|| (client.key.clone(), seq(client.waits)))
    }

    /// What became of a publish: what was not taken does not count as sent.
    pub(super) fn learn(&mut self, publish: &Publish, outcome: &Outcome) {
        let client = self.clients.iter_mut().find(|client| client.key == publish.client);
        let client = client.expect("the publish of a client that was drawn");
        if matches!(outcome, Outcome::Acked(_) | Outcome::Refused(_)) {
            client.next = client.next.max(publish.seq.get() + 1);
        }
        client.waits = client.waits.max(publish.waits.get());
        if client.sent.len() < SENT_MAX {
            client.sent.push(publish.clone());
        } else {
            let at = self.random.below(SENT_MAX as u64);
            client.sent[usize::try_from(at).expect("below SENT_MAX")] = publish.clone();
        }
    }

    pub(super) fn learn_session(&mut self, key: &ClientKey, session: SessionNumber) {
        let client = self.clients.iter_mut().find(|client| client.key == *key);
        client.expect("the session of a client that was drawn").session = session;
    }

    pub(super) fn forget_sessions(&mut self) {
        for client in &mut self.clients {
            client.session = NO_SESSION;
        }
    }

    fn batches(&mut self) -> Vec<Vec<Publish>> {
        if self.one_in(30) {
            // One client fills its window, or nearly.
            let at = self.client();
            let length = self.random.below(WINDOW as u64 + 20);
            let first = self.clients[at].next;
            return vec![(first..first + length).map(|n| self.publish(at, n)).collect()];
        }
        (0..=self.random.below(4)).map(|_| self.batch()).collect()
    }

    fn batch(&mut self) -> Vec<Publish> {
        let at = self.client();
        let mut next = self.clients[at].next;
        let mut batch = Vec::new();
        for _ in 0..self.random.below(12) {
            let sent = self.clients[at].sent.len() as u64;
            let publish = match self.random.below(10) {
                0 | 1 if sent > 0 => {
                    let which = usize::try_from(self.random.below(sent)).expect("an index");
                    let session = self.session(at);
                    Publish { session, ..self.clients[at].sent[which].clone() }
                }
                2 => {
                    let near = next.saturating_sub(4) + self.random.below(8);
                    self.publish(at, near.max(1))
                }
                _ => self.publish(at, next),
            };
            next = next.max(publish.seq.get() + 1);
            batch.push(publish);
        }
        batch
    }

    fn publish(&mut self, at: usize, n: u64) -> Publish {
        let kind = [EventKind::MESSAGE, EventKind::MESSAGE, EventKind::EDIT, EventKind(77)];
        let draft = Draft {
            kind: kind[usize::try_from(self.random.below(4)).expect("below 4")],
            // Never offset 0, which is no event: in hashes it stands for an absent target.
            target: if self.one_in(3) { Some(Offset(1 + self.random.below(8))) } else { None },
            body: self.text().into(),
        };
        let verdict = match self.random.below(12) {
            0 => Verdict::Refuse(Refusal::new(Code::Denied, self.text())),
            1 | 2 => Verdict::Append { room: MissingRoom::Refuse },
            _ => Verdict::Append { room: MissingRoom::Create },
        };
        let client = &self.clients[at];
        // The first client settles seldom, so that its window fills.
        let settled = if at == 0 { self.random.below(40) == 0 } else { self.random.below(4) == 0 };
        let waits =
            if settled { client.waits.max(n.saturating_sub(self.random.below(6))) } else { client.waits };
        Publish {
            client: client.key.clone(),
            session: self.session(at),
            seq: seq(n),
            nonce: Nonce(u32::from(self.one_in(2))),
            waits: seq(waits),
            room: self.room(),
            draft,
            verdict,
            grounds: None,
        }
    }

    /// Mostly the newest session, now and then an older one or none. None as long as none was opened.
    fn session(&mut self, at: usize) -> Option<SessionNumber> {
        let session = self.clients[at].session;
        match self.random.below(12) {
            _ if session == NO_SESSION => None,
            0 => None,
            1 => Some(SessionNumber(session.0 - 1)),
            _ => Some(session),
        }
    }

    fn text(&mut self) -> String {
        match self.random.below(60) {
            0 => "x".repeat(30_000),
            n => n.to_string(),
        }
    }

    fn client(&mut self) -> usize {
        usize::try_from(self.random.below(self.clients.len() as u64)).expect("an index")
    }

    fn room(&mut self) -> RoomId {
        let at = usize::try_from(self.random.below(self.rooms.len() as u64)).expect("an index");
        self.rooms[at].clone()
    }
}

fn seq(n: u64) -> Seq {
    Seq::new(n).expect("a run is too short to leave the range")
}

/// Publishes of a client that are kept to be published again. Source: chosen; more than a few batches.
const SENT_MAX: usize = 60;
