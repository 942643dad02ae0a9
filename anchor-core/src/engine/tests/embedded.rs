//! Publishing and subscribing without a connection.

use std::task::Poll;

use futures::executor::block_on;
use futures::{StreamExt, poll};

use crate::code::Code;
use crate::conformance::environment::TestEnvironment;
use crate::engine::{Anchor, Delivery, PublishError, Subscription};
use crate::event::{Draft, EventKind};
use crate::id::{ClientId, RoomId, UserId};
use crate::limits::WINDOW;
use crate::memory::MemoryStore;
use crate::position::Offset;
use crate::publish::MissingRoom;
use crate::session::frame::From;

fn anchor() -> Anchor {
    let env = TestEnvironment::new(3);
    Anchor::builder(MemoryStore::new(env.clone()), env).build()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// Everything a subscription yields without waiting.
async fn texts(subscription: &mut Subscription) -> Vec<String> {
    let mut texts = Vec::new();
    while let Poll::Ready(Some(delivery)) = poll!(subscription.next()) {
        match delivery.unwrap() {
            Delivery::Events(events) => texts.extend(
                events.iter().map(|event| event.unwrap().body.unwrap().as_text().unwrap().to_owned()),
            ),
            Delivery::Gap(gap) => texts.push(format!("{:?} {}..{}", gap.reason, gap.from, gap.to)),
        }
    }
    texts
}

#[test]
fn what_is_published_is_read_once_in_order_by_everybody() {
    block_on(async {
        let anchor = anchor();
        let room = RoomId::lobby();
        let mut early = anchor.subscribe(&room, From::Start).await.unwrap();
        assert!(texts(&mut early).await.is_empty());
        let mut ada = anchor.client(user("ada"), ClientId::from_bytes([1; 16])).await.unwrap();
        for n in 1..=3 {
            let ack = ada.publish(&room, format!("hello {n}")).await.unwrap();
            assert_eq!(ack.mark.offset.0, n);
        }
        let mut late = anchor.subscribe(&room, From::Last(2)).await.unwrap();
        assert_eq!(texts(&mut early).await, ["hello 1", "hello 2", "hello 3"]);
        assert_eq!(texts(&mut late).await, ["hello 2", "hello 3"]);
        drop(ada.publish(&room, "not awaited, appended all the same"));
        assert_eq!(texts(&mut late).await.len(), 1);
        assert_eq!(early.position().offset.0, 3, "it was not asked since");
    });
}

#[test]
fn a_quiet_room_that_is_verified_again_and_again_is_not_taken_for_damaged() {
    block_on(async {
        let anchor = anchor();
        let mut quiet = anchor.subscribe(&RoomId::lobby(), From::Start).await.unwrap();
        for _ in 0..100 {
            anchor.0.tails.all().iter().for_each(|tail| tail.distrust());
            assert!(texts(&mut quiet).await.is_empty());
        }
        let mut ada = anchor.client(user("ada"), ClientId::from_bytes([1; 16])).await.unwrap();
        ada.publish(&RoomId::lobby(), "at last").await.unwrap();
        assert_eq!(texts(&mut quiet).await, ["at last"]);
    });
}

/// A tail that knew of more than a database had after a fail-over was believed again and again, until the reader's session
/// ended with "stored data is damaged".
#[test]
fn a_log_that_went_back_behind_its_tail_is_not_taken_for_damaged() {
    block_on(async {
        let env = TestEnvironment::new(3);
        let store = MemoryStore::new(env.clone());
        let anchor = Anchor::builder(store.clone(), env).build();
        let room = RoomId::lobby();
        let mut watcher = anchor.subscribe(&room, From::Now).await.unwrap();
        let mut ada = anchor.client(user("ada"), ClientId::from_bytes([1; 16])).await.unwrap();
        ada.publish(&room, "kept").await.unwrap();
        let kept = store.snapshot();
        ada.publish(&room, "lost").await.unwrap();
        assert_eq!(texts(&mut watcher).await, ["kept", "lost"]);
        store.restore_from(kept);
        anchor.0.tails.all().iter().for_each(|tail| tail.evict(Offset(2)));
        let mut late = anchor.subscribe(&room, From::Start).await.unwrap();
        assert_eq!(texts(&mut late).await, ["kept"]);
        assert_eq!(texts(&mut watcher).await, ["Restored 2..2"]);
        let mut bob = anchor.client(user("bob"), ClientId::from_bytes([2; 16])).await.unwrap();
        bob.publish(&room, "anew").await.unwrap();
        assert_eq!(texts(&mut late).await, ["anew"]);
        assert_eq!(texts(&mut watcher).await, ["anew"]);
    });
}

#[test]
fn refusals_and_limits_are_errors_by_name() {
    block_on(async {
        let env = TestEnvironment::new(3);
        let anchor =
            Anchor::builder(MemoryStore::new(env.clone()), env).missing_room(MissingRoom::Refuse).build();
        let mut ada = anchor.client(user("ada"), ClientId::from_bytes([1; 16])).await.unwrap();
        let refused = |result: Result<_, PublishError>| match result {
            Err(PublishError::Refused(refusal)) => refusal.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(ada.publish(&RoomId::lobby(), "x").await), Code::RoomUnknown);
        assert_eq!(refused(ada.publish(&RoomId::announcements(), "x").await), Code::Denied);
        let about_nothing = Draft { target: Some(crate::position::Offset::ZERO), ..Draft::message("x") };
        assert_eq!(refused(ada.publish(&RoomId::lobby(), about_nothing).await), Code::Invalid);
        let of_no_kind = Draft { kind: EventKind(99), ..Draft::message("x") };
        assert_eq!(refused(ada.publish(&RoomId::lobby(), of_no_kind).await), Code::KindUnsupported);
        let mut host = anchor.client(user("host"), ClientId::from_bytes([2; 16])).await.unwrap().as_admin();
        host.publish(&RoomId::announcements(), "hear, hear").await.unwrap();
        assert_eq!(refused(ada.publish(&RoomId::announcements(), "x").await), Code::Denied);
    });
}

#[test]
fn a_second_publisher_of_a_client_replaces_the_first() {
    block_on(async {
        let anchor = anchor();
        let mut first = anchor.client(user("ada"), ClientId::from_bytes([1; 16])).await.unwrap();
        first.publish(&RoomId::lobby(), "one").await.unwrap();
        let mut second = anchor.client(user("ada"), ClientId::from_bytes([1; 16])).await.unwrap();
        assert!(matches!(first.publish(&RoomId::lobby(), "two").await, Err(PublishError::Replaced)));
        assert_eq!(second.publish(&RoomId::lobby(), "three").await.unwrap().mark.offset.0, 2);
    });
}

#[test]
fn the_window_bounds_what_is_on_its_way() {
    block_on(async {
        let anchor = anchor();
        let mut ada = anchor.client(user("ada"), ClientId::from_bytes([1; 16])).await.unwrap();
        // Answered by the store, but not looked at: they count as on their way.
        let waiting: Vec<_> = (0..WINDOW).map(|_| ada.publish(&RoomId::lobby(), "x")).collect();
        assert!(matches!(ada.publish(&RoomId::lobby(), "x").await, Err(PublishError::WindowFull)));
        for ack in waiting {
            ack.await.unwrap();
        }
    });
}

#[test]
fn an_outcome_that_nobody_waits_for_takes_no_room_in_the_window() {
    block_on(async {
        let anchor = anchor();
        let mut ada = anchor.client(user("ada"), ClientId::from_bytes([1; 16])).await.unwrap();
        for _ in 0..2 * WINDOW {
            drop(ada.publish(&RoomId::lobby(), "x"));
        }
        assert_eq!(ada.publish(&RoomId::lobby(), "x").await.unwrap().mark.offset.0, 2 * WINDOW as u64 + 1);
    });
}
