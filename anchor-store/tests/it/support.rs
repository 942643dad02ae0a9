//! What these tests share: publishes, steps, and observers that take notes. Disks that fail are `anchor_sim::disk`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anchor_core::event::{Draft, Event};
use anchor_core::id::{ClientId, ClientKey, Nonce, RoomId, Seq, SessionNumber, UserId};
use anchor_core::publish::{Ack, MissingRoom, Outcome, Publish, Verdict};
use anchor_core::run::Run;
use anchor_core::store::{CommitObserver, Store, StoreError, StoreExt};
use anchor_store::{RedbStore, Step};
use futures::FutureExt;

pub(crate) fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

pub(crate) fn client(number: u8) -> ClientKey {
    ClientKey { user: UserId::new(format!("user-{number}")).unwrap(), id: ClientId::from_bytes([number; 16]) }
}

/// A message that comes first into its room, outside of any session.
pub(crate) fn publish(client: &ClientKey, seq: u64, room: &RoomId, text: &str) -> Publish {
    Publish {
        client: client.clone(),
        session: None,
        seq: Seq::new(seq).unwrap(),
        nonce: Nonce(0),
        waits: Seq::FIRST,
        room: room.clone(),
        draft: Draft::message(text),
        verdict: Verdict::Append { room: MissingRoom::Create },
        grounds: None,
    }
}

pub(crate) fn in_session(session: SessionNumber, publish: Publish) -> Publish {
    Publish { session: Some(session), ..publish }
}

pub(crate) fn waiting_from(waits: u64, publish: Publish) -> Publish {
    Publish { waits: Seq::new(waits).unwrap(), ..publish }
}

pub(crate) fn acked(outcome: &Outcome) -> &Ack {
    match outcome {
        Outcome::Acked(ack) => ack,
        other => panic!("expected an ack, got {other:?}"),
    }
}

pub(crate) fn text(event: &Event) -> &str {
    event.body.as_ref().and_then(|body| body.as_text()).unwrap()
}

pub(crate) async fn texts(store: &RedbStore, room: &RoomId) -> Vec<String> {
    let events = store.read_all(room).await.unwrap();
    events.iter().enumerate().for_each(|(at, event)| {
        assert_eq!(event.offset.0, events[0].offset.0 + at as u64, "offsets are dense");
    });
    events.iter().map(|event| text(event).to_owned()).collect()
}

/// Takes every step of a store without threads.
pub(crate) fn run_steps(store: &RedbStore) -> Result<(), StoreError> {
    while store.step_writer()? == Step::Worked {}
    Ok(())
}

/// Appends to a store without threads: the outcomes, or the error.
pub(crate) fn append_stepped(store: &RedbStore, batch: Vec<Publish>) -> Result<Vec<Outcome>, StoreError> {
    let answer = store.append(batch);
    run_steps(store)?;
    answer.now_or_never().expect("the steps have answered it")
}

/// Notes what it is told of.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) rooms: Mutex<BTreeMap<RoomId, Vec<Run>>>,
    pub(crate) failures: Mutex<u32>,
}

impl CommitObserver for Notes {
    fn committed(&self, runs: &[Run]) {
        let mut rooms = lock(&self.rooms);
        for run in runs {
            let noted = rooms.entry(run.room().clone()).or_default();
            if let Some(last) = noted.last() {
                assert_eq!(last.tip(), run.before(), "commits are told in their order");
            }
            noted.push(run.clone());
        }
    }

    fn deleted(&self, _room: &RoomId) {}

    fn failed(&self) {
        *lock(&self.failures) += 1;
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
