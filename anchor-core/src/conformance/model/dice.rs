//! Draws what is done next, so that repeats, conflicts, full windows and old sessions are frequent.

use super::NO_SESSION;
use super::draft::Drafts;
use super::expected::Expected;
use crate::code::Code;
use crate::conformance::environment::{SplitMix64, UNIX_MS_AT_START};
use crate::conformance::store::{room, user};
use crate::cursor::{CursorMove, Cursors, ReadMark};
use crate::id::{ClientId, ClientKey, Nonce, RoomId, Seq, SessionNumber, UserId};
use crate::limits::WINDOW;
use crate::position::{Epoch, Offset};
use crate::publish::{MissingRoom, Outcome, Publish, Refusal, Verdict};
use crate::record::{RecordKey, RecordWrite};
use crate::user::UserChange;

/// One thing to do.
pub(super) enum Step {
    /// Hand over these batches at once.
    Append(Vec<Vec<Publish>>),
    /// Set the Unix clock.
    Clock(u64),
    /// Trim a room.
    Trim(RoomId, Offset),
    /// Change what is kept of a user.
    User(UserId, UserChange),
    /// Move cursors.
    Move(Vec<CursorMove>),
    /// Write records.
    Write(RecordWrite),
    /// Ask whether a seq is decided.
    Decided(ClientKey, Seq),
    /// Compare everything.
    Check,
}

pub(super) struct Dice {
    random: SplitMix64,
    clients: Vec<Client>,
    users: Vec<UserId>,
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
        let client = |(name, installation)| Client {
            key: ClientKey { user: user(name), id: ClientId::from_bytes([installation; 16]) },
            session: NO_SESSION,
            next: 1,
            waits: 1,
            sent: Vec::new(),
        };
        Self {
            random: SplitMix64::new(seed),
            clients: [("ada", 1), ("ada", 2), ("bob", 1), ("eve", 9)].map(client).into(),
            users: ["ada", "bob", "eve", "zoe"].map(user).into(),
            rooms: vec![
                room("a"),
                room("b"),
                room("c"),
                RoomId::direct(&user("ada"), &user("bob")),
                RoomId::reports_of(&room("a")),
                RoomId::announcements(),
            ],
        }
    }

    /// Everybody there is.
    pub(super) fn users(&self) -> &[UserId] {
        &self.users
    }

    /// Every room that there may be.
    pub(super) fn rooms(&self) -> &[RoomId] {
        &self.rooms
    }

    pub(super) const fn one_in(&mut self, n: u64) -> bool {
        self.random.below(n) == 0
    }

    pub(super) fn step(&mut self, expected: &Expected) -> Step {
        match self.random.below(28) {
            0 => Step::Clock(UNIX_MS_AT_START + self.random.below(3_600_000)),
            1 => {
                let room = self.room();
                let head = expected.log(&room).map_or(0, |log| log.head().0);
                Step::Trim(room, Offset(self.random.below(head + 10)))
            }
            2 => Step::Check,
            3 => {
                let mut drafts = Drafts { random: &mut self.random, users: &self.users, expected };
                Step::User(drafts.user(), drafts.user_change())
            }
            4 => {
                let at = self.client();
                let near = self.clients[at].next.saturating_sub(3) + self.random.below(5);
                Step::Decided(self.clients[at].key.clone(), seq(near.max(1)))
            }
            5 | 6 => {
                Step::Move((0..=self.random.below(6)).filter_map(|_| self.cursor_move(expected)).collect())
            }
            7 => Step::Write(self.record_write(expected)),
            _ => Step::Append(self.batches(expected)),
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

    /// Somebody comes to some event of a room: one of its late ones as a rule, now and then none that it has, or of another
    /// history.
    fn cursor_move(&mut self, expected: &Expected) -> Option<CursorMove> {
        let room = self.room();
        let user = Drafts { random: &mut self.random, users: &self.users, expected }.user();
        let log = expected.log(&room)?;
        let mut mark = || log.mark_at(Offset((log.head().0 + 1).saturating_sub(self.random.below(20))));
        let (delivered, read, shown) = (mark(), mark(), mark());
        let mut place = |mark: ReadMark| if self.random.below(3) == 0 { ReadMark::default() } else { mark };
        let to =
            Cursors { delivered: place(delivered).offset, read: place(read), shown: place(shown).offset };
        let epoch = if self.one_in(8) { Epoch::from_bytes([7; 8]) } else { log.newest()?.epoch };
        Some(CursorMove { room, epoch, user, to })
    }

    fn record_write(&mut self, expected: &Expected) -> RecordWrite {
        let mut name = || RECORD_KEYS[usize::try_from(self.random.below(5)).expect("an index")];
        let mut key = || RecordKey::new(name()).expect("a key");
        let (guarded, first, second) = (key(), key(), key());
        let value = self.one_in(4).then(|| vec![1]).or_else(|| expected.record(&guarded).cloned());
        let mut put = |key| {
            (
                key,
                (self.random.below(4) > 0)
                    .then(|| RECORD_VALUES[usize::from(self.random.below(3) > 0)].into()),
            )
        };
        let puts = vec![put(first), put(second)];
        RecordWrite { guard: self.one_in(2).then_some((guarded, value)), puts }
    }

    fn batches(&mut self, expected: &Expected) -> Vec<Vec<Publish>> {
        if self.one_in(30) {
            // One client fills its window, or nearly.
            let at = self.client();
            let length = self.random.below(WINDOW as u64 + 20);
            let first = self.clients[at].next;
            return vec![(first..first + length).map(|n| self.publish(at, n, expected)).collect()];
        }
        (0..=self.random.below(4)).map(|_| self.batch(expected)).collect()
    }

    fn batch(&mut self, expected: &Expected) -> Vec<Publish> {
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
                    self.publish(at, near.max(1), expected)
                }
                _ => self.publish(at, next, expected),
            };
            next = next.max(publish.seq.get() + 1);
            batch.push(publish);
        }
        batch
    }

    fn publish(&mut self, at: usize, n: u64, expected: &Expected) -> Publish {
        let room = self.room();
        let mut drafts = Drafts { random: &mut self.random, users: &self.users, expected };
        let draft = drafts.draft(&room);
        let grounds = drafts.grounds(&room, &draft);
        let verdict = match self.random.below(12) {
            0 => Verdict::Refuse(Refusal::new(Code::Denied, n.to_string())),
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
            room,
            draft,
            verdict,
            grounds,
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

    fn client(&mut self) -> usize {
        usize::try_from(self.random.below(self.clients.len() as u64)).expect("an index")
    }

    fn room(&mut self) -> RoomId {
        // The first are used by far the most, so that something comes of their members.
        let likely = 1 + self.random.below(self.rooms.len() as u64);
        let at = usize::try_from(self.random.below(likely)).expect("an index");
        self.rooms[at].clone()
    }
}

fn seq(n: u64) -> Seq {
    Seq::new(n).expect("a run is too short to leave the range")
}

/// Records that are written.
const RECORD_KEYS: [&str; 5] = ["a", "a/1", "a/2", "b", "b/é"];
const RECORD_VALUES: [&[u8]; 2] = [&[], &[1]];

/// Publishes of a client that are kept to be published again. Source: chosen; more than a few batches.
const SENT_MAX: usize = 60;
