//! What is kept of rulings, for how long, and whose go first.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::executor::block_on;
use futures::future::{pending, ready};
use futures::{FutureExt, poll};

use super::censor::Censor;
use crate::code::Code;
use crate::conformance::environment::TestEnvironment;
use crate::conformance::faults::SlowStore;
use crate::engine::joint::Joint;
use crate::engine::rulings::{Asking, Found, Of, RULING_BYTES, Rulings};
use crate::engine::{Anchor, Hook, Proposal, PublishError, Publisher, Ruling};
use crate::environment::Monotonic;
use crate::error::BoxError;
use crate::event::{Body, Draft};
use crate::id::{ClientId, ClientKey, Nonce, RoomId, Seq, UserId};
use crate::limits::{
    BODY_BYTES_MAX, HEADS_POLL, HOOK_WITHIN, RULING_AGE_MAX, RULINGS_BYTES_MAX, RULINGS_OF_USER_MAX,
};
use crate::memory::MemoryStore;
use crate::publish::{MissingRoom, Publish, Verdict};

const START: Monotonic = Monotonic(Duration::ZERO);

fn key(user: &str, client: u8) -> ClientKey {
    ClientKey { user: UserId::new(user).unwrap(), id: ClientId::from_bytes([client; 16]) }
}

fn seq(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

fn of(user: &str, client: u8, number: u64) -> Of {
    Of::new(&Publish {
        client: key(user, client),
        session: None,
        seq: seq(number),
        nonce: Nonce(0),
        waits: seq(number),
        room: RoomId::lobby(),
        draft: Draft::message("x"),
        verdict: Verdict::Append { room: MissingRoom::Create },
        grounds: None,
    })
}

/// A ruling that is given.
fn allowed() -> Asking {
    let asking = Joint::new(ready(Ok(None)).boxed());
    assert!(asking.clone().now_or_never().is_some());
    asking
}

/// Has a ruling given that weighs as much as the bytes say.
fn rule(rulings: &Rulings, of: &Of, bytes: usize, now: Monotonic) {
    assert!(matches!(rulings.find(of, bytes, now, allowed), Found::Its(_)));
}

/// True if there is a ruling; there is one afterwards.
fn has(rulings: &Rulings, of: &Of, now: Monotonic) -> bool {
    let mut is_asked = false;
    rulings.find(of, 0, now, || {
        is_asked = true;
        allowed()
    });
    !is_asked
}

#[test]
fn a_user_with_too_many_pushes_out_none_but_the_oldest_of_that_user() {
    let rulings = Rulings::default();
    rule(&rulings, &of("ada", 1, 1), 0, START);
    for n in 0..2 * RULINGS_OF_USER_MAX as u64 {
        rule(&rulings, &of("eve", 1, n + 1), 0, START);
    }
    assert_eq!(rulings.size(), (RULINGS_OF_USER_MAX + 1, (RULINGS_OF_USER_MAX + 1) * RULING_BYTES));
    assert!(has(&rulings, &of("ada", 1, 1), START));
    assert!(has(&rulings, &of("eve", 1, RULINGS_OF_USER_MAX as u64 + 1), START));
    assert!(!has(&rulings, &of("eve", 1, RULINGS_OF_USER_MAX as u64), START));
}

#[test]
fn where_all_weigh_too_much_whoever_holds_the_most_forgets_the_oldest() {
    let rulings = Rulings::default();
    rule(&rulings, &of("ada", 1, 1), 0, START);
    // With a client of their own for each: that makes no difference.
    for n in 1..=200_u8 {
        rule(&rulings, &of("mallory", n, 1), BODY_BYTES_MAX, START);
    }
    let mut users = 0;
    while rulings.size().1 + BODY_BYTES_MAX + RULING_BYTES <= RULINGS_BYTES_MAX {
        rule(&rulings, &of(&format!("user{users}"), 1, 1), BODY_BYTES_MAX, START);
        users += 1;
    }
    for n in 0..50 {
        rule(&rulings, &of(&format!("late{n}"), 1, 1), BODY_BYTES_MAX, START);
        assert!(rulings.size().1 <= RULINGS_BYTES_MAX);
    }
    let is_kept = |user: &str| has(&rulings, &of(user, 1, 1), START);
    assert!(is_kept("ada"));
    assert!(
        (0..users).all(|n| is_kept(&format!("user{n}"))) && (0..50).all(|n| is_kept(&format!("late{n}")))
    );
    assert!(has(&rulings, &of("mallory", 200, 1), START));
    assert!(!has(&rulings, &of("mallory", 1, 1), START), "the oldest of the heaviest");
}

#[test]
fn a_ruling_weighs_what_was_sent_until_it_is_given_and_then_what_it_gave() {
    let rulings = Rulings::default();
    let asking = || Joint::new(pending().boxed());
    rulings.find(&of("ada", 1, 1), 1000, START, asking);
    assert_eq!(rulings.size(), (1, RULING_BYTES + 1000));
    rulings.given(&of("ada", 1, 1), &Ok(Some(Body::text("four"))));
    assert_eq!(rulings.size(), (1, RULING_BYTES + 4));
    rulings.given(&of("ada", 1, 1), &Ok(None));
    rulings.given(&of("bob", 1, 1), &Ok(Some(Body::text("of nobody"))));
    assert_eq!(rulings.size(), (1, RULING_BYTES));
}

#[test]
fn what_is_decided_or_too_old_is_forgotten_and_nothing_else() {
    let rulings = Rulings::default();
    let later = START + RULING_AGE_MAX;
    for (user, client, number, now) in
        [("ada", 1, 1, START), ("ada", 1, 2, later), ("ada", 2, 1, later), ("bob", 1, 1, START)]
    {
        rule(&rulings, &of(user, client, number), 0, now);
    }
    rulings.age(later);
    assert_eq!(rulings.size().0, 4, "as old as may be");
    rulings.decided(&key("ada", 1), seq(2));
    assert_eq!(rulings.size().0, 3);
    rulings.age(later + Duration::from_millis(1));
    assert_eq!(rulings.size().0, 2);
    // What nobody has looked for since is not taken when it is too old either.
    assert!(!has(&rulings, &of("ada", 2, 1), later + RULING_AGE_MAX + Duration::from_millis(1)));
    rulings.decided(&key("ada", 1), seq(9));
    rulings.decided(&key("ada", 2), seq(9));
    assert_eq!(rulings.size(), (0, 0));
}

#[test]
fn what_is_forgotten_under_way_is_driven_no_further() {
    let rulings = Arc::new(Rulings::default());
    let (held, of) = (Arc::new(()), of("eve", 1, 1));
    let kept = Arc::downgrade(&held);
    let pending = async move {
        pending::<()>().await;
        drop(held);
        Ok(None)
    };
    let asking = || Joint::new(pending.boxed());
    drop(rulings.find(&of, 0, START, asking));
    let errand = rulings.left(&of).expect("nobody waits for it");
    assert!(rulings.left(&of).is_none(), "it is driven already");
    drop(errand);
    let errand = rulings.left(&of).expect("nobody drives any more");
    block_on(async {
        assert!(poll!(errand.clone()).is_pending() && kept.upgrade().is_some());
        rulings.decided(&key("eve", 1), seq(2));
        errand.await;
    });
    assert!(kept.upgrade().is_none());
    assert!(rulings.left(&of).is_none(), "there is nothing to drive");
}

fn client(anchor: &Anchor, name: &str) -> Publisher {
    let opened = anchor.client(UserId::new(name).unwrap(), ClientId::from_bytes([7; 16])).now_or_never();
    opened.expect("what is in memory is there at once").unwrap()
}

#[test]
fn nothing_is_kept_of_what_the_store_has_decided() {
    block_on(async {
        let env = TestEnvironment::new(3);
        let store = SlowStore::new(MemoryStore::new(env.clone()));
        let censor = Censor::default();
        let anchor = Anchor::builder(store.clone(), env.clone()).hook(censor.clone()).build();
        let count = || anchor.0.rulings.size().0;
        let mut ada = client(&anchor, "ada");
        ada.publish(&RoomId::lobby(), "good").await.unwrap();
        ada.publish(&RoomId::lobby(), "bad").await.unwrap_err();
        assert_eq!(count(), 0);
        // Handed over, and nobody hears what became of it: the next session knows.
        store.hold();
        let mut publish = ada.publish(&RoomId::lobby(), "rude");
        assert!(poll!(&mut publish).is_pending());
        drop(publish);
        assert_eq!((count(), store.held()), (1, 1));
        store.release_all();
        drop(ada);
        let mut ada = client(&anchor, "ada");
        assert_eq!(count(), 0);
        // Asked about, and given up: whoever maintains the engine forgets it in time.
        let mut maintained = anchor.maintain().boxed();
        censor.hold("ada");
        let mut publish = ada.publish(&RoomId::lobby(), "slow");
        assert!(poll!(&mut publish).is_pending());
        drop((publish, ada));
        assert_eq!(count(), 1);
        env.advance(RULING_AGE_MAX + HEADS_POLL);
        assert!(poll!(&mut maintained).is_pending());
        while env.advance_to_next() && count() > 0 {
            assert!(poll!(&mut maintained).is_pending());
        }
        assert_eq!(count(), 0);
        assert_eq!(censor.asked().len(), 4);
    });
}

/// Never rules, and panics where its future is dropped.
#[derive(Debug)]
struct Brittle;

struct Shard;

impl Drop for Shard {
    fn drop(&mut self) {
        panic!("as the test wants it");
    }
}

#[async_trait]
impl Hook for Brittle {
    async fn rule(&self, _: Proposal<'_>) -> Result<Ruling, BoxError> {
        let _shard = Shard;
        pending().await
    }
}

#[test]
fn a_hook_that_panics_when_its_time_is_up_has_failed_and_takes_nobody_along() {
    block_on(async {
        let env = TestEnvironment::new(3);
        let anchor = Anchor::builder(MemoryStore::new(env.clone()), env.clone()).hook(Brittle).build();
        let mut maintained = anchor.maintain().boxed();
        assert!(poll!(&mut maintained).is_pending());
        let mut publish = client(&anchor, "ada").publish(&RoomId::lobby(), "hello");
        assert!(poll!(&mut publish).is_pending());
        env.advance(HOOK_WITHIN);
        assert!(poll!(&mut maintained).is_pending());
        let refused = publish.await;
        assert!(
            matches!(&refused, Err(PublishError::Refused(refusal)) if refusal.code == Code::Moderated),
            "{refused:?}"
        );
    });
}
