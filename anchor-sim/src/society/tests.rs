//! A right history of a club passes, and each thing that may go wrong with one is found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anchor_core::conformance::environment::{SplitMix64, TestEnvironment};
use anchor_core::conformance::promise::Reader;
use anchor_core::conformance::store::{Author, ack_of, append_one, by_admin, informed, room};
use anchor_core::event::{Draft, Event, EventKind};
use anchor_core::id::RoomId;
use anchor_core::memory::MemoryStore;
use anchor_core::position::{Epoch, Offset};
use anchor_core::publish::Publish;
use anchor_core::resume::GapReason;
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::room::{HistoryAccess, RoomKind};
use anchor_core::run::Run;
use anchor_core::session::frame::Events;
use anchor_core::store::{CommitObserver, Store, StoreExt};
use futures::executor::block_on;

use super::*;

/// A club in a store that the ledger watches, as far as a test has let it come.
struct Scene {
    kernel: Kernel,
    society: Society,
    store: MemoryStore,
    room: RoomId,
    ada: Author,
    bob: Author,
}

#[derive(Debug)]
struct Nobody;

impl CommitObserver for Nobody {
    fn committed(&self, _: &[Run]) {}

    fn deleted(&self, _: &RoomId) {}

    fn failed(&self) {}
}

impl Scene {
    /// 1 ada creates the club, 2 says something, 3 invites bob, 4 bob accepts, 5 ada talks, 6 kicks bob, 7 talks on.
    fn new(history: HistoryAccess) -> Self {
        let kernel = Kernel::new(SplitMix64::new(1));
        let society = Society::new(kernel.clone());
        let store = MemoryStore::new(TestEnvironment::new(1));
        store.observe(Arc::new(Tap::new(society.clone(), Arc::new(Nobody))));
        let (ada, bob) = (Author::new("ada", 1), Author::new("bob", 2));
        let mut scene = Self { kernel, society, store, room: room("club-0"), ada, bob };
        let settings = Settings { history: Some(history), ..Settings::default() };
        let user = scene.bob.user().clone();
        let create = RoomChange::Create { kind: RoomKind::Group, settings, user: None };
        let create = scene.ada.room(&scene.room, &create);
        scene.append(create);
        scene.ada_says("before");
        let invite =
            scene.ada.membership(&scene.room, &MembershipChange::Invite { user: user.clone(), role: None });
        scene.append(invite);
        let accept = scene.bob.membership(&scene.room, &MembershipChange::Accept);
        scene.append(accept);
        scene.ada_says("welcome");
        let kick = scene.ada.membership(&scene.room, &MembershipChange::Kick { user });
        scene.append(kick);
        scene.ada_says("behind");
        scene
    }

    fn ada_says(&mut self, text: &str) {
        let message = self.ada.message(&self.room, text);
        self.append(message);
    }

    /// Appends a publish a second later, acked.
    fn append(&mut self, publish: Publish) {
        self.wait();
        let kind = publish.draft.kind;
        let publish = block_on(informed(&self.store, publish));
        let ack = ack_of(block_on(append_one(&self.store, publish)));
        self.society.acked(&ack, kind);
    }

    fn wait(&self) {
        let (kernel, process) = (self.kernel.clone(), self.kernel.process());
        let until = kernel.now() + Duration::from_secs(1);
        self.kernel.spawn(process, async move { kernel.sleep_until(until).await });
        self.kernel.run(|| self.kernel.now() >= until);
    }

    fn log(&self) -> Vec<Event> {
        block_on(self.store.read_all(&self.room)).expect("a memory is read")
    }

    fn epoch(&self) -> Epoch {
        block_on(self.store.room(&self.room)).expect("a memory is read").expect("the club is there").epoch()
    }

    /// Bob, who asked just now, takes what the log has at these offsets.
    fn bob_takes(&self, offsets: impl IntoIterator<Item = u64>) {
        let log = self.log();
        for offset in offsets {
            let event = log[usize::try_from(offset - 1).expect("a short log")].clone();
            self.bob_takes_event(event, self.kernel.now());
        }
    }

    fn bob_takes_event(&self, event: Event, asked_at: Duration) {
        let events =
            Events { room: self.room.clone(), epoch: self.epoch(), first: event.offset, events: vec![event] };
        self.society.delivered(self.bob.user(), BOB, asked_at, &events);
    }

    /// The verdict, where the club is as it is.
    fn verdict(&self) -> Vec<String> {
        self.verdict_of(self.log())
    }

    fn verdict_of(&self, log: Vec<Event>) -> Vec<String> {
        let left = BTreeMap::from([(self.room.clone(), log)]);
        self.society.verdict(&left, &BTreeMap::from([(self.room.clone(), self.epoch())]))
    }
}

fn assert_found(broken: &[String], what: &str) {
    assert!(broken.len() == 1 && broken[0].contains(what), "{what}: {broken:?}");
}

#[test]
fn what_a_member_may_read_is_right() {
    let scene = Scene::new(HistoryAccess::All);
    scene.bob_takes(1..=6);
    assert_eq!(scene.verdict(), [""; 0]);
    assert_eq!(scene.society.who_lags(BOB, scene.bob.user(), &scene.room), None);
    let scene = Scene::new(HistoryAccess::SinceJoin);
    scene.bob_takes(4..=6);
    assert_eq!(scene.verdict(), [""; 0]);
}

#[test]
fn what_follows_a_removal_is_for_nobody_who_was_removed() {
    let scene = Scene::new(HistoryAccess::All);
    scene.bob_takes(1..=7);
    assert_found(&scene.verdict(), "bob was told 7 of club-0");
}

#[test]
fn who_comes_back_may_read_what_was_said_meanwhile_but_not_before() {
    let mut scene = Scene::new(HistoryAccess::All);
    let user = scene.bob.user().clone();
    let invite = scene.ada.membership(&scene.room, &MembershipChange::Invite { user, role: None });
    scene.append(invite);
    let accept = scene.bob.membership(&scene.room, &MembershipChange::Accept);
    let early = scene.kernel.now();
    scene.append(accept);
    scene.bob_takes(1..=9);
    assert_eq!(scene.verdict(), [""; 0]);
    scene.society.inner().witness.delivered.values_mut().for_each(|at| *at = early);
    let broken = scene.verdict();
    assert!(broken.iter().any(|line| line.contains("bob was told 7")), "{broken:?}");
}

#[test]
fn what_was_said_before_is_not_for_newcomers_of_a_room_since_join() {
    let scene = Scene::new(HistoryAccess::SinceJoin);
    scene.bob_takes(3..=6);
    assert_found(&scene.verdict(), "bob was told 3 of club-0");
}

#[test]
fn who_was_removed_gets_the_event_that_did_it() {
    let scene = Scene::new(HistoryAccess::All);
    scene.bob_takes(1..=5);
    let lags = scene.society.who_lags(BOB, scene.bob.user(), &scene.room);
    assert!(lags.is_some_and(|lags| lags.contains("up to 6")));
}

#[test]
fn what_was_redacted_is_told_and_read_and_left_no_more() {
    let mut scene = Scene::new(HistoryAccess::All);
    let before = scene.log();
    let asked_at = scene.kernel.now();
    let redaction = Draft { kind: EventKind::REDACTION, target: Some(Offset(5)), body: "".into() };
    let redaction = scene.ada.next(&scene.room, redaction);
    scene.append(redaction);
    // It was on its way already.
    scene.bob_takes_event(before[4].clone(), asked_at);
    assert_eq!(scene.verdict(), [""; 0]);
    let left = scene.log().into_iter().map(|event| {
        let body = if event.offset == Offset(5) { before[4].body.clone() } else { event.body.clone() };
        Event { body, ..event }
    });
    assert_found(&scene.verdict_of(left.collect()), "5 of club-0 was redacted, and has a body");
    scene.wait();
    scene.bob_takes_event(before[4].clone(), scene.kernel.now());
    assert_found(&scene.verdict(), "bob was told the body of 5");
    scene.society.inner().broken.clear();
    scene.society.read(&scene.room, scene.epoch(), Offset(5), scene.kernel.now());
    assert_found(&scene.verdict(), "the body of 5 of club-0 could be read");
}

#[test]
fn what_stands_stays_as_it_was() {
    let scene = Scene::new(HistoryAccess::All);
    let mut left = scene.log();
    left[1].body = None;
    assert_found(&scene.verdict_of(left), "2 of club-0 lost its body");
    let mut left = scene.log();
    left.pop();
    let broken = scene.verdict_of(left);
    assert!(broken.iter().any(|line| line.contains("ends at 6, and had 7")), "{broken:?}");
    assert!(broken.iter().any(|line| line.contains("was acked at 7")), "{broken:?}");
}

#[test]
fn a_room_goes_only_where_somebody_asked_for_it() {
    let mut scene = Scene::new(HistoryAccess::All);
    scene.society.told(&scene.room, GapReason::Deleted);
    assert_found(&scene.verdict(), "nobody asked for that");
    scene.society.inner().broken.clear();
    let delete = by_admin(scene.ada.room(&scene.room, &RoomChange::Delete));
    scene.append(delete);
    let nothing = || scene.society.verdict(&BTreeMap::new(), &BTreeMap::new());
    let broken = nothing();
    assert!(broken.iter().any(|line| line.contains("nobody asked to delete it")), "{broken:?}");
    scene.society.asks_to_delete(&scene.room);
    assert_eq!(nothing(), [""; 0]);
}

const BOB: Reader = Reader(1);

mod answers;
mod host;
mod trims;
