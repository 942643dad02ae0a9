//! Stores with something in them.

use std::path::Path;

use anchor_core::environment::Environment;
use anchor_core::id::{ClientKey, RoomId};
use anchor_core::position::{Offset, Position};
use anchor_core::publish::{Outcome, Publish};
use anchor_core::store::{Place, Store};
use anchor_store::{RedbStore, Step};
use futures::executor::block_on;
use redb::backends::InMemoryBackend;

use crate::sample;

/// Somebody who appends messages to rooms, one batch after another, and waits for each.
#[derive(Debug)]
pub struct Writer {
    clients: Vec<(ClientKey, u64)>,
    rooms: Vec<RoomId>,
    turn: usize,
}

impl Writer {
    /// Writes in `rooms` as `clients` many clients, the first of them with the number `first`.
    #[must_use]
    pub fn new(first: usize, clients: usize, rooms: Vec<RoomId>) -> Self {
        let clients = (first..first + clients).map(|number| (sample::client(number), 0)).collect();
        Self { clients, rooms, turn: first }
    }

    /// The next `messages`. Neighbours are of different clients, and go to different rooms.
    pub fn batch(&mut self, messages: usize) -> Vec<Publish> {
        (0..messages).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Publish {
        self.turn += 1;
        let clients = self.clients.len();
        let (client, seq) = &mut self.clients[self.turn % clients];
        *seq += 1;
        sample::publish(client, *seq, &self.rooms[self.turn * STEP % self.rooms.len()])
    }
}

/// Rooms from one message to the next. Source: chosen; a prime, so that all rooms come in turn.
const STEP: usize = 389;

/// Checks that every publish of a batch was appended now.
///
/// # Panics
/// If one was not.
pub fn check(outcomes: &[Outcome]) {
    let is_new = |outcome: &Outcome| matches!(outcome, Outcome::Acked(ack) if !ack.duplicate);
    assert!(outcomes.iter().all(is_new), "every publish of a bench is appended");
}

/// Appends `messages` and waits for the store's own threads. In batches that a store takes into one commit.
pub fn fill(store: &impl Store, writer: &mut Writer, messages: usize) {
    for at in (0..messages).step_by(BATCH) {
        let batch = writer.batch(BATCH.min(messages - at));
        check(&block_on(store.append(batch)).expect("the append goes through"));
    }
}

/// A store in `dir` that `fill` has filled, opened anew: everything is read from its pages, as after a restart.
///
/// # Panics
/// If it cannot be opened.
#[must_use]
pub fn restarted(dir: &Path, env: impl Environment + Clone, fill: impl FnOnce(&RedbStore)) -> RedbStore {
    let store = RedbStore::open(dir, env.clone()).expect("the store opens");
    fill(&store);
    store.close();
    RedbStore::open(dir, env).expect("the store opens again")
}

/// A redb store in memory that nothing drives but [`commit`] and [`move_to_pages`].
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn stepped(env: impl Environment) -> RedbStore {
    RedbStore::with_backends(InMemoryBackend::new(), InMemoryBackend::new(), env).expect("a store in memory")
}

/// Appends batches to a stepped store, one commit each.
pub fn commit(store: &RedbStore, batches: impl IntoIterator<Item = Vec<Publish>>) {
    for batch in batches {
        let outcomes = store.append(batch);
        assert_eq!(store.step_writer().expect("the writer works"), Step::Worked);
        check(&block_on(outcomes).expect("the append goes through"));
    }
}

/// Moves everything of a stepped store into its pages.
pub fn move_to_pages(store: &RedbStore) {
    while store.step_pager().expect("the pager works") == Step::Worked {}
}

/// The position of a reader who has everything of `room` up to `offset`.
///
/// # Panics
/// If the room has no such event.
#[must_use]
pub fn position(store: &impl Store, room: &RoomId, offset: u64) -> Position {
    let offset = Offset(offset);
    if offset == Offset::ZERO {
        return Position::START;
    }
    let state = block_on(store.room(room)).expect("the room can be read").expect("the room is there");
    let mark = block_on(store.locate(room, Place::Offset(offset))).expect("the log can be read");
    Position::at(state.epoch_at(offset), mark.expect("the log has that offset"))
}

/// Messages of a commit while a store is filled. Source: chosen; larger ones are not faster by much.
const BATCH: usize = 1_024;
