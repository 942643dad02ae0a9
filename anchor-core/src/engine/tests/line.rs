//! The line of a publisher: what is called first stands first, whatever must be found out about it and whoever waits.

use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures::executor::block_on;
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, poll};

use super::censor::Censor;
use crate::code::Code;
use crate::conformance::environment::{SplitMix64, TestEnvironment};
use crate::conformance::faults::FailingStore;
use crate::conformance::yield_now;
use crate::engine::{Anchor, Hook, Proposal, PublishError, Publisher, Ruling};
use crate::error::BoxError;
use crate::event::{Draft, EventKind};
use crate::id::{ClientId, RoomId, UserId};
use crate::limits::WINDOW;
use crate::memory::MemoryStore;
use crate::position::Offset;
use crate::publish::Ack;
use crate::store::{Store, StoreExt};

struct House {
    anchor: Anchor,
    store: MemoryStore,
    env: TestEnvironment,
    censor: Censor,
}

impl House {
    fn new() -> Self {
        let env = TestEnvironment::new(3);
        Self::with(&env, Censor::default())
    }

    fn with(env: &TestEnvironment, censor: Censor) -> Self {
        let store = MemoryStore::new(env.clone());
        let anchor = Anchor::builder(store.clone(), env.clone()).hook(censor.clone()).build();
        Self { anchor, store, env: env.clone(), censor }
    }

    fn client(&self, name: &str) -> Publisher {
        client(&self.anchor, name)
    }

    fn log(&self) -> Vec<String> {
        log(&self.store)
    }
}

fn client(anchor: &Anchor, name: &str) -> Publisher {
    let mut id = [0; 16];
    id[..name.len()].copy_from_slice(name.as_bytes());
    let opened = anchor.client(UserId::new(name).unwrap(), ClientId::from_bytes(id)).now_or_never();
    opened.expect("what is in memory is there at once").unwrap()
}

fn log(store: &MemoryStore) -> Vec<String> {
    let events = store.read_all(&RoomId::lobby()).now_or_never();
    let events = events.expect("what is in memory is there at once").unwrap();
    events.into_iter().map(|event| event.body.unwrap().as_text().unwrap().to_owned()).collect()
}

fn reaction(target: u64) -> Draft {
    Draft { kind: EventKind::REACTION, target: Some(Offset(target)), ..Draft::message("+1") }
}

fn code(result: Result<Ack, PublishError>) -> Code {
    match result {
        Err(PublishError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_waits_for_the_last_drives_all_before_it() {
    block_on(async {
        let house = House::new();
        let (mut ada, mut bob) = (house.client("ada"), house.client("bob"));
        house.censor.hold("ada");
        drop(ada.publish(&RoomId::lobby(), "1"));
        let refused = ada.publish(&RoomId::lobby(), "bad");
        let mut third = ada.publish(&RoomId::lobby(), "rude");
        assert!(poll!(&mut third).is_pending());
        assert_eq!(bob.publish(&RoomId::lobby(), "bob's").await.unwrap().mark.offset, Offset(1));
        house.censor.release();
        assert_eq!(third.await.unwrap().mark.offset, Offset(3));
        assert_eq!(code(refused.await), Code::Moderated);
        assert_eq!(house.log(), ["bob's", "1", "polite"]);
        assert_eq!(house.censor.asked(), ["ada 1", "bob 1", "ada 2", "ada 3"]);
    });
}

#[test]
fn a_publish_about_another_stands_where_it_was_called() {
    block_on(async {
        let env = TestEnvironment::new(3);
        let store = MemoryStore::new(env.clone());
        let anchor = Anchor::builder(store.clone(), env).build();
        let mut ada = client(&anchor, "ada");
        ada.publish(&RoomId::lobby(), "first").await.unwrap();
        let reacted = ada.publish(&RoomId::lobby(), reaction(1));
        let unknown = ada.publish(&RoomId::lobby(), reaction(9));
        let behind = ada.publish(&RoomId::lobby(), "behind");
        assert_eq!(behind.await.unwrap().mark.offset, Offset(3));
        assert_eq!(reacted.await.unwrap().mark.offset, Offset(2));
        assert_eq!(code(unknown.await), Code::TargetUnknown);
        drop(ada.publish(&RoomId::lobby(), "at once, as nothing is in line"));
        assert_eq!(log(&store).len(), 4);
    });
}

#[test]
fn what_nobody_waits_for_is_driven_by_whoever_maintains() {
    block_on(async {
        let house = House::new();
        let mut maintained = house.anchor.maintain().boxed();
        assert!(poll!(&mut maintained).is_pending());
        let mut ada = house.client("ada");
        house.censor.hold("ada");
        drop(ada.publish(&RoomId::lobby(), "1"));
        drop(ada.publish(&RoomId::lobby(), "2"));
        drop(ada);
        assert!(poll!(&mut maintained).is_pending());
        assert_eq!(house.log(), [""; 0]);
        house.censor.release();
        assert!(poll!(&mut maintained).is_pending());
        assert_eq!(house.log(), ["1", "2"]);
    });
}

#[test]
fn a_line_that_is_too_long_takes_nothing_more_and_loses_nothing_before() {
    block_on(async {
        let house = House::new();
        let mut ada = house.client("ada");
        house.censor.hold("ada");
        let mut first = ada.publish(&RoomId::lobby(), "0");
        assert!(poll!(&mut first).is_pending(), "it is out of the line, with the hook");
        let waiting: Vec<_> = (1..WINDOW).map(|n| ada.publish(&RoomId::lobby(), n.to_string())).collect();
        let last = ada.publish(&RoomId::lobby(), "the last that has room");
        for _ in 0..2 {
            let over = ada.publish(&RoomId::lobby(), "one too many").await;
            assert!(matches!(over, Err(PublishError::WindowFull)), "{over:?}");
        }
        house.censor.release();
        first.await.unwrap();
        assert!(join_all(waiting).await.into_iter().all(|ack| ack.is_ok()));
        drop(last.await);
        assert_eq!(house.log().iter().filter(|text| *text == "one too many").count(), 0);
    });
}

#[test]
fn behind_what_could_not_be_looked_up_nothing_is_appended() {
    block_on(async {
        let env = TestEnvironment::new(3);
        let store = MemoryStore::new(env.clone());
        let failing = FailingStore::new(store.clone());
        let anchor = Anchor::builder(failing.clone(), env).build();
        let mut ada = client(&anchor, "ada");
        ada.publish(&RoomId::lobby(), "first").await.unwrap();
        let about = ada.publish(&RoomId::lobby(), reaction(1));
        let behind = ada.publish(&RoomId::lobby(), "behind");
        failing.go_away();
        for result in [about.await, behind.await] {
            assert!(matches!(result, Err(PublishError::Store(_))), "{result:?}");
        }
        failing.come_back();
        let later = ada.publish(&RoomId::lobby(), "later").await;
        assert!(matches!(later, Err(PublishError::Store(_))), "the line is broken: {later:?}");
        client(&anchor, "ada").publish(&RoomId::lobby(), "anew").await.unwrap();
        assert_eq!(log(&store), ["first", "anew"]);
    });
}

#[test]
fn a_line_keeps_no_engine_alive() {
    block_on(async {
        let env = TestEnvironment::new(3);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(env.clone()));
        let kept: Weak<dyn Store> = Arc::downgrade(&store);
        let censor = Censor::default();
        let anchor = Anchor::builder_shared(store, Arc::new(env)).hook(censor.clone()).build();
        censor.hold("ada");
        for is_maintained in [false, true] {
            let mut maintained = anchor.maintain().boxed();
            if is_maintained {
                assert!(poll!(&mut maintained).is_pending());
            }
            let mut ada = client(&anchor, "ada");
            let mut waiting = ada.publish(&RoomId::lobby(), "1");
            assert!(poll!(&mut waiting).is_pending());
            drop(ada.publish(&RoomId::lobby(), "2"));
        }
        drop(anchor);
        assert!(kept.upgrade().is_none());
    });
}

/// Two clients publish to a hook that dawdles; some futures are dropped, some polled once, some awaited later.
#[test]
fn the_order_of_the_calls_is_the_order_of_the_log_whoever_polls_what() {
    for seed in 0..200 {
        let env = TestEnvironment::new(seed);
        let house = House::with(&env, Censor::dawdling(&env, seed));
        let mut dice = SplitMix64::new(seed);
        let mut publishers = [house.client("ada"), house.client("bob")];
        let mut kept: Vec<BoxFuture<'static, Result<Ack, PublishError>>> = Vec::new();
        let mut said = [Vec::new(), Vec::new()];
        block_on(async {
            for n in 0..40 {
                let who = usize::from(dice.below(2) == 1);
                let text = format!("{} {n}", ["ada", "bob"][who]);
                let mut publish = publishers[who].publish(&RoomId::lobby(), text.as_str());
                said[who].push(text);
                match dice.below(4) {
                    0 => drop(publish),
                    1 => {
                        assert!(!matches!(poll!(&mut publish), Poll::Ready(Err(_))));
                    }
                    _ => kept.push(publish),
                }
                if dice.below(3) == 0 {
                    house.env.advance(Duration::from_millis(dice.below(30)));
                    if let Some(publish) = kept.first_mut()
                        && poll!(publish).is_ready()
                    {
                        drop(kept.remove(0));
                    }
                }
            }
            kept.extend(
                publishers.iter_mut().map(|publisher| publisher.publish(&RoomId::lobby(), "the end")),
            );
            let mut all = join_all(kept).boxed();
            while poll!(&mut all).is_pending() {
                assert!(house.env.advance_to_next(), "seed {seed}: somebody waits for nothing");
            }
        });
        let log = house.log();
        for (name, said) in ["ada", "bob"].iter().zip(said) {
            let own = log.iter().filter(|text| text.starts_with(name)).cloned();
            assert_eq!(own.collect::<Vec<_>>(), said, "seed {seed}");
        }
    }
}

#[test]
fn an_admin_of_the_host_speaks_to_everybody_and_the_hook_knows() {
    block_on(async {
        let house = House::new();
        let mut host = house.client("host").as_admin();
        house.censor.ban("host");
        host.publish(&RoomId::announcements(), "hear, hear").await.unwrap();
        let mut eve = house.client("eve");
        assert_eq!(code(eve.publish(&RoomId::announcements(), "no").await), Code::Denied);
        assert_eq!(house.censor.asked(), ["host 1", "eve 1"], "the rules come last");
    });
}

/// A hook that others go on beside.
#[derive(Debug)]
struct Yielding;

#[async_trait]
impl Hook for Yielding {
    async fn rule(&self, _: Proposal<'_>) -> Result<Ruling, BoxError> {
        yield_now().await;
        Ok(Ruling::Allow)
    }
}

/// One thread calls, three wait for what it called, each for some; the hook yields.
#[test]
fn threads_that_wait_for_publishes_of_one_line_keep_its_order() {
    const PUBLISHES: usize = 600;
    let env = TestEnvironment::new(5);
    let store = MemoryStore::new(env.clone());
    let anchor = Anchor::builder(store.clone(), env).hook(Yielding).build();
    let mut ada = client(&anchor, "ada");
    block_on(ada.publish(&RoomId::lobby(), "first")).unwrap();
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let (sender, receiver) =
                    std::sync::mpsc::sync_channel::<BoxFuture<'static, Result<Ack, PublishError>>>(8);
                scope.spawn(move || {
                    let mut last = Offset(1);
                    for publish in receiver {
                        let offset = block_on(publish).unwrap().mark.offset;
                        assert!(offset > last, "{offset} is told behind {last}");
                        last = offset;
                    }
                });
                sender
            })
            .collect();
        for n in 0..PUBLISHES {
            let publish = ada.publish(&RoomId::lobby(), n.to_string());
            if n % 7 != 0 {
                waiting[n % 3].send(publish).unwrap();
            }
        }
        drop(waiting);
    });
    block_on(ada.publish(&RoomId::lobby(), "last")).unwrap();
    let expected = (0..PUBLISHES).map(|n| n.to_string());
    let log = log(&store);
    assert!(log[1..=PUBLISHES].iter().cloned().eq(expected), "{log:?}");
}
