//! What rooms do not keep any longer goes, by number and by age, and readers are told.

use std::time::Duration;

use futures::StreamExt;
use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt};
use proptest::prelude::*;

use crate::conformance::environment::TestEnvironment;
use crate::engine::Anchor;
use crate::engine::retention::Walk;
use crate::environment::Environment;
use crate::event::{Draft, EventKind};
use crate::id::{ClientId, RoomId, UserId};
use crate::limits::{HEADS_POLL, RETENTION_EVERY};
use crate::memory::MemoryStore;
use crate::position::Offset;
use crate::room::change::{RoomChange, Settings};
use crate::room::{Retention, RoomKind};
use crate::session::Identity;
use crate::session::frame::{CursorFrame, From};
use crate::store::Store;

struct House {
    env: TestEnvironment,
    store: MemoryStore,
    anchor: Anchor,
}

impl House {
    fn new() -> Self {
        let env = TestEnvironment::new(5);
        let store = MemoryStore::new(env.clone());
        let anchor = Anchor::builder(store.clone(), env.clone()).build();
        Self { env, store, anchor }
    }

    fn publish(&self, room: &str, draft: impl Into<Draft>) {
        let mut id = [0; 16];
        self.env.fill_random(&mut id);
        block_on(async {
            let user = UserId::new("olga").unwrap();
            let mut olga = self.anchor.client(user, ClientId::from_bytes(id)).await.unwrap();
            olga.publish(&RoomId::new(room).unwrap(), draft).await.unwrap();
        });
    }

    /// A room whose first event creates it.
    fn create(&self, room: &str, retention: Retention) {
        let settings = Settings { retention: Some(retention), ..Settings::default() };
        let change = RoomChange::Create { kind: RoomKind::Public, settings, user: None };
        self.publish(room, Draft { kind: EventKind::ROOM, target: None, body: change.to_body() });
    }

    fn horizon(&self, room: &str) -> Offset {
        block_on(self.store.room(&RoomId::new(room).unwrap())).unwrap().unwrap().horizon
    }
}

/// Lets a maintained engine take its turn.
fn turn(env: &TestEnvironment, maintained: &mut BoxFuture<'_, ()>, after: Duration) {
    env.advance(after);
    let mut cx = std::task::Context::from_waker(futures::task::noop_waker_ref());
    assert!(maintained.poll_unpin(&mut cx).is_pending());
}

#[test]
fn the_newest_are_kept_by_number_and_by_age_and_everything_where_nothing_is_said() {
    let house = House::new();
    let minute = Duration::from_secs(60);
    house.create("count", Retention::Count(3));
    house.create("age", Retention::Age(20 * 60_000));
    house.create("forever", Retention::Forever);
    for _ in 0..10 {
        house.env.advance(minute);
        for room in ["count", "age", "forever", "plain"] {
            house.publish(room, "hello");
        }
    }
    let mut maintained = house.anchor.maintain().boxed();
    turn(&house.env, &mut maintained, Duration::ZERO);
    turn(&house.env, &mut maintained, HEADS_POLL);
    let horizons = || ["count", "age", "forever", "plain"].map(|room| house.horizon(room).0);
    assert_eq!(horizons(), [9, 1, 1, 1]);
    house.publish("count", "one more");
    turn(&house.env, &mut maintained, HEADS_POLL);
    assert_eq!(horizons()[0], 9, "the next walk is not yet due");
    turn(&house.env, &mut maintained, RETENTION_EVERY);
    assert_eq!(horizons()[0], 10);
    // 10 minutes and 10 seconds later: the oldest are older than 20 minutes.
    assert_eq!(horizons()[1], 2);
    turn(&house.env, &mut maintained, 5 * minute + RETENTION_EVERY);
    assert_eq!(horizons(), [10, 12, 1, 1], "nothing is left of what is too old, not even the newest");
    house.publish("age", "new");
    assert_eq!(horizons()[1], 12);
}

#[test]
fn a_walk_takes_a_little_at_a_time_and_comes_to_every_room() {
    let house = House::new();
    let rooms: Vec<_> = (0..100).map(|n| format!("room-{n}")).collect();
    for room in &rooms {
        house.create(room, Retention::Count(1));
        house.publish(room, "hello");
    }
    let mut walk = Walk::new(house.anchor.now());
    let trimmed = || rooms.iter().filter(|room| house.horizon(room) == Offset(2)).count();
    for expected in [32, 64, 96, 100, 100] {
        block_on(walk.step(&house.anchor)).unwrap();
        assert_eq!(trimmed(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// By age exactly those go that are older, however they lie in pages.
    #[test]
    fn by_age_exactly_the_older_ones_go(
        pauses in prop::collection::vec(prop_oneof![3 => Just(0_u64), 1 => 1..50_u64], 1..150),
        age in 1..200_u64,
    ) {
        let house = House::new();
        house.create("room", Retention::Age(age));
        let mut written = vec![house.env.unix_ms()];
        for pause in pauses {
            house.env.advance(Duration::from_millis(pause));
            written.push(house.env.unix_ms());
            house.publish("room", "hello");
        }
        let mut walk = Walk::new(house.anchor.now());
        block_on(walk.step(&house.anchor)).unwrap();
        let oldest = house.env.unix_ms() - age;
        let gone = written.iter().filter(|ts| **ts < oldest).count() as u64;
        prop_assert_eq!(house.horizon("room"), Offset(gone + 1));
    }
}

#[test]
fn a_walk_learns_what_another_node_has_trimmed() {
    let house = House::new();
    (0..10).for_each(|_| house.publish("plain", "hello"));
    let room = RoomId::new("plain").unwrap();
    let ada = Identity { user: UserId::new("ada").unwrap(), admin: false };
    block_on(async {
        let mut reading = house.anchor.subscribe(&room, From::Start).await.unwrap();
        reading.next().await.unwrap().unwrap();
        let epoch = house.store.room(&room).await.unwrap().unwrap().epoch();
        let cursor = CursorFrame { room: room.clone(), epoch, delivered: None, read: Some(Offset(1)) };
        house.anchor.move_cursor(&ada, cursor).await.unwrap();
        house.anchor.flush_cursors().await.unwrap();
        let other = Anchor::builder(house.store.clone(), house.env.clone()).build();
        other.trim(&room, Offset(7)).await.unwrap();
        Walk::new(house.anchor.now()).step(&house.anchor).await.unwrap();
        let unread = house.anchor.unread(&ada, std::slice::from_ref(&room)).await.unwrap();
        assert_eq!(unread[0].map(|unread| unread.messages), Some(4));
    });
}
