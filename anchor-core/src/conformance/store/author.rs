//! Somebody who publishes in a test: a client that numbers its publishes, and resends them equal on request.

use super::grounds::informed;
use crate::event::{Body, Draft, EventKind};
use crate::id::{ClientId, ClientKey, Nonce, RoomId, Seq, SessionNumber, UserId};
use crate::position::Offset;
use crate::publish::{Ack, MissingRoom, Outcome, Publish, Refusal, Verdict};
use crate::room::RoomKind;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::store::{ClientState, Store};

/// A client in a test. Two authors of the same user and installation are the same client.
#[derive(Clone, Debug)]
pub struct Author {
    key: ClientKey,
    session: Option<SessionNumber>,
    next: Seq,
    waits: Seq,
}

impl Author {
    /// A client without a session: its publishes are exempt from the fence.
    #[must_use]
    pub fn new(user: &str, installation: u8) -> Self {
        let key = ClientKey { user: self::user(user), id: ClientId::from_bytes([installation; 16]) };
        Self { key, session: None, next: Seq::FIRST, waits: Seq::FIRST }
    }

    /// A client that has said hello.
    pub async fn open(store: &dyn Store, user: &str, installation: u8) -> Self {
        let mut author = Self::new(user, installation);
        author.hello(store).await;
        author
    }

    /// Opens a new session, and hands over in it from now on.
    pub async fn hello(&mut self, store: &dyn Store) -> ClientState {
        let state = store.open_client(&self.key, self.waits).await.expect("a session opens");
        self.session = Some(state.session);
        state
    }

    /// Settles everything published so far: `waits` is the next seq from now on.
    pub const fn settle(&mut self) {
        self.waits = self.next;
    }

    /// The next publish: a message that makes its room.
    pub fn message(&mut self, room: &RoomId, text: &str) -> Publish {
        self.next(room, Draft::message(text))
    }

    /// The next publish: an event about the one at `target`, with what `store` knows of that.
    pub async fn about(
        &mut self,
        store: &dyn Store,
        room: &RoomId,
        kind: EventKind,
        target: u64,
        body: impl Into<Body>,
    ) -> Publish {
        let draft = Draft { kind, target: Some(Offset(target)), body: body.into() };
        informed(store, self.next(room, draft)).await
    }

    /// The next publish: somebody joins, leaves, is invited, …
    pub fn membership(&mut self, room: &RoomId, change: &MembershipChange) -> Publish {
        self.next(room, Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() })
    }

    /// Creates a public room.
    pub fn begins(&mut self, room: &RoomId) -> Publish {
        let (kind, settings) = (RoomKind::Public, Settings::default());
        self.room(room, &RoomChange::Create { kind, settings, user: None })
    }

    /// The next publish: the room comes into being, changes, goes away.
    pub fn room(&mut self, room: &RoomId, change: &RoomChange) -> Publish {
        self.next(room, Draft { kind: EventKind::ROOM, target: None, body: change.to_body() })
    }

    /// The next publish: any draft; it makes its room.
    pub fn next(&mut self, room: &RoomId, draft: Draft) -> Publish {
        let publish = self.publish(self.next.get(), room, draft);
        self.next = self.next.next();
        publish
    }

    /// The publish of a seq. The same arguments give an equal one: the nonce follows from the seq.
    #[must_use]
    pub fn publish(&self, seq: u64, room: &RoomId, draft: Draft) -> Publish {
        let nonce = u32::try_from(seq % u64::from(u32::MAX)).expect("a remainder by 2^32 - 1 fits");
        Publish {
            client: self.key.clone(),
            session: self.session,
            seq: Seq::new(seq).expect("the test names a valid seq"),
            nonce: Nonce(nonce),
            waits: self.waits,
            room: room.clone(),
            draft,
            verdict: Verdict::Append { room: MissingRoom::Create },
            grounds: None,
        }
    }

    /// The user.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        &self.key.user
    }

    /// Who the store takes this for.
    #[must_use]
    pub const fn key(&self) -> &ClientKey {
        &self.key
    }
}

/// A room id.
#[must_use]
pub fn room(name: &str) -> RoomId {
    RoomId::new(name).expect("the test names a valid room")
}

/// A user id.
#[must_use]
pub fn user(name: &str) -> UserId {
    UserId::new(name).expect("the test names a valid user")
}

/// Hands over one publish and waits for its outcome.
pub async fn append_one(store: &dyn Store, publish: Publish) -> Outcome {
    let mut outcomes = store.append(vec![publish]).await.expect("the append goes through");
    assert_eq!(outcomes.len(), 1, "one publish has one outcome");
    outcomes.remove(0)
}

/// Appends messages with these texts, [`WRITE_BATCH`] at a time, settling each batch.
pub async fn write(
    store: &dyn Store,
    author: &mut Author,
    room: &RoomId,
    texts: impl IntoIterator<Item = String>,
) -> Vec<Ack> {
    let texts: Vec<String> = texts.into_iter().collect();
    let mut acks = Vec::with_capacity(texts.len());
    for texts in texts.chunks(WRITE_BATCH) {
        let batch = texts.iter().map(|text| author.message(room, text)).collect();
        let outcomes = store.append(batch).await.expect("the append goes through");
        acks.extend(outcomes.into_iter().map(ack_of));
        author.settle();
    }
    acks
}

/// The ack that a publish must have got.
#[must_use]
pub fn ack_of(outcome: Outcome) -> Ack {
    match outcome {
        Outcome::Acked(ack) => ack,
        other => panic!("not appended: {other:?}"),
    }
}

/// The refusal that a publish must have got.
#[must_use]
pub fn refusal_of(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Publishes in one batch of [`write()`]. Source: chosen, so that batches and pages do not end at the same places.
pub const WRITE_BATCH: usize = 27;
