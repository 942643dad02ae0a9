//! Rooms, members and users where the pager, deletion and what waits between meet. What every store must do is in
//! `conformance.rs`.

use std::sync::{Arc, Mutex};

use anchor_core::conformance::environment::TestEnvironment;
use anchor_core::conformance::store::by_admin;
use anchor_core::event::{Draft, EventKind};
use anchor_core::id::{ClientKey, RoomId, Seq, UserId};
use anchor_core::position::Offset;
use anchor_core::publish::{Outcome, Publish};
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::room::{Membership, RoomKind};
use anchor_core::run::Run;
use anchor_core::store::{CommitObserver, Store, StoreExt};
use anchor_core::user::{Direct, UserChange};
use anchor_sim::disk::{Disk, Power};
use anchor_store::{RedbStore, Step, check_backends};
use futures::FutureExt;
use futures::executor::block_on;

use crate::support::{acked, append_stepped, client, lock, publish, room, run_steps, text};

/// A store without threads whose every commit waits for a step of its own.
struct Stepped {
    store: RedbStore,
    disks: [Disk; 2],
    seqs: Vec<u64>,
}

impl Stepped {
    fn new() -> Self {
        let power = Power::new();
        let disks = [power.disk(), power.disk()];
        Self { store: Self::opened(&disks), disks, seqs: vec![0; 256] }
    }

    fn opened([journal, pages]: &[Disk; 2]) -> RedbStore {
        let options = RedbStore::options().page_step(1, 1);
        options.open_stepped(journal.attach(), pages.attach(), TestEnvironment::new(0)).unwrap()
    }

    /// Closes the store, verifies what is stored, and opens it again.
    fn reopen(&mut self) {
        self.store.close();
        let [journal, pages] = &self.disks;
        let report = check_backends(journal.attach(), pages.attach(), TestEnvironment::new(0)).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        self.store = Self::opened(&self.disks);
    }

    /// The next publish of a client.
    fn line(&mut self, who: u8, room: &RoomId, draft: Draft) -> Publish {
        self.seqs[usize::from(who)] += 1;
        Publish { draft, ..publish(&client(who), self.seqs[usize::from(who)], room, "") }
    }

    fn one(&mut self, who: u8, room: &RoomId, draft: Draft) -> Outcome {
        let line = self.line(who, room, draft);
        append_stepped(&self.store, vec![line]).unwrap().remove(0)
    }

    fn page_everything(&self) {
        while self.store.step_pager().unwrap() == Step::Worked {}
    }

    fn rooms_of(&self, who: u8) -> Vec<RoomId> {
        let rooms = block_on(self.store.rooms_of(&client(who).user, None, 100)).unwrap();
        rooms.into_iter().map(|(room, _)| room).collect()
    }

    fn members(&self, room: &RoomId) -> Vec<UserId> {
        let members = block_on(self.store.members(room, None, 100)).unwrap();
        members.into_iter().map(|(user, _)| user).collect()
    }

    fn rooms(&self) -> Vec<RoomId> {
        block_on(self.store.rooms(None, 100)).unwrap().into_iter().map(|stored| stored.room).collect()
    }
}

fn create(kind: RoomKind) -> Draft {
    let body = RoomChange::Create { kind, settings: Settings::default(), user: None }.to_body();
    Draft { kind: EventKind::ROOM, target: None, body }
}

fn delete() -> Draft {
    Draft { kind: EventKind::ROOM, target: None, body: RoomChange::Delete.to_body() }
}

fn membership(change: &MembershipChange) -> Draft {
    Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() }
}

/// Notes in which order it is told of what.
#[derive(Debug, Default)]
struct Order(Mutex<Vec<String>>);

impl CommitObserver for Order {
    fn committed(&self, runs: &[Run]) {
        let events = runs.iter().flat_map(Run::events).map(Result::unwrap);
        let said = events.filter(|event| event.kind == EventKind::MESSAGE);
        lock(&self.0).extend(said.map(|event| text(&event).to_owned()));
    }

    fn deleted(&self, room: &RoomId) {
        lock(&self.0).push(format!("{room} is gone"));
    }

    fn failed(&self) {}
}

#[test]
fn a_room_is_deleted_with_something_before_and_behind_in_one_commit() {
    for is_paged in [false, true] {
        let mut stepped = Stepped::new();
        let a = room("a");
        let first = stepped.one(1, &a, create(RoomKind::Public));
        acked(&stepped.one(1, &a, Draft::message("long before")));
        if is_paged {
            stepped.page_everything();
        }
        let order = Arc::new(Order::default());
        stepped.store.observe(order.clone());
        let batch = vec![
            stepped.line(2, &a, membership(&MembershipChange::Join)),
            stepped.line(2, &a, Draft::message("before")),
            stepped.line(1, &a, delete()),
            stepped.line(2, &a, create(RoomKind::Public)),
            by_admin(stepped.line(1, &a, delete())),
            stepped.line(3, &a, create(RoomKind::Public)),
            stepped.line(3, &a, Draft::message("behind both")),
        ];
        let outcomes = append_stepped(&stepped.store, batch.clone()).unwrap();
        let acks: Vec<_> = outcomes.iter().map(|outcome| acked(outcome).clone()).collect();
        let offsets: Vec<_> = acks.iter().map(|ack| ack.mark.offset.0).collect();
        assert_eq!(offsets, [3, 4, 5, 1, 2, 1, 2]);
        let epochs: Vec<_> = acks.iter().map(|ack| ack.epoch).collect();
        assert!(epochs[..3].iter().all(|epoch| *epoch == acked(&first).epoch));
        assert!(epochs[3] == epochs[4] && epochs[3] != epochs[2] && epochs[5] != epochs[4]);
        assert_eq!(*lock(&order.0), ["a is gone", "a is gone", "behind both"]);
        for round in 0..3 {
            let events = block_on(stepped.store.read_all(&a)).unwrap();
            assert_eq!(events.iter().map(text).skip(1).collect::<Vec<_>>(), ["behind both"], "{round}");
            assert_eq!(stepped.members(&a).len(), 1);
            assert_eq!((stepped.rooms_of(1), stepped.rooms_of(3).len()), (vec![], 1));
            let state = block_on(stepped.store.room(&a)).unwrap().unwrap();
            assert_eq!((state.epoch(), state.head), (epochs[6], acks[6].mark));
            let again = append_stepped(&stepped.store, batch.clone()).unwrap();
            for (ack, again) in acks.iter().zip(&again) {
                let again = acked(again);
                assert_eq!(
                    (ack.mark, ack.epoch, &ack.room, true),
                    (again.mark, again.epoch, &again.room, again.duplicate)
                );
            }
            match round {
                0 => stepped.page_everything(),
                _ => stepped.reopen(),
            }
        }
    }
}

#[test]
fn a_later_room_has_nothing_of_an_earlier_one_while_that_waits_to_be_paged() {
    let mut stepped = Stepped::new();
    let a = room("a");
    acked(&stepped.one(1, &a, create(RoomKind::Public)));
    acked(&stepped.one(2, &a, membership(&MembershipChange::Join)));
    acked(&stepped.one(1, &a, delete()));
    acked(&stepped.one(3, &a, create(RoomKind::Public)));
    loop {
        assert_eq!(stepped.rooms(), vec![a.clone()]);
        assert_eq!(stepped.members(&a), [client(3).user]);
        let standing = block_on(stepped.store.standing(&a, &client(2).user)).unwrap();
        assert_eq!((standing.member, standing.deleted), (None, None));
        assert_eq!((stepped.rooms_of(2), stepped.rooms_of(3)), (vec![], vec![a.clone()]));
        assert_eq!(block_on(stepped.store.read_all(&a)).unwrap().len(), 1);
        if stepped.store.step_pager().unwrap() != Step::Worked {
            break;
        }
    }
}

#[test]
fn a_user_stays_in_a_room_that_is_made_anew_when_the_earlier_one_is_removed() {
    let mut stepped = Stepped::new();
    let a = room("a");
    acked(&stepped.one(1, &a, create(RoomKind::Public)));
    stepped.page_everything();
    let batch = vec![stepped.line(1, &a, delete()), stepped.line(1, &a, create(RoomKind::Group))];
    append_stepped(&stepped.store, batch).unwrap().iter().for_each(|outcome| drop(acked(outcome).clone()));
    stepped.page_everything();
    assert_eq!((stepped.rooms_of(1), stepped.members(&a)), (vec![a.clone()], vec![client(1).user]));
    stepped.reopen();
    assert_eq!((stepped.rooms_of(1), stepped.members(&a)), (vec![a.clone()], vec![client(1).user]));
}

#[test]
fn what_is_gone_is_told_until_the_room_comes_again() {
    let mut stepped = Stepped::new();
    let a = room("a");
    let epoch = acked(&stepped.one(1, &a, create(RoomKind::Public))).epoch;
    acked(&stepped.one(1, &a, delete()));
    for round in 0..3 {
        let standing = block_on(stepped.store.standing(&a, &client(1).user)).unwrap();
        assert_eq!((standing.info, standing.member, standing.deleted), (None, None, Some(epoch)), "{round}");
        assert_eq!(block_on(stepped.store.room(&a)).unwrap(), None);
        match round {
            0 => stepped.page_everything(),
            _ => stepped.reopen(),
        }
    }
    acked(&stepped.one(1, &a, create(RoomKind::Public)));
    for round in 0..3 {
        let standing = block_on(stepped.store.standing(&a, &client(1).user)).unwrap();
        assert_eq!(standing.deleted, None, "{round}");
        match round {
            0 => stepped.page_everything(),
            _ => stepped.reopen(),
        }
    }
}

#[test]
fn a_list_goes_on_behind_rooms_that_are_gone() {
    let mut stepped = Stepped::new();
    for name in ["a", "b", "c", "d", "e"] {
        acked(&stepped.one(1, &room(name), create(RoomKind::Public)));
    }
    stepped.page_everything();
    for name in ["a", "b", "d"] {
        acked(&stepped.one(1, &room(name), delete()));
    }
    acked(&stepped.one(1, &room("bb"), create(RoomKind::Public)));
    for _ in 0..2 {
        let rooms = block_on(stepped.store.rooms(None, 2)).unwrap();
        assert_eq!(rooms.iter().map(|stored| stored.room.as_str()).collect::<Vec<_>>(), ["bb", "c"]);
        let own = block_on(stepped.store.rooms_of(&client(1).user, Some(&room("b")), 2)).unwrap();
        assert_eq!(own.iter().map(|(room, _)| room.as_str()).collect::<Vec<_>>(), ["bb", "c"]);
        stepped.page_everything();
    }
}

#[test]
fn a_large_room_is_removed_in_steps() {
    let mut stepped = Stepped::new();
    let a = room("a");
    acked(&stepped.one(1, &a, create(RoomKind::Public)));
    let ban = |number| {
        let user = UserId::new(format!("stranger {number}")).unwrap();
        membership(&MembershipChange::Ban { user })
    };
    for batch in 0..13 {
        let lines = (0..100).map(|at| stepped.line(10 + batch, &a, ban(u32::from(batch) * 100 + at)));
        let lines: Vec<_> = lines.map(by_admin).collect();
        append_stepped(&stepped.store, lines)
            .unwrap()
            .iter()
            .for_each(|outcome| drop(acked(outcome).clone()));
        stepped.page_everything();
    }
    acked(&stepped.one(1, &a, delete()));
    // With the rows of the room go the first of the others, in steps of their own.
    assert_eq!(stepped.store.step_pager().unwrap(), Step::Worked);
    assert!(stepped.store.pager_has_work(), "everything went at once");
    stepped.reopen();
    assert!(!stepped.store.pager_has_work());
}

#[test]
fn what_is_decided_shows_with_its_commit_and_not_before() {
    let mut stepped = Stepped::new();
    let a = room("a");
    let line = stepped.line(1, &a, create(RoomKind::Group));
    let user = client(1).user;
    let mut appended = stepped.store.append(vec![line]);
    let mut changed = stepped.store.change_user(&user, UserChange::Direct(Direct::Nobody));
    let key: ClientKey = client(1);
    let mut decided = stepped.store.is_decided(&key, Seq::FIRST);
    assert!(appended.as_mut().now_or_never().is_none());
    assert!(changed.as_mut().now_or_never().is_none());
    assert!(decided.as_mut().now_or_never().is_none());
    assert_eq!(block_on(stepped.store.standing(&a, &user)).unwrap().info, None);
    assert_eq!(block_on(stepped.store.user(&user)).unwrap().contact.direct, Direct::Shared);
    run_steps(&stepped.store).unwrap();
    let standing = block_on(stepped.store.standing(&a, &user)).unwrap();
    assert_eq!(standing.info.unwrap().owners, 1);
    assert_eq!(standing.member.unwrap().membership, Membership::Joined);
    assert_eq!(block_on(stepped.store.user(&user)).unwrap().contact.direct, Direct::Nobody);
    assert!(block_on(decided).unwrap(), "it stands in line behind the publish");
    assert_eq!(block_on(changed).unwrap().unwrap().contact.direct, Direct::Nobody);
    drop(block_on(appended).unwrap());
}

#[test]
fn a_decision_counts_for_what_stands_behind_it_in_the_same_commit() {
    let mut stepped = Stepped::new();
    let a = room("a");
    let batch = vec![
        stepped.line(1, &a, create(RoomKind::Public)),
        stepped.line(2, &a, Draft::message("a stranger does not write")),
        stepped.line(2, &a, membership(&MembershipChange::Join)),
        stepped.line(2, &a, Draft::message("a member does")),
        stepped.line(1, &a, membership(&MembershipChange::Ban { user: client(2).user })),
        stepped.line(2, &a, Draft::message("no more")),
    ];
    let outcomes = append_stepped(&stepped.store, batch).unwrap();
    let acks: Vec<_> = outcomes.iter().map(|outcome| matches!(outcome, Outcome::Acked(_))).collect();
    assert_eq!(acks, [true, false, true, true, true, false]);
    let member = block_on(stepped.store.standing(&a, &client(2).user)).unwrap().member.unwrap();
    assert_eq!((member.joined_at, member.ended_at), (Offset(2), Offset(4)));
}
