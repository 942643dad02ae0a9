//! A store whose commits take their time: nothing of one is seen, told or acked before it is durable.

use std::sync::{Arc, Condvar, Mutex};

use anchor::System;
use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::position::Offset;
use anchor_core::publish::{Grounds, Publish, Target};
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::room::{Membership, RoomKind};
use anchor_core::store::{Store, StoreExt};
use anchor_core::user::{UserChange, UserRow};
use anchor_sim::disk::{Disk, Power};
use anchor_store::RedbStore;
use futures::FutureExt;
use redb::StorageBackend;

use crate::support::{Notes, acked, client, in_session, lock, publish, room, text};

/// A disk whose syncs wait as long as its gate is shut.
#[derive(Debug)]
struct GatedDisk {
    disk: Disk,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    waiting: bool,
}

impl Gate {
    fn shut(&self) {
        lock(&self.state).shut = true;
    }

    fn open(&self) {
        lock(&self.state).shut = false;
        self.changed.notify_all();
    }

    /// Waits until somebody waits.
    fn wait_for_sync(&self) {
        let state = lock(&self.state);
        drop(self.changed.wait_while(state, |state| !state.waiting).unwrap());
    }

    fn pass(&self) {
        let mut state = lock(&self.state);
        state.waiting = state.shut;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.shut).unwrap();
        state.waiting = false;
    }
}

impl StorageBackend for GatedDisk {
    fn len(&self) -> std::io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.disk.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.gate.pass();
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.disk.write(offset, data)
    }
}

#[tokio::test]
async fn nothing_of_a_commit_is_seen_before_it_is_durable() {
    let power = Power::new();
    let gate = Arc::new(Gate::default());
    let journal = GatedDisk { disk: power.disk(), gate: gate.clone() };
    let store = RedbStore::options().open_backends(journal, power.disk(), System).unwrap();
    let notes = Arc::new(Notes::default());
    store.observe(notes.clone());
    let (lobby, ada) = (room("lobby"), client(1));
    store.append(vec![publish(&ada, 1, &lobby, "one")]).await.unwrap();

    gate.shut();
    let mut second = store.append(vec![publish(&ada, 2, &lobby, "two"), publish(&ada, 1, &room("new"), "x")]);
    gate.wait_for_sync();
    // A repeat, a session and a trim that come while the commit is under way.
    let mut repeat = store.append(vec![publish(&ada, 2, &lobby, "two")]);
    let mut opening = store.open_client(&ada, anchor_core::id::Seq::FIRST);
    assert!((&mut second).now_or_never().is_none());
    assert!((&mut repeat).now_or_never().is_none());
    assert!(opening.as_mut().now_or_never().is_none());
    assert_eq!(store.room(&lobby).await.unwrap().unwrap().head.offset.0, 1);
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 1);
    assert_eq!(store.heads(std::slice::from_ref(&lobby)).await.unwrap()[0].unwrap().1.offset.0, 1);
    assert_eq!(store.rooms(None, 10).await.unwrap().len(), 1);
    assert_eq!(lock(&notes.rooms)[&lobby].len(), 1);

    gate.open();
    let first = second.await.unwrap();
    let again = repeat.await.unwrap();
    assert_eq!(acked(&first[0]).mark, acked(&again[0]).mark);
    assert!(!acked(&first[0]).duplicate && acked(&again[0]).duplicate);
    let state = opening.await.unwrap();
    assert_eq!(state.highest.get(), 2);
    let texts: Vec<_> =
        store.read_all(&lobby).await.unwrap().iter().map(|event| text(event).to_owned()).collect();
    assert_eq!(texts, ["one", "two"]);
    let late = in_session(anchor_core::id::SessionNumber(0), publish(&ada, 3, &lobby, "three"));
    assert_eq!(store.append(vec![late]).await.unwrap()[0], anchor_core::publish::Outcome::Fenced);
}

#[tokio::test]
async fn an_append_takes_its_place_when_it_is_called() {
    let power = Power::new();
    let store = RedbStore::with_backends(power.disk(), power.disk(), System).unwrap();
    let (lobby, ada) = (room("lobby"), client(1));
    let first = store.append(vec![publish(&ada, 1, &lobby, "first")]);
    let second = store.append(vec![publish(&ada, 2, &lobby, "second")]);
    crate::support::run_steps(&store).unwrap();
    // Polled the other way round.
    assert_eq!(acked(&second.await.unwrap()[0]).mark.offset.0, 2);
    assert_eq!(acked(&first.await.unwrap()[0]).mark.offset.0, 1);
    // Nobody waits for this one, and it is appended nevertheless.
    drop(store.append(vec![publish(&ada, 3, &lobby, "third")]));
    crate::support::run_steps(&store).unwrap();
    assert_eq!(store.read_all(&lobby).await.unwrap().len(), 3);
}

/// What stands beside the log is seen with the events that it comes from, no sooner.
#[tokio::test]
async fn no_row_of_a_commit_is_seen_before_it_is_durable() {
    let power = Power::new();
    let gate = Arc::new(Gate::default());
    let journal = GatedDisk { disk: power.disk(), gate: gate.clone() };
    let store = RedbStore::options().open_backends(journal, power.disk(), System).unwrap();
    let (plans, old, ada, bob) = (room("plans"), room("old"), client(1), client(2));
    let of_room = |change: RoomChange| Draft { kind: EventKind::ROOM, target: None, body: change.to_body() };
    let member = |change: MembershipChange| Draft {
        kind: EventKind::MEMBERSHIP,
        target: None,
        body: change.to_body(),
    };
    let create = || RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None };
    let line = |who, seq, room, draft| Publish { draft, ..publish(who, seq, room, "") };
    let before = vec![
        line(&ada, 1, &plans, of_room(create())),
        line(&bob, 1, &plans, member(MembershipChange::Join)),
        line(&bob, 2, &plans, Draft::message("a word too many")),
        line(&ada, 2, &old, of_room(create())),
    ];
    store.append(before).await.unwrap().iter().for_each(|outcome| assert!(!acked(outcome).duplicate));
    let epoch = store.room(&plans).await.unwrap().unwrap().epoch();
    let about = |seq, kind, text: &str| {
        let target = Target { epoch, kind: EventKind::MESSAGE, user: bob.user.clone(), root: None };
        let grounds = Some(Box::new(Grounds { target: Some(target), ..Grounds::default() }));
        let draft = Draft { kind, target: Some(Offset(3)), body: Body::text(text) };
        Publish { grounds, ..line(&ada, seq, &plans, draft) }
    };

    gate.shut();
    let mut changing = store.append(vec![
        about(3, EventKind::MESSAGE, "a reply"),
        about(4, EventKind::PIN, ""),
        about(5, EventKind::REDACTION, ""),
        line(&ada, 6, &plans, member(MembershipChange::Kick { user: bob.user.clone() })),
        line(&ada, 7, &old, of_room(RoomChange::Delete)),
        line(&bob, 3, &room("new"), of_room(create())),
    ]);
    gate.wait_for_sync();
    assert!((&mut changing).now_or_never().is_none());
    let standing = store.standing(&plans, &bob.user).await.unwrap();
    assert_eq!(standing.member.unwrap().membership, Membership::Joined);
    let info = standing.info.unwrap();
    assert_eq!((info.members, info.changed, info.pins.len()), (2, Offset(2), 0));
    let members = store.members(&plans, None, 10).await.unwrap();
    assert!(members.len() == 2 && members.iter().all(|(_, member)| member.joined().is_some()));
    assert_eq!(store.rooms_of(&bob.user, None, 10).await.unwrap().len(), 1);
    let targets = (Offset(1), Offset(9));
    assert_eq!(store.amendments(&plans, targets, 10).await.unwrap(), []);
    assert_eq!(store.threads(&plans, targets).await.unwrap(), []);
    assert_eq!(text(&store.read_all(&plans).await.unwrap()[2]), "a word too many");
    assert!(store.room(&old).await.unwrap().is_some(), "it is deleted with the commit");

    gate.open();
    changing.await.unwrap().iter().for_each(|outcome| assert!(!acked(outcome).duplicate));
    let standing = store.standing(&plans, &bob.user).await.unwrap();
    assert_eq!(standing.member.unwrap().membership, Membership::Removed);
    assert_eq!(store.amendments(&plans, targets, 10).await.unwrap().len(), 2);
    assert_eq!(store.threads(&plans, targets).await.unwrap().len(), 1);
    assert_eq!(store.read_all(&plans).await.unwrap()[2].body, None);
    assert!(store.room(&old).await.unwrap().is_none());
    let rooms: Vec<_> =
        store.rooms_of(&bob.user, None, 10).await.unwrap().into_iter().map(|(room, _)| room).collect();
    assert_eq!(rooms, [room("new")]);

    gate.shut();
    let mut blocking = store.change_user(&ada.user, UserChange::Block(bob.user.clone()));
    // It begins when it is polled.
    assert!(blocking.as_mut().now_or_never().is_none());
    gate.wait_for_sync();
    assert!(blocking.as_mut().now_or_never().is_none());
    assert_eq!(store.user(&ada.user).await.unwrap(), UserRow::default());
    gate.open();
    let row = blocking.await.unwrap().unwrap();
    assert_eq!(store.user(&ada.user).await.unwrap(), row);
    assert!(row.contact.blocked.contains(&bob.user));
}
