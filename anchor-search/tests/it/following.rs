//! An index that follows the logs of a store: what who finds, what is left where, and how it comes back.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anchor_core::environment::{Environment, Monotonic};
use anchor_core::error::ErrorKind;
use anchor_core::id::{RoomId, UserId};
use anchor_core::limits::{SEARCH_COMMIT_WITHIN, SEARCH_LOOKED_AT_MAX, SEARCH_RETRY};
use anchor_core::position::Offset;
use anchor_core::room::RoomKind;
use anchor_core::room::change::{MembershipChange, RoomChange};
use anchor_core::search::Asked;
use anchor_core::session::Identity;
use anchor_search::Follower;
use anchor_system::System;
use futures::future::BoxFuture;

use crate::files::{SECRET, is_in_a_file};
use crate::room::room;
use crate::server::{Server, identity, is_in_no_file};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_found_as_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (mut ada, bob, lobby) = (server.person("ada").await, identity("bob"), RoomId::lobby());
    for text in ["to the sea", "to the sea by train", "the sea was cold"] {
        ada.says(&lobby, text).await;
    }
    server
        .finds(
            &bob,
            "sea",
            &["lobby/3 the sea was cold", "lobby/2 to the sea by train", "lobby/1 to the sea"],
        )
        .await;
    ada.edits(&lobby, 2, "to the hills by train").await;
    ada.redacts(&lobby, 1).await;
    server.finds(&bob, "sea", &["lobby/3 the sea was cold"]).await;
    server.finds(&bob, "train from:ada in:lobby", &["lobby/2 to the hills by train"]).await;
    server.is_current().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn naming_a_room_that_one_may_not_read_tells_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (mut ada, plans) = (server.person("ada").await, room("plans"));
    ada.makes(&plans, RoomKind::Group, None).await;
    for _ in 0..=SEARCH_LOOKED_AT_MAX {
        ada.says(&plans, "apple").await;
    }
    server.is_current().await;
    let root = Identity { admin: true, ..identity("root") };
    for (who, count) in [(&identity("ada"), 5), (&root, 5), (&identity("eve"), 0)] {
        let asked = Asked { text: "apple in:plans in:nowhere".to_owned(), limit: 5, after: None };
        let found = server.anchor.search(who, &asked).await.unwrap();
        // A place behind which to go on has the time and the offset of a message.
        assert_eq!((found.messages.len(), found.next.is_some()), (count, count > 0), "{who:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_what_they_may_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (mut ada, mut bob, plans) = (server.person("ada").await, server.person("bob").await, room("plans"));
    for person in [&mut ada, &mut bob] {
        person.moves(&RoomId::lobby(), MembershipChange::Join).await;
    }
    ada.makes(&plans, RoomKind::Group, None).await;
    ada.moves(&plans, MembershipChange::Invite { user: user("bob"), role: None }).await;
    ada.says(&plans, "apple one").await;
    bob.moves(&plans, MembershipChange::Accept).await;
    ada.says(&plans, "apple two").await;
    let direct = RoomId::direct(&user("ada"), &user("bob"));
    bob.makes(&direct, RoomKind::Direct, Some("ada")).await;
    bob.says(&direct, "apple three").await;
    let found = [format!("{direct}/2 apple three"), "plans/5 apple two".into(), "plans/3 apple one".into()];
    let of = |lines: &[String]| -> Vec<String> { lines.to_vec() };
    let expected: Vec<&str> = found.iter().map(String::as_str).collect();
    server.finds(&identity("ada"), "apple", &expected).await;
    assert_eq!(server.find(&identity("bob"), "apple").await, of(&found));
    assert_eq!(server.find(&identity("eve"), "apple").await, of(&[]));
    assert_eq!(server.find(&identity("eve"), "apple in:plans").await, of(&[]));
    assert_eq!(server.find(&identity("eve"), &format!("apple in:{direct}")).await, of(&[]));
    let admin = Identity { admin: true, ..identity("root") };
    assert_eq!(
        server.find(&admin, "apple").await,
        of(&found[1..]),
        "what two say to each other is nobody else's"
    );

    // Who is removed reads up to there: neither what is said afterwards, nor what becomes of what was said before.
    ada.moves(&plans, MembershipChange::Kick { user: user("bob") }).await;
    ada.says(&plans, "apple four").await;
    ada.edits(&plans, 5, "pear two").await;
    server.finds(&identity("ada"), "pear", &["plans/5 pear two"]).await;
    assert_eq!(server.find(&identity("bob"), "apple in:plans").await, ["plans/3 apple one"]);
    assert_eq!(server.find(&identity("bob"), "pear in:plans").await, of(&[]));
    assert_eq!(
        server.find(&identity("bob"), "apple").await,
        of(&found[..1]),
        "rooms that one has left are to be named"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut ada = server.person("ada").await;
    for number in 1..=25 {
        ada.says(&RoomId::lobby(), &format!("apple {number}")).await;
        ada.says(&room("other"), &format!("apple {number}")).await;
    }
    server.is_current().await;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let asked = Asked { text: "apple".to_owned(), limit: 7, after };
        let found = server.anchor.search(&identity("bob"), &asked).await.unwrap();
        all.extend(found.messages.into_iter().map(|message| (message.room, message.event.offset)));
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(all.len(), 50);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 50, "each once");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_were_taken_back_leave_the_files_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (mut ada, lobby, index) = (server.person("ada").await, RoomId::lobby(), dir.path().join("search"));
    ada.makes(&room("plans"), RoomKind::Public, None).await;
    let takes_back: [&str; 3] = ["redacts", "edits", "deletes"];
    for takes_back in takes_back {
        let place = if takes_back == "deletes" { room("plans") } else { lobby.clone() };
        let offset = ada.says(&place, SECRET).await.mark.offset;
        ada.says(&place, "something else").await;
        server.finds(&identity("ada"), SECRET, &[&format!("{place}/{offset} {SECRET}")]).await;
        assert!(is_in_a_file(&index));
        match takes_back {
            "redacts" => ada.redacts(&lobby, offset.0).await,
            "edits" => ada.edits(&lobby, offset.0, "nothing of that").await,
            _ => ada.changes(&room("plans"), RoomChange::Delete).await,
        }
        is_in_no_file(&index).await;
        assert_eq!(server.find(&identity("ada"), SECRET).await, [""; 0]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_deleted_or_is_of_another_format_is_made_again_from_the_logs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (mut ada, lobby) = (server.person("ada").await, RoomId::lobby());
    ada.says(&lobby, "apple one").await;
    ada.says(&lobby, "apple two").await;
    ada.redacts(&lobby, 1).await;
    server.finds(&identity("bob"), "apple", &["lobby/2 apple two"]).await;
    server.is_current().await;
    server.stop().await;
    fs::remove_dir_all(dir.path().join("search")).unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.find(&identity("bob"), "apple").await, [""; 0], "it is empty at first");
    assert!(server.service.lag() > 0, "and says so");
    server.finds(&identity("bob"), "apple", &["lobby/2 apple two"]).await;
    server.is_current().await;
    server.stop().await;
    fs::write(dir.path().join("search/anchor-search"), "anchor-search 0\n").unwrap();
    let server = Server::start(dir.path());
    server.finds(&identity("bob"), "apple", &["lobby/2 apple two"]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_nothing_followed_is_found_once_something_does_and_nothing_is_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = 0;
    for pause in [0, 3, 30, 300, 700] {
        let server = Server::start(dir.path());
        let mut ada = server.person("ada").await;
        for _ in 0..8 {
            said += 1;
            ada.says(&RoomId::lobby(), &format!("apple {said}")).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        server.stop().await;
    }
    let server = Server::start(dir.path());
    let expected: Vec<_> = (1..=said).rev().map(|number| format!("lobby/{number} apple {number}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    server.finds(&identity("bob"), "apple", &expected).await;
    server.is_current().await;
    assert_eq!(server.service.index().unwrap().messages(), said);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_took_leaves_the_index_though_it_was_read_long_before() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (mut ada, lobby, index) = (server.person("ada").await, RoomId::lobby(), dir.path().join("search"));
    ada.says(&lobby, SECRET).await;
    ada.says(&lobby, "apple").await;
    server.finds(&identity("bob"), "apple", &["lobby/2 apple"]).await;
    server.is_current().await;
    server.anchor.trim(&lobby, Offset(2)).await.unwrap();
    assert_eq!(server.find(&identity("bob"), SECRET).await, [""; 0], "what is not in the log is not shown");
    // The index is compared with the logs when it begins to follow, and from time to time.
    server.stop().await;
    assert!(is_in_a_file(&index));
    let server = Server::start(dir.path());
    is_in_no_file(&index).await;
    assert_eq!(server.find(&identity("bob"), "apple").await, ["lobby/2 apple"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_set_back_takes_what_it_does_not_have_from_the_index() {
    let (dir, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, copy) = (dir.path().join("data"), saved.path().join("data"));
    let lobby = RoomId::lobby();
    let server = Server::start(dir.path());
    let mut ada = server.person("ada").await;
    ada.says(&lobby, "apple one").await;
    ada.says(&lobby, "apple two").await;
    server.is_current().await;
    server.stop().await;
    copy_files(&data, &copy);
    let server = Server::start(dir.path());
    let mut ada = server.person("ada").await;
    ada.edits(&lobby, 1, &format!("{SECRET} one")).await;
    ada.redacts(&lobby, 2).await;
    ada.says(&lobby, &format!("{SECRET} three")).await;
    server
        .finds(
            &identity("bob"),
            SECRET,
            &[&format!("lobby/5 {SECRET} three"), &format!("lobby/1 {SECRET} one")],
        )
        .await;
    server.is_current().await;
    server.stop().await;
    fs::remove_dir_all(&data).unwrap();
    copy_files(&copy, &data);
    anchor_store::restore(&data, anchor_system::System).unwrap();
    let server = Server::start(dir.path());
    server.finds(&identity("bob"), "apple", &["lobby/2 apple two", "lobby/1 apple one"]).await;
    is_in_no_file(&dir.path().join("search")).await;
    server.person("ada").await.says(&lobby, "apple three").await;
    server.finds(&identity("bob"), "three", &["lobby/3 apple three"]).await;
    server.stop().await;
}

fn copy_files(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_it_takes_nothing_and_catches_up_later() {
    let (dir, free) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(u64::MAX)));
    let server = Server::with_room(dir.path(), &free);
    let mut ada = server.person("ada").await;
    ada.says(&RoomId::lobby(), "apple one").await;
    server.finds(&identity("bob"), "apple", &["lobby/1 apple one"]).await;
    server.is_current().await;
    ada.says(&RoomId::lobby(), "apple two").await;
    free.store(0, Ordering::SeqCst);
    server.stop().await;

    let server = Server::with_room(dir.path(), &free);
    let before = bytes_of(&dir.path().join("search"));
    tokio::time::sleep(SEARCH_COMMIT_WITHIN * 3).await;
    assert_eq!(server.find(&identity("bob"), "apple").await, ["lobby/1 apple one"], "what it has is found");
    assert!(server.service.lag() > 0, "and it says that there is more");
    assert_eq!(bytes_of(&dir.path().join("search")), before);
    free.store(u64::MAX, Ordering::SeqCst);
    server.finds(&identity("bob"), "apple", &["lobby/2 apple two", "lobby/1 apple one"]).await;
    server.stop().await;
}

fn bytes_of(dir: &std::path::Path) -> u64 {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_cannot_be_opened_now_is_opened_later() {
    let dir = tempfile::tempdir().unwrap();
    // A lock that nobody can take.
    let lock = dir.path().join("search/.tantivy-meta.lock");
    fs::create_dir_all(&lock).unwrap();
    let server = Server::start(dir.path());
    server.person("ada").await.says(&RoomId::lobby(), "apple").await;
    let asked = Asked { text: "apple".to_owned(), limit: 50, after: None };
    let refused = server.anchor.search(&identity("bob"), &asked).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Retry, "{refused}");
    fs::remove_dir(lock).unwrap();
    let until = Instant::now() + 3 * SEARCH_RETRY;
    while server.anchor.search(&identity("bob"), &asked).await.is_err() {
        assert!(Instant::now() < until, "it does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.finds(&identity("bob"), "apple", &["lobby/1 apple"]).await;
    server.stop().await;
}

/// Time as it is, but that sleeping panics once each time it is told to.
#[derive(Debug)]
struct Panicking(Arc<AtomicBool>);

impl Environment for Panicking {
    fn now(&self) -> Monotonic {
        System.now()
    }

    fn unix_ms(&self) -> u64 {
        System.unix_ms()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        System.fill_random(bytes);
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        assert!(!self.0.swap(false, Ordering::SeqCst), "as it was told to");
        System.sleep_until(deadline)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_panics_while_it_follows_is_begun_again() {
    let (dir, panics) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
    let server = Server::in_environment(dir.path(), Panicking(panics.clone()));
    let mut ada = server.person("ada").await;
    ada.says(&RoomId::lobby(), "apple one").await;
    server.finds(&identity("bob"), "apple", &["lobby/1 apple one"]).await;
    panics.store(true, Ordering::SeqCst);
    ada.says(&RoomId::lobby(), "apple two").await;
    server.finds(&identity("bob"), "apple", &["lobby/2 apple two", "lobby/1 apple one"]).await;
    assert!(!panics.load(Ordering::SeqCst), "it did");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_server_had_the_time_to_take_away_is_taken_away_by_catching_up() {
    let dir = tempfile::tempdir().unwrap();
    let (index, lobby) = (dir.path().join("search"), RoomId::lobby());
    let server = Server::start(dir.path());
    let mut ada = server.person("ada").await;
    ada.says(&lobby, SECRET).await;
    ada.says(&lobby, "apple").await;
    server.finds(&identity("bob"), "apple", &["lobby/2 apple"]).await;
    ada.redacts(&lobby, 1).await;
    server.stop().await;
    assert!(is_in_a_file(&index));

    let store = anchor_store::RedbStore::open(dir.path().join("data"), anchor_system::System).unwrap();
    let anchor = anchor_core::engine::Anchor::builder(store.clone(), anchor_system::System).build();
    let (service, follower) = anchor_search::SearchService::open(&index).unwrap();
    follower.catch_up(anchor.clone()).await.unwrap();
    service.close();
    assert!(!is_in_a_file(&index), "at once");

    // One that is paused cannot.
    anchor.pause_consumer(&Follower::consumer()).await.unwrap();
    let (service, follower) = anchor_search::SearchService::open(&index).unwrap();
    assert!(matches!(follower.catch_up(anchor).await, Err(anchor_search::FollowError::NotSettled)));
    service.close();
    anchor_search::remove(&index).unwrap();
    let left = fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| name.ends_with(".lock")));
    store.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn its_consumer_is_seen_and_made_again_if_somebody_removes_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.person("ada").await.says(&RoomId::lobby(), "apple").await;
    server.finds(&identity("bob"), "apple", &["lobby/1 apple"]).await;
    let is_listed = async || {
        let listed = server.anchor.consumers(&anchor_core::engine::Whose::All, None, 10).await.unwrap();
        listed.iter().any(|consumer| consumer.id == Follower::consumer())
    };
    assert!(is_listed().await);
    server.anchor.remove_consumer(&Follower::consumer()).await.unwrap();
    let until = Instant::now() + 3 * SEARCH_RETRY;
    while !is_listed().await {
        assert!(Instant::now() < until, "it is not made again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.person("ada").await.says(&RoomId::lobby(), "apple pie").await;
    server.finds(&identity("bob"), "apple", &["lobby/2 apple pie", "lobby/1 apple"]).await;
    server.is_current().await;
    assert_eq!(server.service.index().unwrap().messages(), 2, "what comes again changes nothing");
    server.stop().await;
}
