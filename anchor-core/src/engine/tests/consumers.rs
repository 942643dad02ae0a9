//! Consumers: at least once, in order, no gap in silence, whatever happens to whoever holds one.

mod holding;
mod model;
#[cfg(feature = "sabotage")]
mod sabotage;

use std::pin::pin;
use std::task::Poll;

use futures::executor::block_on;
use futures::poll;

use crate::conformance::environment::TestEnvironment;
use crate::conformance::faults::FailingStore;
use crate::engine::{
    Anchor, Begin, Consumer, ConsumerError, ConsumerId, ConsumerName, Delivery, Interest, Publisher, Scope,
    Taken, Whose,
};
use crate::event::{Draft, EventKind};
use crate::id::{ClientId, RoomId, UserId};
use crate::limits::{
    CONSUMER_FLUSH, CONSUMER_NOTED_MAX, CONSUMER_PARTS_MAX, CONSUMER_POLL, CONSUMER_ROOM_PARTS_MAX,
    CONSUMERS_OF_USER_MAX,
};
use crate::memory::MemoryStore;
use crate::position::Offset;
use crate::record::{RecordKey, RecordWrite};
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::room::{HistoryAccess, RoomKind};
use crate::run::Contents;
use crate::session::Identity;
use crate::session::frame::From;
use crate::store::Store;

/// A node, and what it stands on.
pub(super) struct Node {
    pub(super) env: TestEnvironment,
    pub(super) store: MemoryStore,
    pub(super) anchor: Anchor,
}

impl Node {
    pub(super) fn new() -> Self {
        let env = TestEnvironment::new(11);
        let store = MemoryStore::new(env.clone());
        let anchor = Anchor::builder(store.clone(), env.clone()).build();
        Self { env, store, anchor }
    }

    /// Another process on the same logs, after this one.
    pub(super) fn restarted(self) -> Self {
        let Self { env, store, .. } = self;
        let store = MemoryStore::open(env.clone(), store.snapshot());
        let anchor = Anchor::builder(store.clone(), env.clone()).build();
        Self { env, store, anchor }
    }

    pub(super) async fn publisher(&self, name: &str) -> Publisher {
        self.anchor.client(user(name), ClientId::random(&self.env)).await.unwrap()
    }

    async fn consumer(&self, scope: Scope) -> Consumer {
        self.anchor.consumer(&name(), scope, Begin::Start).await.unwrap()
    }

    pub(super) async fn say(&self, to: &str, texts: &[&str]) {
        let mut ada = self.publisher("ada").await;
        for text in texts {
            ada.publish(&room(to), *text).await.unwrap();
        }
    }
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn room(name: &str) -> RoomId {
    RoomId::new(name).unwrap()
}

fn name() -> ConsumerName {
    ConsumerName::new("mirror").unwrap()
}

/// What a part is, for people: the room and its texts, or the gap.
fn shown(taken: &Taken) -> Vec<String> {
    let room = &taken.room;
    match &taken.delivery {
        Delivery::Gap(gap) => vec![format!("{room} {} {}..{}", gap.reason.name(), gap.from, gap.to)],
        Delivery::Events(events) => events
            .iter()
            .map(|event| event.unwrap())
            .map(|event| match event.body {
                Some(body) => format!("{room} {}", body.as_text().unwrap()),
                None => format!("{room} redacted"),
            })
            .collect(),
    }
}

/// Everything that is given without waiting.
async fn given(consumer: &mut Consumer) -> Vec<Taken> {
    let mut given = Vec::new();
    while let Poll::Ready(taken) = poll!(Box::pin(consumer.next())) {
        given.push(taken.unwrap());
    }
    given
}

/// The same, shown; and done.
async fn done(consumer: &mut Consumer) -> Vec<String> {
    let given = given(consumer).await;
    given.iter().for_each(|taken| consumer.done(&taken.room, &taken.position()));
    given.iter().flat_map(shown).collect()
}

#[test]
pub(super) fn what_was_not_done_comes_again_after_a_crash_and_what_was_does_not() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a", "b"]).await;
        let mut consumer = node.consumer(Scope::Room(room("lobby"))).await;
        assert_eq!(done(&mut consumer).await, ["lobby a", "lobby b"]);
        consumer.flush().await.unwrap();
        node.say("lobby", &["c"]).await;
        let undone = given(&mut consumer).await;
        assert_eq!(undone.iter().flat_map(shown).collect::<Vec<_>>(), ["lobby c"]);
        consumer.flush().await.unwrap();
        let node = node.restarted();
        let mut consumer = node.consumer(Scope::Room(room("lobby"))).await;
        assert_eq!(done(&mut consumer).await, ["lobby c"]);
        assert!(done(&mut consumer).await.is_empty());
    });
}

#[test]
fn what_is_done_is_durable_within_a_second() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a"]).await;
        let mut consumer = node.consumer(Scope::All).await;
        done(&mut consumer).await;
        let writes = node.store.records("consumed/", None, 10).await.unwrap().len();
        assert_eq!(writes, 0, "merged in memory");
        node.env.advance(CONSUMER_FLUSH);
        assert!(done(&mut consumer).await.is_empty());
        let node = node.restarted();
        assert!(done(&mut node.consumer(Scope::All).await).await.is_empty());
    });
}

#[test]
pub(super) fn what_comes_is_given_at_once_in_rooms_old_and_new() {
    block_on(async {
        let node = Node::new();
        let mut consumer = node.consumer(Scope::All).await;
        assert!(done(&mut consumer).await.is_empty());
        node.say("lobby", &["a"]).await;
        node.say("attic", &["b"]).await;
        assert_eq!(done(&mut consumer).await, ["attic b", "lobby a"]);
        node.say("lobby", &["c"]).await;
        assert_eq!(done(&mut consumer).await, ["lobby c"]);
    });
}

#[test]
fn what_another_node_committed_is_found_by_looking() {
    block_on(async {
        let node = Node::new();
        let other = Node {
            env: node.env.clone(),
            store: node.store.node(),
            anchor: Anchor::builder(node.store.node(), node.env.clone()).build(),
        };
        let mut consumer = node.consumer(Scope::All).await;
        assert!(done(&mut consumer).await.is_empty());
        other.say("lobby", &["a"]).await;
        assert!(done(&mut consumer).await.is_empty(), "nobody told");
        node.env.advance(CONSUMER_POLL);
        assert_eq!(done(&mut consumer).await, ["lobby a"]);
    });
}

#[test]
fn a_busy_room_starves_none() {
    block_on(async {
        let node = Node::new();
        let many: Vec<String> = (0..64 * 20).map(|n| n.to_string()).collect();
        node.say("busy", &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
        node.say("quiet", &["psst"]).await;
        let mut consumer = node.consumer(Scope::All).await;
        let first = consumer.next().await.unwrap();
        let second = consumer.next().await.unwrap();
        assert_eq!((first.room, second.room), (room("busy"), room("quiet")));
    });
}

#[test]
fn what_is_given_at_once_is_bounded_by_room_and_over_all() {
    block_on(async {
        let node = Node::new();
        let many: Vec<String> = (0..64 * 20).map(|n| n.to_string()).collect();
        node.say("busy", &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut consumer = node.consumer(Scope::All).await;
        let some = given(&mut consumer).await;
        assert_eq!(some.len(), CONSUMER_ROOM_PARTS_MAX);
        consumer.done(&some[0].room, &some[0].position());
        assert_eq!(given(&mut consumer).await.len(), 1, "one more for each that is done");
        for n in 0..CONSUMER_PARTS_MAX {
            node.say(&format!("room-{n}"), &["x"]).await;
        }
        let mut count = CONSUMER_ROOM_PARTS_MAX;
        let error = loop {
            match consumer.next().await {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ConsumerError::TooManyOpen), "{error}");
        assert_eq!(count, CONSUMER_PARTS_MAX);
    });
}

#[test]
fn who_opens_it_takes_it_over() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a"]).await;
        let mut first = node.consumer(Scope::All).await;
        let undone = first.next().await.unwrap();
        let mut second = node.consumer(Scope::All).await;
        assert!(matches!(first.next().await, Err(ConsumerError::Replaced)));
        first.done(&undone.room, &undone.position());
        assert!(matches!(first.flush().await, Err(ConsumerError::Replaced)));
        assert!(matches!(first.next().await, Err(ConsumerError::Replaced)));
        assert_eq!(done(&mut second).await, ["lobby a"]);
        let other = node.anchor.consumer(&name(), Scope::Room(room("lobby")), Begin::Start).await;
        assert!(matches!(other, Err(ConsumerError::OtherScope)));
    });
}

#[test]
fn a_holder_that_was_not_told_writes_nothing_any_more() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a"]).await;
        let elsewhere = Anchor::builder(node.store.node(), node.env.clone()).build();
        let mut first = node.consumer(Scope::All).await;
        let taken = first.next().await.unwrap();
        let mut second = elsewhere.consumer(&name(), Scope::All, Begin::Start).await.unwrap();
        first.done(&taken.room, &taken.position());
        assert!(matches!(first.flush().await, Err(ConsumerError::Replaced)));
        assert_eq!(done(&mut second).await, ["lobby a"]);
    });
}

#[test]
fn a_paused_consumer_waits_and_goes_on() {
    block_on(async {
        let node = Node::new();
        let mut consumer = node.consumer(Scope::All).await;
        let id = ConsumerId::of_host(name());
        node.anchor.pause_consumer(&id).await.unwrap();
        node.say("lobby", &["a"]).await;
        assert!(done(&mut consumer).await.is_empty());
        let [info] = &node.anchor.consumers(&Whose::All, None, 10).await.unwrap()[..] else { panic!() };
        assert!(info.paused);
        node.anchor.resume_consumer(&id).await.unwrap();
        assert_eq!(done(&mut consumer).await, ["lobby a"]);
    });
}

#[test]
fn a_replay_begins_anew_for_whoever_holds_it() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a", "b"]).await;
        node.say("attic", &["c"]).await;
        let mut consumer = node.consumer(Scope::All).await;
        assert_eq!(done(&mut consumer).await.len(), 3);
        consumer.flush().await.unwrap();
        let id = ConsumerId::of_host(name());
        node.anchor.replay_consumer(&id, From::Start).await.unwrap();
        assert_eq!(done(&mut consumer).await, ["attic c", "lobby a", "lobby b"]);
        node.anchor.replay_consumer(&id, From::Start).await.unwrap();
        node.anchor.replay_consumer(&id, From::Now).await.unwrap();
        assert!(done(&mut consumer).await.is_empty());
        let nowhere = node.anchor.replay_consumer(&id, From::Last(1)).await;
        assert!(matches!(nowhere, Err(ConsumerError::NoPlace)));
        let positions = node.store.records("consumed/", None, 10).await.unwrap().len();
        assert_eq!(positions, 2, "those of earlier series are gone");
    });
}

#[test]
fn one_room_is_replayed_from_any_place() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a", "b", "c"]).await;
        let mut consumer = node.consumer(Scope::Room(room("lobby"))).await;
        assert_eq!(done(&mut consumer).await.len(), 3);
        let id = ConsumerId::of_host(name());
        node.anchor.replay_consumer(&id, From::Offset(Offset(2))).await.unwrap();
        assert_eq!(done(&mut consumer).await, ["lobby c"]);
        node.anchor.trim(&room("lobby"), Offset(3)).await.unwrap();
        node.anchor.replay_consumer(&id, From::Offset(Offset(1))).await.unwrap();
        assert_eq!(done(&mut consumer).await, ["lobby trimmed 1..2", "lobby c"]);
    });
}

#[test]
fn a_removed_consumer_is_over_and_leaves_nothing() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a"]).await;
        let mut consumer = node.consumer(Scope::All).await;
        done(&mut consumer).await;
        consumer.flush().await.unwrap();
        let id = ConsumerId::of_host(name());
        node.anchor.remove_consumer(&id).await.unwrap();
        assert!(matches!(consumer.next().await, Err(ConsumerError::Removed)));
        assert!(node.store.records("consum", None, 10).await.unwrap().is_empty());
        assert!(matches!(node.anchor.remove_consumer(&id).await, Err(ConsumerError::Removed)));
        assert_eq!(done(&mut node.consumer(Scope::All).await).await, ["lobby a"]);
    });
}

#[test]
fn one_that_begins_now_is_given_what_comes() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a"]).await;
        let mut consumer = node.anchor.consumer(&name(), Scope::All, Begin::Now).await.unwrap();
        assert!(done(&mut consumer).await.is_empty());
        node.say("lobby", &["b"]).await;
        node.say("attic", &["c"]).await;
        assert_eq!(done(&mut consumer).await, ["attic c", "lobby b"]);
    });
}

#[test]
pub(super) fn what_was_trimmed_restored_away_or_deleted_is_told() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a"]).await;
        let kept = node.store.snapshot();
        node.say("lobby", &["b", "c"]).await;
        let mut consumer = node.consumer(Scope::All).await;
        assert_eq!(done(&mut consumer).await.len(), 3);
        consumer.flush().await.unwrap();
        // The consumer's own records are not in the backup: put its position back by hand, as one that a receiver keeps.
        let records = node.store.records("consum", None, 10).await.unwrap();
        node.store.restore_from(kept);
        for (key, value) in records {
            let write = RecordWrite { guard: None, puts: vec![(key, Some(value))] };
            let _ = node.store.write_records(write).await.unwrap();
        }
        node.say("lobby", &["d", "e"]).await;
        let mut consumer = node.consumer(Scope::All).await;
        assert_eq!(done(&mut consumer).await, ["lobby restored 2..3", "lobby d", "lobby e"]);
        node.say("lobby", &["f", "g"]).await;
        node.anchor.trim(&room("lobby"), Offset(5)).await.unwrap();
        assert_eq!(done(&mut consumer).await, ["lobby trimmed 4..4", "lobby g"]);
        delete(&node, "lobby").await;
        assert_eq!(done(&mut consumer).await, ["lobby deleted 1..5"]);
        assert!(done(&mut consumer).await.is_empty());
        consumer.flush().await.unwrap();
        assert!(node.store.records("consumed/", None, 10).await.unwrap().is_empty(), "nothing is kept of it");
        begin(&node, "lobby").await;
        assert_eq!(done(&mut consumer).await.len(), 1);
        delete(&node, "lobby").await;
        begin(&node, "lobby").await;
        let again = done(&mut consumer).await;
        assert_eq!(again[0], "lobby history 1..1", "another log in its place");
    });
}

async fn delete(node: &Node, name: &str) {
    change(node, name, &RoomChange::Delete).await;
}

async fn begin(node: &Node, name: &str) {
    let settings = Settings::default();
    change(node, name, &RoomChange::Create { kind: RoomKind::Public, settings, user: None }).await;
}

async fn change(node: &Node, name: &str, change: &RoomChange) {
    let draft = Draft { kind: EventKind::ROOM, target: None, body: change.to_body() };
    let mut root = node.publisher("root").await.as_admin();
    root.publish(&room(name), draft).await.unwrap();
}

#[test]
fn what_was_redacted_comes_without_its_body() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a", "secret"]).await;
        let draft = Draft { kind: EventKind::REDACTION, target: Some(Offset(2)), body: "".into() };
        node.publisher("ada").await.publish(&room("lobby"), draft).await.unwrap();
        let mut consumer = node.consumer(Scope::All).await;
        assert_eq!(done(&mut consumer).await, ["lobby a", "lobby redacted", "lobby "]);
    });
}

#[test]
fn plain_messages_do_not_wake_a_consumer_that_wants_others() {
    block_on(async {
        let node = Node::new();
        let mut consumer =
            node.consumer(Scope::All).await.interested_in(Interest::any_of(Contents::TARGETED));
        assert!(done(&mut consumer).await.is_empty());
        node.say("lobby", &["a", "b"]).await;
        assert!(consumer.is_unnoted());
        let draft = Draft { kind: EventKind::MESSAGE, target: Some(Offset(1)), body: "reply".into() };
        node.publisher("bob").await.publish(&room("lobby"), draft).await.unwrap();
        assert!(!consumer.is_unnoted());
        assert!(done(&mut consumer).await.contains(&"lobby reply".to_owned()));
        node.say("lobby", &["c"]).await;
        node.env.advance(CONSUMER_POLL);
        assert!(done(&mut consumer).await.is_empty(), "passed over");
        assert_eq!(consumer.lag(), Some(0));
    });
}

#[test]
fn more_rooms_than_are_noted_are_all_looked_at() {
    block_on(async {
        let node = Node::new();
        let mut consumer = node.consumer(Scope::All).await;
        assert!(done(&mut consumer).await.is_empty());
        let mut ada = node.publisher("ada").await;
        for n in 0..CONSUMER_NOTED_MAX + 10 {
            ada.publish(&room(&format!("room-{n}")), "x").await.unwrap();
        }
        let mut count = 0;
        while let Poll::Ready(taken) = poll!(Box::pin(consumer.next())) {
            let taken = taken.unwrap();
            consumer.done(&taken.room, &taken.position());
            count += 1;
        }
        assert_eq!(count, CONSUMER_NOTED_MAX + 10);
    });
}

#[test]
fn the_lag_is_what_is_there_and_not_done() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a", "b", "c"]).await;
        node.say("attic", &["d"]).await;
        let lag = async || node.anchor.consumers(&Whose::All, None, 10).await.unwrap()[0].lag;
        let mut consumer = node.consumer(Scope::All).await;
        let taken = given(&mut consumer).await;
        assert_eq!(lag().await, Some(4));
        consumer.done(&room("lobby"), &taken.last().unwrap().position());
        assert_eq!(lag().await, Some(1));
        node.say("lobby", &["e"]).await;
        assert_eq!(lag().await, Some(2));
        consumer.flush().await.unwrap();
        drop(consumer);
        assert_eq!(lag().await, Some(2), "as it is kept");
    });
}

#[test]
fn a_users_consumer_reads_what_the_user_may_read() {
    block_on(async {
        let node = Node::new();
        let club = room("club");
        let settings = Settings { history: Some(HistoryAccess::SinceJoin), ..Settings::default() };
        let group = RoomChange::Create { kind: RoomKind::Group, settings, user: None };
        let mut ada = node.publisher("ada").await;
        ada.publish(&club, Draft { kind: EventKind::ROOM, target: None, body: group.to_body() })
            .await
            .unwrap();
        ada.publish(&club, "before").await.unwrap();
        let bob = Identity { user: user("bob"), admin: false };
        let mirror = name();
        let open = |scope| node.anchor.consumer_as(bob.clone(), &mirror, scope, Begin::Start);
        assert!(matches!(open(Scope::Room(club.clone())).await, Err(ConsumerError::Refused(_))));
        assert!(matches!(open(Scope::All).await, Err(ConsumerError::Refused(_))));
        let invite = MembershipChange::Invite { user: user("bob"), role: None };
        ada.publish(&club, Draft { kind: EventKind::MEMBERSHIP, target: None, body: invite.to_body() })
            .await
            .unwrap();
        let mut bobs = node.publisher("bob").await;
        let accept = MembershipChange::Accept.to_body();
        bobs.publish(&club, Draft { kind: EventKind::MEMBERSHIP, target: None, body: accept }).await.unwrap();
        let mut consumer = open(Scope::Room(club.clone())).await.unwrap();
        ada.publish(&club, "hello").await.unwrap();
        let seen = done(&mut consumer).await;
        assert_eq!((seen[0].as_str(), seen.last().unwrap().as_str()), ("club hidden 1..3", "club hello"));
        let kick = MembershipChange::Kick { user: user("bob") }.to_body();
        ada.publish(&club, Draft { kind: EventKind::MEMBERSHIP, target: None, body: kick }).await.unwrap();
        ada.publish(&club, "gone").await.unwrap();
        let last = consumer.next().await.unwrap();
        assert!(!shown(&last).contains(&"club gone".to_owned()));
        assert!(matches!(consumer.next().await, Err(ConsumerError::Refused(_))));
        let own = node.anchor.consumers(&Whose::User(user("bob")), None, 10).await.unwrap();
        assert_eq!(own[0].id, ConsumerId::of_user(user("bob"), name()));
        assert_eq!(node.anchor.consumers(&Whose::All, None, 10).await.unwrap(), own);
    });
}

#[test]
fn what_was_given_before_a_replay_is_not_done_in_it() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a", "b"]).await;
        let mut consumer = node.consumer(Scope::All).await;
        let before = given(&mut consumer).await;
        node.anchor.replay_consumer(&ConsumerId::of_host(name()), From::Start).await.unwrap();
        consumer.done(&room("lobby"), &before.last().unwrap().position());
        consumer.flush().await.unwrap();
        assert!(node.store.records("consumed/", None, 10).await.unwrap().is_empty());
        assert_eq!(done(&mut consumer).await, ["lobby a", "lobby b"]);
    });
}

#[test]
fn a_user_has_so_many_consumers_and_no_more() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a"]).await;
        let open = async |n: usize| {
            let bob = Identity { user: user("bob"), admin: false };
            let name = ConsumerName::new(format!("bot-{n}")).unwrap();
            node.anchor.consumer_as(bob, &name, Scope::Room(room("lobby")), Begin::Start).await.map(drop)
        };
        for n in 0..CONSUMERS_OF_USER_MAX {
            open(n).await.unwrap();
        }
        assert!(matches!(open(CONSUMERS_OF_USER_MAX).await, Err(ConsumerError::TooMany)));
        open(0).await.unwrap();
        node.consumer(Scope::All).await;
    });
}

#[test]
fn a_damaged_consumer_hides_no_other_and_can_be_removed() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["a"]).await;
        for name in ["a", "b", "c", "d"] {
            let name = ConsumerName::new(name).unwrap();
            node.anchor.consumer(&name, Scope::All, Begin::Start).await.unwrap();
        }
        let put = async |key: &str, value: Option<Vec<u8>>| {
            let puts = vec![(RecordKey::new(key).unwrap(), value)];
            let _ = node.store.write_records(RecordWrite { guard: None, puts }).await.unwrap();
        };
        put("consumer/host/b", Some(vec![0xc1])).await;
        let listed = async |limit| {
            let infos = node.anchor.consumers(&Whose::Host, None, limit).await.unwrap();
            infos.into_iter().map(|info| (info.id.name.as_str().to_owned(), info.lag)).collect::<Vec<_>>()
        };
        let shown =
            |names: &[&str], lag| names.iter().map(|name| (name.to_string(), lag)).collect::<Vec<_>>();
        assert_eq!(listed(10).await, shown(&["a", "c", "d"], Some(1)));
        assert_eq!(listed(2).await, shown(&["a", "c"], Some(1)), "a page is as long as is asked for");
        let damaged = ConsumerId::of_host(ConsumerName::new("b").unwrap());
        node.anchor.remove_consumer(&damaged).await.unwrap();
        assert!(node.store.record(&RecordKey::new("consumer/host/b").unwrap()).await.unwrap().is_none());
        // Of one whose position is damaged the lag is not known.
        let mut consumer = node.anchor.consumer(&damaged.name, Scope::All, Begin::Start).await.unwrap();
        done(&mut consumer).await;
        consumer.flush().await.unwrap();
        drop(consumer);
        let [(key, _)] = &node.store.records("consumed/host/b/", None, 2).await.unwrap()[..] else {
            panic!()
        };
        put(key.as_str(), Some(vec![0xc1])).await;
        assert_eq!(listed(10).await[1], ("b".to_owned(), None));
    });
}

#[test]
fn a_read_that_is_given_up_loses_nothing() {
    block_on(async {
        // Given up after so many polls, of which the last gives it all.
        for polls in 0.. {
            let env = TestEnvironment::new(11);
            let store = FailingStore::new(MemoryStore::new(env.clone()));
            let anchor = Anchor::builder(store.clone(), env.clone()).build();
            let node = Node { env, store: store.inner().clone(), anchor };
            let mut consumer = node.consumer(Scope::All).await;
            assert!(given(&mut consumer).await.is_empty());
            node.say("lobby", &["a"]).await;
            node.say("attic", &["b"]).await;
            store.hesitate();
            let first = {
                let mut next = pin!(consumer.next());
                let mut first = None;
                for _ in 0..polls {
                    if let Poll::Ready(taken) = poll!(next.as_mut()) {
                        first = Some(taken.unwrap());
                        break;
                    }
                }
                first
            };
            let is_over = first.is_some();
            let mut all: Vec<_> = first.iter().flat_map(shown).collect();
            while all.len() < 2 {
                all.extend(shown(&consumer.next().await.unwrap()));
            }
            assert_eq!(all, ["attic b", "lobby a"], "given up after {polls} polls");
            if is_over {
                assert!(polls > 2, "it was given up in the middle");
                return;
            }
        }
    });
}
