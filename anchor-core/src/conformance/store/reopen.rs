//! What is there after the store was opened anew: everything but sessions.

use super::check::{check_event, check_log};
use super::{Author, Reopen, ack_of, append_one, refusal_of, room, start, write};
use crate::code::Code;
use crate::environment::Environment;
use crate::event::{Draft, Event};
use crate::id::{RoomId, Seq};
use crate::limits::WINDOW;
use crate::position::Offset;
use crate::publish::{Ack, MissingRoom, Outcome, Publish, Refusal, Verdict};
use crate::store::{RoomState, Store, StoreExt, StoredRoom};

/// Every rule of this page.
pub async fn test_all(factory: &impl Reopen) {
    logs_and_epochs_are_kept(factory).await;
    outcomes_are_kept(factory).await;
    a_full_window_is_kept(factory).await;
    the_horizon_is_kept(factory).await;
    time_does_not_go_back(factory).await;
    an_empty_store_stays_empty(factory).await;
}

/// Every event, every epoch, every head; and what is appended next follows.
pub async fn logs_and_epochs_are_kept(factory: &impl Reopen) {
    let (mut store, env) = start(factory).await;
    let rooms = [room("a"), room("b"), room("c")];
    for round in 1..=3 {
        let mut ada = Author::open(&store, "ada", round).await;
        for (n, room) in rooms.iter().enumerate() {
            write(&store, &mut ada, room, (0..40 * n + 1).map(|n| n.to_string())).await;
        }
        let before = contents(&store).await;
        store = factory.reopen(store, &env).await;
        assert_eq!(contents(&store).await, before, "what was acknowledged is there");
    }
    let mut bob = Author::open(&store, "bob", 9).await;
    for (n, room) in rooms.iter().enumerate() {
        let epoch = state(&store, room).await.epoch();
        let publish = bob.message(room, "next");
        let ack = ack_of(append_one(&store, publish.clone()).await);
        assert_eq!(ack.epoch, epoch, "an epoch ends with a restore only");
        assert_eq!(ack.mark.offset, Offset(3 * (40 * n as u64 + 1) + 1));
        check_event(&check_log(&store, room).await, &publish, &ack);
    }
}

/// Acks, refusals, floors and highest seqs.
pub async fn outcomes_are_kept(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let [settled, acked] = ["settled", "acked"].map(|text| ada.message(&room, text));
    let denied = ada.message(&room, "denied");
    let refusal = Refusal::new(Code::Denied, "not today");
    let unknown = ada.message(&super::room("nowhere"), "unknown");
    drop(ack_of(append_one(&store, settled.clone()).await));
    let ack = ack_of(append_one(&store, acked.clone()).await);
    let refused = Publish { verdict: Verdict::Refuse(refusal.clone()), ..denied.clone() };
    assert_eq!(refusal_of(append_one(&store, refused).await), refusal);
    let nowhere = Publish { verdict: Verdict::Append { room: MissingRoom::Refuse }, ..unknown.clone() };
    let room_unknown = refusal_of(append_one(&store, nowhere).await);
    let beyond = Publish { waits: acked.seq, ..ada.publish(7, &room, Draft::message("beyond a gap")) };
    drop(ack_of(append_one(&store, beyond).await));

    let mut store = store;
    for _ in 0..2 {
        store = factory.reopen(store, &env).await;
        let again = |publish: &Publish| Publish { session: None, ..publish.clone() };
        assert_eq!(ack_of(append_one(&store, again(&acked)).await), Ack { duplicate: true, ..ack.clone() });
        assert_eq!(refusal_of(append_one(&store, again(&denied)).await), refusal);
        assert_eq!(refusal_of(append_one(&store, again(&unknown)).await), room_unknown);
        let refused = async |publish| refusal_of(append_one(&store, publish).await).code;
        assert_eq!(refused(again(&settled)).await, Code::SeqForgotten);
        let conflict = Publish { draft: Draft::message("other"), ..again(&acked) };
        assert_eq!(refused(conflict).await, Code::SeqConflict);
        let skipped = ada.publish(6, &room, Draft::message("in the gap"));
        assert_eq!(refused(again(&skipped)).await, Code::SeqSkipped);
        let opened = store.open_client(ada.key(), Seq::FIRST).await.expect("a session opens");
        assert_eq!(opened.highest.get(), 7);
    }
    assert_eq!(check_log(&store, &room).await.len(), 3);
    assert_eq!(store.room(&super::room("nowhere")).await.expect("the state is read"), None);
}

/// A window is as full as before; its session is not.
pub async fn a_full_window_is_kept(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let batch: Vec<_> = (0..=WINDOW).map(|_| ada.message(&room, "text")).collect();
    let outcomes = store.append(batch.clone()).await.expect("the append goes through");
    assert_eq!(outcomes[WINDOW], Outcome::WindowFull);
    let store = factory.reopen(store, &env).await;
    let state = ada.hello(&store).await;
    assert_eq!(state.highest.get(), WINDOW as u64);
    let resent: Vec<_> =
        batch.into_iter().map(|publish| ada.publish(publish.seq.get(), &room, publish.draft)).collect();
    let mut outcomes = store.append(resent).await.expect("the append goes through");
    assert_eq!(outcomes.pop(), Some(Outcome::WindowFull));
    assert!(outcomes.into_iter().all(|outcome| ack_of(outcome).duplicate), "all that was acked is known");
    ada.settle();
    ada.hello(&store).await;
    drop(ack_of(append_one(&store, ada.message(&room, "room again")).await));
}

/// Horizon, and ordinal and chain of what lies before it.
pub async fn the_horizon_is_kept(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let (part, all) = (room("part"), room("all"));
    let mut ada = Author::open(&store, "ada", 1).await;
    for room in [&part, &all] {
        write(&store, &mut ada, room, (0..100).map(|n| n.to_string())).await;
    }
    store.trim_newest(&part, Offset(70)).await.expect("the room is trimmed");
    store.trim_newest(&all, Offset(101)).await.expect("the room is trimmed");
    let before = contents(&store).await;
    let store = factory.reopen(store, &env).await;
    assert_eq!(contents(&store).await, before);
    assert_eq!(state(&store, &part).await.horizon, Offset(70));
    let mut bob = Author::open(&store, "bob", 2).await;
    assert_eq!(ack_of(append_one(&store, bob.message(&all, "next")).await).mark.offset, Offset(101));
    assert_eq!(check_log(&store, &all).await.len(), 1);
}

/// `ts` does not go back in a room, though the clock was set back while the store was closed.
pub async fn time_does_not_go_back(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let noon = env.unix_ms();
    drop(ack_of(append_one(&store, ada.message(&room, "text")).await));
    env.set_unix_ms(noon - 3_600_000);
    let store = factory.reopen(store, &env).await;
    ada.hello(&store).await;
    assert_eq!(ack_of(append_one(&store, ada.message(&room, "text")).await).ts, noon);
}

/// Opening makes nothing.
pub async fn an_empty_store_stays_empty(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let store = factory.reopen(store, &env).await;
    assert_eq!(contents(&store).await, []);
    let mut ada = Author::new("ada", 1);
    assert_eq!(ada.hello(&store).await.highest, Seq::ZERO);
}

/// Everything that can be read.
async fn contents(store: &dyn Store) -> Vec<(RoomId, RoomState, Vec<Event>)> {
    let mut contents = Vec::new();
    for StoredRoom { room, state, .. } in store.rooms(None, usize::MAX).await.expect("the rooms are read") {
        let events = check_log(store, &room).await;
        contents.push((room, state, events));
    }
    contents
}

async fn state(store: &dyn Store, room: &RoomId) -> RoomState {
    store.room(room).await.expect("the state is read").expect("the room is there")
}
