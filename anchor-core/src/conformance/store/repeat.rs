//! A publish is decided once: repeats, conflicts, and what the window no longer knows.

use futures::future::join_all;

use super::check::check_log;
use super::{Author, Factory, ack_of, append_one, refusal_of, room, start};
use crate::code::Code;
use crate::event::{Draft, EventKind};
use crate::id::{Nonce, Seq};
use crate::limits::WINDOW;
use crate::position::Offset;
use crate::publish::{Ack, Outcome, Publish, Refusal, Verdict};
use crate::store::Store;

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    a_repeat_gets_the_first_ack(factory).await;
    repeats_handed_over_at_once_are_appended_once(factory).await;
    a_refusal_is_repeated_and_never_decided_anew(factory).await;
    a_seq_used_for_something_else_is_a_conflict(factory).await;
    a_seq_in_a_gap_was_skipped(factory).await;
    a_seq_below_the_floor_is_forgotten(factory).await;
    a_full_window_takes_nothing_until_a_new_session(factory).await;
    a_batch_may_fill_the_window(factory).await;
    the_same_client_id_of_another_user_is_another_client(factory).await;
}

/// The same seq and content get the first ack again, marked as a duplicate, whatever else has changed since.
pub async fn a_repeat_gets_the_first_ack(factory: &impl Factory) {
    let (store, env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let publish = ada.message(&room, "once");
    let first = ack_of(append_one(&store, publish.clone()).await);
    assert!(!first.duplicate);
    let expected = Ack { duplicate: true, ..first };
    env.advance(std::time::Duration::from_secs(60));
    drop(ack_of(append_one(&store, ada.message(&room, "later")).await));
    assert_eq!(ack_of(append_one(&store, publish.clone()).await), expected, "in a later batch");
    ada.hello(&store).await;
    let again = ada.publish(1, &room, Draft::message("once"));
    assert_eq!(ack_of(append_one(&store, again.clone()).await), expected, "in a later session");
    let denied = Publish { verdict: Verdict::Refuse(Refusal::new(Code::Denied, "no longer")), ..again };
    assert_eq!(ack_of(append_one(&store, denied).await), expected, "what was appended is not refused later");
    assert_eq!(check_log(&store, &room).await.len(), 2);
}

/// A repeat that is handed over while the first is still being committed is a repeat.
pub async fn repeats_handed_over_at_once_are_appended_once(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let publish = ada.message(&room, "once");
    let appends: Vec<_> = (0..5).map(|_| store.append(vec![publish.clone(), publish.clone()])).collect();
    let mut acks = Vec::new();
    for outcomes in join_all(appends).await {
        acks.extend(outcomes.expect("the append goes through").into_iter().map(ack_of));
    }
    assert!(!acks[0].duplicate, "the first in line is the first");
    let expected = Ack { duplicate: true, ..acks[0].clone() };
    assert!(acks[1..].iter().all(|ack| *ack == expected), "all others repeat it");
    assert_eq!(check_log(&store, &room).await.len(), 1);
}

/// A refusal is a decided outcome: the same again, though the publish would be welcome now.
pub async fn a_refusal_is_repeated_and_never_decided_anew(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let welcome = ada.message(&room, "please");
    let refusal = Refusal::new(Code::Denied, "not today");
    let denied = Publish { verdict: Verdict::Refuse(refusal.clone()), ..welcome.clone() };
    assert_eq!(refusal_of(append_one(&store, denied).await), refusal);
    assert_eq!(refusal_of(append_one(&store, welcome.clone()).await), refusal);
    let otherwise = Verdict::Refuse(Refusal::new(Code::BodyTooLarge, "for another reason"));
    let denied = Publish { verdict: otherwise, ..welcome };
    assert_eq!(refusal_of(append_one(&store, denied).await), refusal);
    let state = ada.hello(&store).await;
    assert_eq!(state.highest, Seq::FIRST, "a refused seq is a decided one");
    assert_eq!(store.room(&room).await.expect("the state is read"), None, "a refusal appends nothing");
}

/// The same seq with anything else in it is refused and changes nothing; the first still gets its ack.
pub async fn a_seq_used_for_something_else_is_a_conflict(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room_a = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let first = ada.message(&room_a, "first");
    let ack = ack_of(append_one(&store, first.clone()).await);
    let edit = Draft { kind: EventKind::EDIT, ..first.draft.clone() };
    let reply = Draft { target: Some(Offset(1)), ..first.draft.clone() };
    let others = [
        Publish { draft: Draft::message("other"), ..first.clone() },
        Publish { draft: edit, ..first.clone() },
        Publish { draft: reply, ..first.clone() },
        Publish { room: room("b"), ..first.clone() },
        Publish { nonce: Nonce(first.nonce.0 + 1), ..first.clone() },
    ];
    for other in others {
        assert_eq!(refusal_of(append_one(&store, other).await).code, Code::SeqConflict);
    }
    assert_eq!(ack_of(append_one(&store, first).await), Ack { duplicate: true, ..ack });
    assert_eq!(check_log(&store, &room_a).await.len(), 1);
    assert_eq!(store.room(&room("b")).await.expect("the state is read"), None);
}

/// A seq below the highest that was never decided was never appended, and never will be.
pub async fn a_seq_in_a_gap_was_skipped(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let ada = Author::open(&store, "ada", 1).await;
    let publish = |seq| ada.publish(seq, &room, Draft::message("text"));
    for seq in [1, 5] {
        drop(ack_of(append_one(&store, publish(seq)).await));
    }
    for seq in [3, 2, 3] {
        assert_eq!(refusal_of(append_one(&store, publish(seq)).await).code, Code::SeqSkipped);
    }
    assert!(ack_of(append_one(&store, publish(5)).await).duplicate);
    drop(ack_of(append_one(&store, publish(6)).await));
    assert_eq!(check_log(&store, &room).await.len(), 3);
}

/// Below the highest `waits` that was ever told, outcomes are no longer known.
pub async fn a_seq_below_the_floor_is_forgotten(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let ada = Author::open(&store, "ada", 1).await;
    let publish = |seq, waits| Publish {
        waits: Seq::new(waits).expect("a valid seq"),
        ..ada.publish(seq, &room, Draft::message("text"))
    };
    for seq in [1, 2, 3] {
        drop(ack_of(append_one(&store, publish(seq, 1)).await));
    }
    drop(ack_of(append_one(&store, publish(4, 3)).await));
    assert_eq!(
        refusal_of(append_one(&store, publish(2, 1)).await).code,
        Code::SeqForgotten,
        "a floor never falls"
    );
    assert!(ack_of(append_one(&store, publish(3, 1)).await).duplicate, "from the floor on all is known");
    assert_eq!(
        refusal_of(append_one(&store, publish(6, 7)).await).code,
        Code::SeqForgotten,
        "settled unsent"
    );
    drop(ack_of(append_one(&store, publish(7, 7)).await));
    assert_eq!(check_log(&store, &room).await.len(), 5);
}

/// A publish without room in the window is not decided, nor is anything behind it in that session.
pub async fn a_full_window_takes_nothing_until_a_new_session(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut bob = Author::open(&store, "bob", 2).await;
    for _ in 0..WINDOW {
        drop(ack_of(append_one(&store, ada.message(&room, "text")).await));
    }
    let beyond = WINDOW as u64 + 1;
    let settled =
        Publish { waits: Seq::new(beyond).expect("a valid seq"), ..ada.message(&room, "one too many") };
    let too_many = Publish { waits: Seq::FIRST, ..settled.clone() };
    assert_eq!(append_one(&store, too_many).await, Outcome::WindowFull);
    let repeat = ada.publish(1, &room, Draft::message("text"));
    let behind = vec![settled.clone(), repeat, bob.message(&room, "unconcerned"), settled.clone()];
    let outcomes = store.append(behind).await.expect("the append goes through");
    let [settled_now, repeat, unconcerned, settled_later] = outcomes.try_into().expect("four outcomes");
    for outcome in [settled_now, repeat, settled_later] {
        assert_eq!(outcome, Outcome::WindowFull, "nothing overtakes what was not taken");
    }
    drop(ack_of(unconcerned));
    assert_eq!(check_log(&store, &room).await.len(), WINDOW + 1);
    let state = ada.hello(&store).await;
    assert_eq!(state.highest.get(), WINDOW as u64, "what was not taken is not decided");
    let again = ada.publish(beyond, &room, Draft::message("one too many"));
    assert_eq!(append_one(&store, again).await, Outcome::WindowFull, "the window is still full");
    ada.settle();
    ada.hello(&store).await;
    drop(ack_of(append_one(&store, ada.message(&room, "room again")).await));
}

/// The window fills in the middle of a batch as it does between batches.
pub async fn a_batch_may_fill_the_window(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let batch: Vec<_> = (0..WINDOW + 9).map(|_| ada.message(&room, "text")).collect();
    let outcomes = store.append(batch).await.expect("the append goes through");
    assert!(outcomes[..WINDOW].iter().all(|outcome| matches!(outcome, Outcome::Acked(_))));
    assert!(outcomes[WINDOW..].iter().all(|outcome| *outcome == Outcome::WindowFull));
    assert_eq!(check_log(&store, &room).await.len(), WINDOW);
}

/// Who knows a `client_id` but is somebody else has nothing of its window.
pub async fn the_same_client_id_of_another_user_is_another_client(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut eve = Author::open(&store, "eve", 1).await;
    let first = ack_of(append_one(&store, ada.message(&room, "text")).await);
    let second = ack_of(append_one(&store, eve.message(&room, "text")).await);
    assert!(!second.duplicate && second.mark.offset == first.mark.offset.next());
    let events = check_log(&store, &room).await;
    assert_ne!(events[0].client, events[1].client);
    eve.hello(&store).await;
    drop(ack_of(append_one(&store, ada.message(&room, "not fenced by a namesake")).await));
}
