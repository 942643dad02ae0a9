//! A process with a store and an index that follows it, for tests: to be asked, stopped and started again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anchor_core::engine::{Anchor, Publisher};
use anchor_core::environment::Environment;
use anchor_core::event::{Draft, EventKind};
use anchor_core::id::{ClientId, RoomId, UserId};
use anchor_core::limits::{SEARCH_COMMIT_WITHIN, SEARCH_SETTLE_WITHIN};
use anchor_core::position::Offset;
use anchor_core::publish::Ack;
use anchor_core::room::RoomKind;
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::search::Asked;
use anchor_core::session::Identity;
use anchor_search::SearchService;
use anchor_store::RedbStore;
use anchor_system::System;
use tokio::task::JoinHandle;

use crate::files::is_in_a_file;

pub(crate) struct Server {
    pub(crate) anchor: Anchor,
    pub(crate) service: Arc<SearchService>,
    store: RedbStore,
    following: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::in_environment(dir, System)
    }

    /// The same, by another clock.
    pub(crate) fn in_environment(dir: &Path, env: impl Environment) -> Self {
        Self::on(RedbStore::open(dir.join("data"), System).unwrap(), dir, env)
    }

    /// The same, where the disk has as much room as it is told.
    pub(crate) fn with_room(dir: &Path, free: &Arc<AtomicU64>) -> Self {
        let free = free.clone();
        let options = RedbStore::options().free_bytes(move || Ok(free.load(Ordering::SeqCst)));
        Self::on(options.open(dir.join("data"), System).unwrap(), dir, System)
    }

    fn on(store: RedbStore, dir: &Path, env: impl Environment) -> Self {
        let (service, follower) = SearchService::open(dir.join("search")).unwrap();
        let anchor = Anchor::builder(store.clone(), env).search(service.clone()).build();
        let followed = anchor.clone();
        let following = tokio::spawn(async move { follower.run(followed).await.unwrap() });
        Self { anchor, service, store, following }
    }

    /// Ends as a process does that has no time for an orderly end: whatever was under way is left.
    pub(crate) async fn stop(self) {
        self.following.abort();
        assert!(self.following.await.unwrap_err().is_cancelled());
        drop(self.anchor);
        self.service.close();
        self.store.close();
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        let id = ClientId::random(&System);
        Person(self.anchor.client(UserId::new(name).unwrap(), id).await.unwrap())
    }

    /// What somebody finds, as `room/offset text`.
    pub(crate) async fn find(&self, who: &Identity, text: &str) -> Vec<String> {
        let asked = Asked { text: text.to_owned(), limit: 50, after: None };
        let found = self.anchor.search(who, &asked).await.unwrap();
        let line = |message: anchor_core::search::FoundMessage| {
            let text = message.event.body.unwrap().as_text().unwrap().to_owned();
            format!("{}/{} {text}", message.room, message.event.offset)
        };
        found.messages.into_iter().map(line).collect()
    }

    /// Waits until somebody finds that.
    pub(crate) async fn finds(&self, who: &Identity, text: &str, expected: &[&str]) {
        let (until, mut found) = (Instant::now() + PATIENCE, Vec::new());
        while Instant::now() < until {
            found = self.find(who, text).await;
            if found == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{text}: {found:?} and not {expected:?}");
    }

    /// Waits until the index has everything.
    pub(crate) async fn is_current(&self) {
        let until = Instant::now() + PATIENCE;
        while self.service.lag() > 0 {
            assert!(Instant::now() < until, "{} behind", self.service.lag());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits until the secret word is in no file.
pub(crate) async fn is_in_no_file(dir: &Path) {
    let until = Instant::now() + SEARCH_COMMIT_WITHIN + SEARCH_SETTLE_WITHIN + PATIENCE;
    while is_in_a_file(dir) {
        assert!(Instant::now() < until, "it stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Somebody who publishes.
pub(crate) struct Person(Publisher);

impl Person {
    pub(crate) async fn says(&mut self, room: &RoomId, text: &str) -> Ack {
        self.0.publish(room, text).await.unwrap()
    }

    pub(crate) async fn edits(&mut self, room: &RoomId, target: u64, text: &str) {
        let edit = Draft { kind: EventKind::EDIT, target: Some(Offset(target)), ..Draft::message(text) };
        self.0.publish(room, edit).await.unwrap();
    }

    pub(crate) async fn redacts(&mut self, room: &RoomId, target: u64) {
        let redaction =
            Draft { kind: EventKind::REDACTION, target: Some(Offset(target)), ..Draft::message("") };
        self.0.publish(room, redaction).await.unwrap();
    }

    pub(crate) async fn makes(&mut self, room: &RoomId, kind: RoomKind, user: Option<&str>) {
        let user = user.map(|user| UserId::new(user).unwrap());
        self.changes(room, RoomChange::Create { kind, settings: Settings::default(), user }).await;
    }

    pub(crate) async fn changes(&mut self, room: &RoomId, change: RoomChange) {
        let change = Draft { kind: EventKind::ROOM, target: None, body: change.to_body() };
        self.0.publish(room, change).await.unwrap();
    }

    pub(crate) async fn moves(&mut self, room: &RoomId, change: MembershipChange) {
        let change = Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() };
        self.0.publish(room, change).await.unwrap();
    }
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity { user: UserId::new(name).unwrap(), admin: false }
}

/// How long something may take on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(30);
