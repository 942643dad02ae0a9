//! Whether a seq is decided, as who must ask somebody else first wants to know.

use futures::future::join;

use super::{Author, Factory, Reopen, ack_of, append_one, room, start};
use crate::code::Code;
use crate::event::Draft;
use crate::id::Seq;
use crate::publish::{Publish, Refusal, Verdict};
use crate::store::Store;

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    what_is_answered_is_decided(factory).await;
    a_question_waits_for_what_was_handed_over_before(factory).await;
}

/// What is there of it after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    what_was_decided_is_decided(factory).await;
}

/// Acked, refused, skipped and forgotten: of the client asked after, and of no other.
pub async fn what_is_answered_is_decided(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let ada = Author::open(&store, "ada", 1).await;
    let other = Author::open(&store, "ada", 2).await;
    assert!(decided(&store, &ada).await.is_empty());
    drop(ack_of(append_one(&store, ada.publish(2, &room, Draft::message("text"))).await));
    let refuse = Verdict::Refuse(Refusal::new(Code::Denied, "not today"));
    let refused = Publish { verdict: refuse, ..ada.publish(4, &room, Draft::message("text")) };
    drop(super::refusal_of(append_one(&store, refused).await));
    assert_eq!(decided(&store, &ada).await, [1, 2, 3, 4], "those in gaps will never be appended");
    let waits = Seq::new(7).expect("a seq");
    assert_eq!(store.open_client(ada.key(), waits).await.expect("a session opens").highest.get(), 4);
    assert_eq!(decided(&store, &ada).await, [1, 2, 3, 4, 5, 6], "nor those below the floor");
    assert!(decided(&store, &other).await.is_empty());
}

/// Handed over and not yet answered is decided by the time the question is answered.
pub async fn a_question_waits_for_what_was_handed_over_before(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    for n in 1..=10 {
        let append = store.append(vec![ada.message(&room, "text")]);
        let question = store.is_decided(ada.key(), Seq::new(n).expect("a seq"));
        let (appended, is_decided) = join(append, question).await;
        assert!(appended.is_ok() && is_decided.expect("the window is asked"), "{n}");
    }
}

/// Nothing is forgotten.
pub async fn what_was_decided_is_decided(factory: &impl Reopen) {
    let (store, env) = start(factory).await;
    let room = room("a");
    let ada = Author::open(&store, "ada", 1).await;
    for seq in [1, 2, 5] {
        drop(ack_of(append_one(&store, ada.publish(seq, &room, Draft::message("text"))).await));
    }
    let store = factory.reopen(store, &env).await;
    assert_eq!(decided(&store, &ada).await, [1, 2, 3, 4, 5]);
}

/// Those of the first eight that are decided.
async fn decided(store: &dyn Store, author: &Author) -> Vec<u64> {
    let mut decided = Vec::new();
    for n in 1..=8 {
        let seq = Seq::new(n).expect("a seq");
        if store.is_decided(author.key(), seq).await.expect("the window is asked") {
            decided.push(n);
        }
    }
    decided
}
