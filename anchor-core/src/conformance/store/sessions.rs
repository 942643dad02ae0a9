//! Sessions of a client: the fence, and where a client stands when one opens.

use futures::future::{join, join_all};

use super::check::check_log;
use super::{Author, Factory, ack_of, append_one, refusal_of, room, start};
use crate::code::Code;
use crate::event::Draft;
use crate::id::Seq;
use crate::publish::{Outcome, Publish, Refusal, Verdict};
use crate::store::Store;

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    an_older_session_is_fenced(factory).await;
    a_publish_of_no_session_is_not_fenced(factory).await;
    a_session_says_what_is_decided_and_raises_the_floor(factory).await;
    what_was_handed_over_before_is_decided_before_a_session_opens(factory).await;
}

/// After a new session has opened, nothing of an older one is decided, be it fresh or a repeat.
pub async fn an_older_session_is_fenced(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    drop(ack_of(append_one(&store, ada.message(&room, "first")).await));
    let mut older = ada.clone();
    let before = store.open_client(ada.key(), Seq::FIRST).await.expect("a session opens");
    let after = ada.hello(&store).await;
    assert!(before.session < after.session, "each session has a higher number");
    let repeat = older.publish(1, &room, Draft::message("first"));
    let batch = vec![older.message(&room, "late"), ada.message(&room, "second"), repeat];
    let outcomes = store.append(batch).await.expect("the append goes through");
    let [late, second, repeat] = outcomes.try_into().expect("three outcomes");
    assert_eq!((late, repeat), (Outcome::Fenced, Outcome::Fenced));
    drop(ack_of(second));
    assert_eq!(check_log(&store, &room).await.len(), 2);
}

/// Entries of an older `client_id` that its user settles belong to no session: the window alone answers.
pub async fn a_publish_of_no_session_is_not_fenced(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let first = ada.message(&room, "first");
    drop(ack_of(append_one(&store, first.clone()).await));
    ada.hello(&store).await;
    ada.hello(&store).await;
    let settled = Publish { session: None, ..first };
    assert!(ack_of(append_one(&store, settled.clone()).await).duplicate);
    let queued = Publish { session: None, ..ada.message(&room, "queued before the copy") };
    assert!(!ack_of(append_one(&store, queued.clone()).await).duplicate, "never appended: it is now");
    assert!(ack_of(append_one(&store, queued).await).duplicate);
    let other = Publish { draft: Draft::message("of the clone"), ..settled };
    assert_eq!(refusal_of(append_one(&store, other).await).code, Code::SeqConflict);
    assert_eq!(check_log(&store, &room).await.len(), 2);
}

/// A new session is told the highest decided seq, and its `waits` counts as that of a publish does.
pub async fn a_session_says_what_is_decided_and_raises_the_floor(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::new("ada", 1);
    assert_eq!(ada.hello(&store).await.highest, Seq::ZERO, "nothing was decided yet");
    for _ in 0..2 {
        drop(ack_of(append_one(&store, ada.message(&room, "text")).await));
    }
    let refused = Verdict::Refuse(Refusal::new(Code::Denied, "no"));
    let refused = Publish { verdict: refused, ..ada.message(&room, "text") };
    drop(refusal_of(append_one(&store, refused).await));
    let open = async |waits| {
        let waits = Seq::new(waits).expect("a valid seq");
        store.open_client(ada.key(), waits).await.expect("a session opens")
    };
    let state = open(2).await;
    assert_eq!(state.highest.get(), 3, "refusals are decided, too");
    let publish = |seq| Publish { session: None, ..ada.publish(seq, &room, Draft::message("text")) };
    assert_eq!(refusal_of(append_one(&store, publish(1)).await).code, Code::SeqForgotten);
    assert!(ack_of(append_one(&store, publish(2)).await).duplicate);
    assert_eq!(open(9).await.highest.get(), 3, "a floor is no decision");
    assert_eq!(refusal_of(append_one(&store, publish(8)).await).code, Code::SeqForgotten);
    assert_eq!(open(1).await.highest.get(), 3, "a floor never falls");
    assert_eq!(refusal_of(append_one(&store, publish(8)).await).code, Code::SeqForgotten);
    drop(ack_of(append_one(&store, publish(9)).await));
    assert_eq!(open(1).await.highest.get(), 9);
}

/// The highest seq that a new session is told covers all that was handed over before.
pub async fn what_was_handed_over_before_is_decided_before_a_session_opens(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let appends: Vec<_> = (0..20).map(|_| store.append(vec![ada.message(&room, "text")])).collect();
    let older = ada.clone();
    let (state, appended) = join(ada.hello(&store), join_all(appends)).await;
    assert_eq!(state.highest.get(), 20);
    for outcomes in appended {
        let outcomes = outcomes.expect("the append goes through");
        assert!(matches!(outcomes[..], [Outcome::Acked(_)]), "handed over before the fence, so not fenced");
    }
    let late = older.publish(21, &room, Draft::message("late"));
    assert_eq!(append_one(&store, late).await, Outcome::Fenced);
    assert_eq!(check_log(&store, &room).await.len(), 20);
}
