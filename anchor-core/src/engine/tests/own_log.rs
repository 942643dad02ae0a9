//! Users' own logs: each thing that concerns a user once, whatever crashes and however many nodes derive it.

#[cfg(feature = "sabotage")]
mod sabotage;

use std::task::Poll;
use std::time::Duration;

use futures::executor::block_on;
use futures::poll;

use super::consumers::{Node, room, user};
use crate::code::Code;
use crate::engine::own_log::{Derived, Deriving};
use crate::engine::{Anchor, Consumer, Delivery, Entry, PublishError, Publisher, ReadError, Taken};
use crate::event::{Body, Draft, EventKind, Mentions};
use crate::id::RoomId;
use crate::limits::{OWN_LOG_RESTS, OWN_LOG_ROOM_MAX};
use crate::position::Offset;
use crate::record::RecordKey;
use crate::room::RoomKind;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::session::Identity;
use crate::session::frame::{From, HistoryRange, RequestId, Which};
use crate::store::{Store, StoreExt};
use crate::user::{Direct, UserChange};

/// Everything that is given without waiting, not yet done.
async fn given(consumer: &mut Consumer) -> Vec<Taken> {
    let mut given = Vec::new();
    while let Poll::Ready(taken) = poll!(Box::pin(consumer.next())) {
        given.push(taken.unwrap());
    }
    given
}

async fn derive_each(anchor: &Anchor, given: &[Taken]) {
    let mut deriving = Deriving::default();
    for taken in given {
        anchor.derive_taken(taken, &mut deriving).await.unwrap();
    }
}

/// Derives all that there is.
async fn derive(node: &Node) {
    let mut consumer = node.anchor.own_log_consumer().await.unwrap();
    let given = given(&mut consumer).await;
    derive_each(&node.anchor, &given).await;
    given.iter().for_each(|taken| consumer.done(&taken.room, &taken.position()));
    consumer.flush().await.unwrap();
}

/// What stands in a user's own log: who did it, what it is, and where.
async fn entries(node: &Node, name: &str) -> Vec<String> {
    let events = node.store.read_all(&RoomId::own_log(&user(name))).await.unwrap();
    let shown = events.into_iter().map(|event| {
        let Entry { kind, room, offset, .. } = Entry::from_body(&event.body.unwrap()).unwrap();
        format!("{} {} {room} {offset}", event.user, kind.name())
    });
    shown.collect()
}

fn mentioning(text: &str, whole: bool, names: &[&str]) -> Draft {
    let mentions = Mentions::new(whole, names.iter().map(|name| user(name))).unwrap();
    Draft::message(Body::text(text).mentioning(mentions))
}

fn about(kind: EventKind, target: u64, draft: Draft) -> Draft {
    Draft { kind, target: Some(Offset(target)), ..draft }
}

fn membership(change: &MembershipChange) -> Draft {
    Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() }
}

fn create(kind: RoomKind, other: Option<&str>) -> Draft {
    let change = RoomChange::Create { kind, settings: Settings::default(), user: other.map(user) };
    Draft { kind: EventKind::ROOM, target: None, body: change.to_body() }
}

async fn joins(node: &Node, name: &str, club: &RoomId, owner: &mut Publisher) {
    let invite = MembershipChange::Invite { user: user(name), role: None };
    owner.publish(club, membership(&invite)).await.unwrap();
    node.publisher(name).await.publish(club, membership(&MembershipChange::Accept)).await.unwrap();
}

#[test]
fn mentions_replies_invitations_and_direct_rooms_are_entered() {
    block_on(async {
        let node = Node::new();
        let (lobby, club) = (room("lobby"), room("club"));
        let mut ada = node.publisher("ada").await;
        let mut bob = node.publisher("bob").await;
        ada.publish(&lobby, "nobody is meant").await.unwrap();
        ada.publish(&lobby, mentioning("@bob @ada", false, &["bob", "ada"])).await.unwrap();
        bob.publish(&lobby, about(EventKind::MESSAGE, 1, Draft::message("a reply"))).await.unwrap();
        ada.publish(&club, create(RoomKind::Group, None)).await.unwrap();
        ada.publish(&club, membership(&MembershipChange::Invite { user: user("bob"), role: None }))
            .await
            .unwrap();
        node.anchor.change_user(&user("bob"), UserChange::Direct(Direct::Everyone)).await.unwrap().unwrap();
        let direct = RoomId::direct(&user("ada"), &user("bob"));
        ada.publish(&direct, create(RoomKind::Direct, Some("bob"))).await.unwrap();
        derive(&node).await;
        let mut bobs = entries(&node, "bob").await;
        bobs.sort();
        assert_eq!(bobs[0], format!("ada direct {direct} 1"));
        assert_eq!(bobs[1..], ["ada invitation club 2", "ada mention lobby 2"]);
        assert_eq!(entries(&node, "ada").await, ["bob reply lobby 3"]);
    });
}

#[test]
fn whoever_crashes_wherever_each_is_entered_once() {
    for step in 0..4 {
        block_on(async {
            let node = Node::new();
            let mut ada = node.publisher("ada").await;
            for n in 0..3 {
                ada.publish(&room("lobby"), mentioning(&n.to_string(), false, &["bob", "carol"]))
                    .await
                    .unwrap();
            }
            let mut consumer = node.anchor.own_log_consumer().await.unwrap();
            let given = given(&mut consumer).await;
            assert!(!given.is_empty());
            if step > 0 {
                derive_each(&node.anchor, &given).await;
            }
            if step > 1 {
                given.iter().for_each(|taken| consumer.done(&taken.room, &taken.position()));
            }
            if step > 2 {
                consumer.flush().await.unwrap();
            }
            drop(consumer);
            let node = node.restarted();
            derive(&node).await;
            derive(&node).await;
            let expected = [1, 2, 3].map(|offset| format!("ada mention lobby {offset}"));
            assert_eq!(entries(&node, "bob").await, expected, "crashed at step {step}");
            assert_eq!(entries(&node, "carol").await, expected, "crashed at step {step}");
        });
    }
}

#[test]
fn nodes_that_derive_at_the_same_time_enter_each_once() {
    block_on(async {
        let node = Node::new();
        let other = Anchor::builder(node.store.node(), node.env.clone()).build();
        let club = room("club");
        let mut ada = node.publisher("ada").await;
        ada.publish(&club, create(RoomKind::Group, None)).await.unwrap();
        joins(&node, "bob", &club, &mut ada).await;
        derive(&node).await;
        ada.publish(&club, mentioning("@room", true, &[])).await.unwrap();
        let mut one = node.anchor.own_log_consumer().await.unwrap();
        let given_one = given(&mut one).await;
        let mut two = other.own_log_consumer().await.unwrap();
        let given_two = given(&mut two).await;
        // They see different members, the second one more.
        derive_each(&node.anchor, &given_one).await;
        joins(&node, "aaron", &club, &mut ada).await;
        derive_each(&other, &given_two).await;
        derive_each(&node.anchor, &given_one).await;
        let called = |entries: Vec<String>| entries.iter().filter(|entry| entry.contains("mention")).count();
        assert_eq!(called(entries(&node, "bob").await), 1);
        assert_eq!(called(entries(&node, "aaron").await), 0, "the first batch decided whom it concerns");
    });
}

#[test]
fn an_edit_enters_whom_it_mentions_newly() {
    block_on(async {
        let node = Node::new();
        let lobby = room("lobby");
        let mut ada = node.publisher("ada").await;
        ada.publish(&lobby, mentioning("@bob", false, &["bob"])).await.unwrap();
        let edit = |names: &[&str]| about(EventKind::EDIT, 1, mentioning("again", false, names));
        ada.publish(&lobby, edit(&["bob", "carol"])).await.unwrap();
        ada.publish(&lobby, edit(&["carol", "dave"])).await.unwrap();
        derive(&node).await;
        assert_eq!(entries(&node, "bob").await, ["ada mention lobby 1"]);
        assert_eq!(entries(&node, "carol").await, ["ada mention lobby 1"]);
        assert_eq!(entries(&node, "dave").await, ["ada mention lobby 1"]);
    });
}

#[test]
fn what_was_redacted_first_is_not_entered_and_an_entry_quotes_nothing() {
    block_on(async {
        let node = Node::new();
        let lobby = room("lobby");
        let mut ada = node.publisher("ada").await;
        ada.publish(&lobby, mentioning("the secret of @bob", false, &["bob"])).await.unwrap();
        derive(&node).await;
        ada.publish(&lobby, about(EventKind::REDACTION, 1, Draft::message(""))).await.unwrap();
        ada.publish(&lobby, mentioning("another secret", false, &["bob"])).await.unwrap();
        ada.publish(&lobby, about(EventKind::REDACTION, 3, Draft::message(""))).await.unwrap();
        derive(&node).await;
        assert_eq!(entries(&node, "bob").await, ["ada mention lobby 1"], "a reference, which stays");
        let own = node.store.read_all(&RoomId::own_log(&user("bob"))).await.unwrap();
        let text = String::from_utf8(own[0].body.as_ref().unwrap().bytes().to_vec()).unwrap();
        assert!(!text.contains("secret"), "{text}");
    });
}

#[test]
fn nobody_is_told_of_what_they_may_not_read_or_of_whom_they_blocked() {
    block_on(async {
        let node = Node::new();
        let (lobby, club) = (room("lobby"), room("club"));
        let mut ada = node.publisher("ada").await;
        ada.publish(&club, create(RoomKind::Group, None)).await.unwrap();
        ada.publish(&club, mentioning("@eve", false, &["eve"])).await.unwrap();
        node.anchor.change_user(&user("bob"), UserChange::Block(user("ada"))).await.unwrap().unwrap();
        ada.publish(&lobby, mentioning("@bob", false, &["bob"])).await.unwrap();
        ada.publish(&club, membership(&MembershipChange::Invite { user: user("bob"), role: None }))
            .await
            .unwrap();
        derive(&node).await;
        assert!(entries(&node, "eve").await.is_empty());
        assert!(entries(&node, "bob").await.is_empty());
    });
}

#[test]
fn a_call_to_the_whole_room_is_entered_for_all_members_of_small_rooms() {
    block_on(async {
        let node = Node::new();
        for (name, others) in [("small", OWN_LOG_ROOM_MAX - 1), ("large", OWN_LOG_ROOM_MAX)] {
            let club = room(name);
            let mut ada = node.publisher("ada").await;
            ada.publish(&club, create(RoomKind::Public, None)).await.unwrap();
            for n in 0..others {
                let mut member = node.publisher(&format!("user-{n}")).await;
                member.publish(&club, membership(&MembershipChange::Join)).await.unwrap();
            }
            ada.publish(&club, mentioning("@room", true, &["user-3"])).await.unwrap();
        }
        derive(&node).await;
        let called = [
            format!("ada mention large {}", OWN_LOG_ROOM_MAX + 2),
            format!("ada mention small {}", OWN_LOG_ROOM_MAX + 1),
        ];
        assert_eq!(entries(&node, "user-0").await, called[1..]);
        assert_eq!(entries(&node, "user-3").await, called, "who is named is called in any room");
        assert!(entries(&node, "ada").await.is_empty());
    });
}

#[test]
fn maintaining_the_engine_derives_unless_the_host_wants_none() {
    block_on(async {
        let node = Node::new();
        let mut maintained = Box::pin(node.anchor.maintain());
        assert!(poll!(&mut maintained).is_pending());
        node.publisher("ada")
            .await
            .publish(&room("lobby"), mentioning("@bob", false, &["bob"]))
            .await
            .unwrap();
        assert!(poll!(&mut maintained).is_pending());
        assert_eq!(entries(&node, "bob").await, ["ada mention lobby 1"]);
        let other = Node::new();
        let quiet = Anchor::builder(other.store.clone(), other.env.clone()).without_own_logs().build();
        let mut maintained = Box::pin(quiet.maintain());
        assert!(poll!(&mut maintained).is_pending());
        other
            .publisher("ada")
            .await
            .publish(&room("lobby"), mentioning("@bob", false, &["bob"]))
            .await
            .unwrap();
        assert!(poll!(&mut maintained).is_pending());
        assert!(entries(&other, "bob").await.is_empty());
    });
}

fn pass(node: &Node, maintained: &mut [std::pin::Pin<Box<dyn Future<Output = ()> + '_>>], time: Duration) {
    let mut cx = std::task::Context::from_waker(futures::task::noop_waker_ref());
    for _ in 0..time.as_millis() / 500 {
        node.env.advance(Duration::from_millis(500));
        for maintained in &mut *maintained {
            assert!(maintained.as_mut().poll(&mut cx).is_pending());
        }
    }
}

/// It takes entries with it that the engine remembers to have made, and more is said before anybody has noticed.
#[test]
fn a_database_that_goes_back_under_an_engine_loses_no_entry() {
    block_on(async {
        for says_more in [false, true] {
            let node = Node::new();
            let mut maintained = [Box::pin(node.anchor.maintain()) as _];
            let mention = mentioning("@bob", false, &["bob"]);
            let mut ada = node.publisher("ada").await;
            ada.publish(&room("lobby"), mention.clone()).await.unwrap();
            pass(&node, &mut maintained, Duration::from_secs(1));
            ada.publish(&room("lobby"), mention.clone()).await.unwrap();
            ada.publish(&room("lobby"), mention.clone()).await.unwrap();
            let backup = node.store.snapshot();
            pass(&node, &mut maintained, Duration::from_secs(3));
            assert_eq!(entries(&node, "bob").await.len(), 3);
            node.store.restore_from(backup);
            assert_eq!(entries(&node, "bob").await.len(), 1, "the others are gone, and their events are not");
            let mut expected = vec!["ada mention lobby 1", "ada mention lobby 2", "ada mention lobby 3"];
            if says_more {
                node.publisher("ada").await.publish(&room("lobby"), mention).await.unwrap();
                expected.push("ada mention lobby 4");
            }
            pass(&node, &mut maintained, Duration::from_secs(20));
            assert_eq!(entries(&node, "bob").await, expected);
        }
    });
}

#[test]
fn entries_of_a_log_that_was_trimmed_and_set_back_are_made() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["one", "two"]).await;
        let mut ada = node.publisher("ada").await;
        ada.publish(&room("lobby"), mentioning("@bob", false, &["bob"])).await.unwrap();
        node.anchor.trim(&room("lobby"), Offset(3)).await.unwrap();
        node.store.restore_from(node.store.snapshot());
        derive(&node).await;
        assert_eq!(entries(&node, "bob").await, ["ada mention lobby 3"]);
    });
}

/// What was derived of another history is not taken.
#[test]
fn an_entry_is_taken_only_in_the_history_that_it_was_derived_under() {
    block_on(async {
        let node = Node::new();
        let mut consumer = node.anchor.own_log_consumer().await.unwrap();
        let mut ada = node.publisher("ada").await;
        ada.publish(&room("lobby"), mentioning("@bob", false, &["bob"])).await.unwrap();
        let given = given(&mut consumer).await;
        let Delivery::Events(events) = &given[0].delivery else { panic!("no events") };
        node.store.restore_from(node.store.snapshot());
        let derived = node.anchor.derive_from(&room("lobby"), events, events.epoch()).await.unwrap();
        assert_eq!(derived, Derived::OtherHistory);
        assert!(entries(&node, "bob").await.is_empty());
        derive_each(&node.anchor, &given).await;
        assert_eq!(entries(&node, "bob").await, ["ada mention lobby 1"]);
    });
}

/// Neither then, nor when it is gone through once more.
#[test]
fn nobody_is_told_of_an_event_that_went_with_the_database() {
    block_on(async {
        let node = Node::new();
        node.say("lobby", &["one"]).await;
        let backup = node.store.snapshot();
        let mut consumer = node.anchor.own_log_consumer().await.unwrap();
        node.publisher("ada")
            .await
            .publish(&room("lobby"), mentioning("@bob", false, &["bob"]))
            .await
            .unwrap();
        let given = given(&mut consumer).await;
        node.store.restore_from(backup);
        derive_each(&node.anchor, &given).await;
        assert!(entries(&node, "bob").await.is_empty());
    });
}

#[test]
fn the_node_that_derives_goes_on_until_it_leaves() {
    block_on(async {
        let node = Node::new();
        let other = Anchor::builder(node.store.node(), node.env.clone()).build();
        let mut maintained = [Box::pin(node.anchor.maintain()) as _, Box::pin(other.maintain()) as _];
        pass(&node, &mut maintained, OWN_LOG_RESTS);
        let opened = async || {
            let key = RecordKey::new("consumer/host/anchor.own-log").unwrap();
            node.store.record(&key).await.unwrap().unwrap()
        };
        let before = opened().await;
        pass(&node, &mut maintained, OWN_LOG_RESTS * 10);
        assert_eq!(opened().await, before, "nobody took it over");
        // The one that derives, and then the other one, leaves.
        for left in [1, 0] {
            let stays = maintained.split_at_mut(left);
            let stays = if left == 1 { stays.0 } else { stays.1 };
            pass(&node, &mut stays[..1], OWN_LOG_RESTS * 4);
            let to = format!("room-{left}");
            node.publisher("ada")
                .await
                .publish(&room(&to), mentioning("@bob", false, &["bob"]))
                .await
                .unwrap();
            pass(&node, &mut stays[..1], OWN_LOG_RESTS);
            assert!(entries(&node, "bob").await.contains(&format!("ada mention {to} 1")));
        }
    });
}

#[test]
fn an_own_log_is_its_users_alone_and_nobody_writes_into_it() {
    block_on(async {
        let node = Node::new();
        let own = RoomId::own_log(&user("bob"));
        let bob = Identity { user: user("bob"), admin: false };
        let root = Identity { user: user("root"), admin: true };
        let refused = |result: Result<_, ReadError>| match result {
            Err(ReadError::Refused(refusal)) => Some(refusal.code),
            Err(error) => panic!("{error}"),
            Ok(_) => None,
        };
        let follow =
            async |who: &Identity| node.anchor.subscribe_as(who.clone(), &own, From::Start).await.map(drop);
        assert_eq!(refused(follow(&bob).await), None, "it need not be there yet");
        assert_eq!(refused(follow(&root).await), Some(Code::NotAMember));
        let mut ada = node.publisher("ada").await;
        for draft in [mentioning("forged", false, &[]), create(RoomKind::Public, None)] {
            for mut publisher in [node.publisher("bob").await, node.publisher("root").await.as_admin()] {
                let error = publisher.publish(&own, draft.clone()).await.unwrap_err();
                assert!(matches!(error, PublishError::Refused(refusal) if refusal.code == Code::Denied));
            }
        }
        ada.publish(&room("lobby"), mentioning("@bob", false, &["bob"])).await.unwrap();
        derive(&node).await;
        assert_eq!(refused(follow(&bob).await), None);
        assert_eq!(refused(follow(&root).await), Some(Code::NotAMember));
        let page = async |who: &Identity| {
            let id = RequestId(1);
            node.anchor
                .history(id, &own, HistoryRange::Newest, 10, Some(who))
                .await
                .map(|page| page.events.len())
        };
        assert_eq!(page(&bob).await.unwrap(), 1);
        assert!(page(&root).await.is_err());
        assert!(node.anchor.room(&own, Some(&root)).await.is_err());
        assert!(node.anchor.members(&own, None, 10, Some(&root)).await.is_err());
        assert_eq!(node.anchor.room(&own, Some(&bob)).await.unwrap().entry.head, Offset(1));
        for who in [&bob, &root] {
            let (rooms, _) = node.anchor.list_rooms(&Which::Readable, None, 10, Some(who)).await.unwrap();
            assert!(rooms.iter().all(|listing| listing.entry.room != own), "it is no room among others");
        }
    });
}
