//! Loss of power at every sync while rooms are made, settled, left and deleted: what was answered holds, a commit changes
//! all of its rows or none, and nothing of a deleted room comes back. The store in memory says what is right.

use anchor_core::conformance::environment::{SplitMix64, TestEnvironment};
use anchor_core::conformance::store::{by_admin, informed};
use anchor_core::cursor::{CursorMove, Cursors};
use anchor_core::event::{Body, Draft, EventKind};
use anchor_core::id::{RoomId, UserId};
use anchor_core::memory::MemoryStore;
use anchor_core::position::Offset;
use anchor_core::publish::{Outcome, Publish};
use anchor_core::record::{RecordKey, RecordWrite, Written};
use anchor_core::room::change::{MembershipChange, RoomChange, Settings};
use anchor_core::room::{Role, RoomKind, Title};
use anchor_core::store::{Direction, Place, Store, StoreError, StoreExt};
use anchor_core::user::{Direct, Profile, ProfileText, UserChange};
use anchor_sim::disk::{At, Disk, Fault, Power};
use anchor_store::{RedbStore, check_backends};
use futures::FutureExt;
use futures::executor::block_on;
use futures::future::BoxFuture;

use crate::support::{client, publish, room, run_steps};

/// One step of the workload.
#[derive(Clone, Debug)]
enum Step {
    /// One commit.
    Append(Vec<Publish>),
    User(UserId, UserChange),
    /// Somebody comes to so many events before the head of a room.
    Move(UserId, RoomId, u64),
    Write(RecordWrite),
    /// A step of the pager.
    Page,
}

/// A workload with what must be so after each step, beginning with what is so before the first.
struct Script {
    steps: Vec<Step>,
    answers: Vec<Vec<String>>,
    views: Vec<Vec<String>>,
}

impl Script {
    fn draw(seed: u64) -> Self {
        let oracle = MemoryStore::new(TestEnvironment::new(seed));
        let mut drawing = Drawing { random: SplitMix64::new(seed), seqs: [0; USERS] };
        let mut script = Self { steps: Vec::new(), answers: Vec::new(), views: vec![view(&oracle)] };
        for _ in 0..STEPS {
            let step = drawing.step(&oracle);
            script.answers.push(
                match &step {
                    Step::Append(batch) => block_on(oracle.append(known(&oracle, batch))).unwrap(),
                    Step::User(user, change) => {
                        block_on(oracle.change_user(user, change.clone())).unwrap().unwrap();
                        Vec::new()
                    }
                    Step::Move(user, room, back) => {
                        block_on(oracle.move_cursors(moves(&oracle, user, room, *back))).unwrap();
                        Vec::new()
                    }
                    Step::Write(write) => {
                        let _: Written = block_on(oracle.write_records(write.clone())).unwrap();
                        Vec::new()
                    }
                    Step::Page => Vec::new(),
                }
                .iter()
                .map(answer)
                .collect(),
            );
            script.views.push(view(&oracle));
            script.steps.push(step);
        }
        script
    }

    /// Takes the steps from `done` on; ends at the first error.
    fn take(&self, store: &RedbStore, done: &mut usize) -> Result<(), StoreError> {
        while let Some(step) = self.steps.get(*done) {
            match step {
                Step::Append(batch) => {
                    let appended = store.append(known(store, batch));
                    run_steps(store)?;
                    let answers: Vec<_> = block_on(appended)?.iter().map(answer).collect();
                    assert_eq!(answers, self.answers[*done], "step {done}: {step:?}");
                }
                Step::User(user, change) => {
                    let mut changed = store.change_user(user, change.clone());
                    assert!(changed.as_mut().now_or_never().is_none());
                    run_steps(store)?;
                    drop(block_on(changed)?);
                }
                Step::Move(user, room, back) => {
                    paged(store, store.move_cursors(moves(store, user, room, *back)))?;
                }
                Step::Write(write) => {
                    let _: Written = paged(store, store.write_records(write.clone()))?;
                }
                Step::Page => drop(store.step_pager()?),
            }
            *done += 1;
        }
        Ok(())
    }
}

/// What is drawn from.
struct Drawing {
    random: SplitMix64,
    seqs: [u64; USERS],
}

impl Drawing {
    fn step(&mut self, oracle: &MemoryStore) -> Step {
        match self.random.below(12) {
            0 | 1 => Step::Page,
            8..10 => Step::Move(self.user(), self.room(), self.random.below(5)),
            10 => Step::Write(self.write(oracle)),
            2 => {
                let text = ProfileText::new(&format!("name {}", self.random.below(9))).unwrap();
                let change = match self.random.below(4) {
                    0 => UserChange::Profile(Profile { name: Some(text), ..Profile::default() }),
                    1 => UserChange::Direct(Direct::Everyone),
                    2 => UserChange::Block(self.user()),
                    _ => UserChange::Unblock(self.user()),
                };
                Step::User(self.user(), change)
            }
            _ => Step::Append((0..=self.random.below(5)).map(|_| self.publish(oracle)).collect()),
        }
    }

    /// Two records, with a guard that mostly holds. Taken twice it comes to the same.
    fn write(&mut self, oracle: &MemoryStore) -> RecordWrite {
        let mut key = |prefix: &str| RecordKey::new(format!("{prefix}/{}", self.random.below(3))).unwrap();
        let (guard, other) = (key("guard"), key("other"));
        let before = block_on(oracle.record(&guard)).unwrap();
        let number = before.as_ref().map_or(0, |value| value[0]) + 1;
        let expected = if self.random.below(4) == 0 { Some(vec![0]) } else { before };
        let value = (self.random.below(3) > 0).then(|| vec![number; 100]);
        let puts = vec![(guard.clone(), Some(vec![number])), (other, value)];
        RecordWrite { guard: Some((guard, expected)), puts }
    }

    fn publish(&mut self, oracle: &MemoryStore) -> Publish {
        let who = self.below(USERS);
        self.seqs[who] += 1;
        let room = self.room();
        let key = client(u8::try_from(who).unwrap());
        let draft = self.draft(&key.user, &room, oracle);
        let publish = Publish { draft, ..publish(&key, self.seqs[who], &room, "") };
        if self.random.below(2) == 0 { by_admin(publish) } else { publish }
    }

    fn draft(&mut self, user: &UserId, room: &RoomId, oracle: &MemoryStore) -> Draft {
        let of_room = |kind, body| Draft { kind, target: None, body };
        let other = self.user();
        let head = block_on(oracle.room(room)).unwrap().map_or(0, |state| state.head.offset.0);
        let target = Some(Offset(1 + self.random.below(head.max(1))));
        match self.random.below(22) {
            20 | 21 => of_room(EventKind::ROOM, RoomChange::Delete.to_body()),
            0..5 => Draft::message(format!("from {user}, number {}", self.random.below(100))),
            5 => Draft { target, ..Draft::message("a reply") },
            6 => Draft { kind: EventKind::EDIT, target, body: Body::text("edited") },
            7 => Draft { kind: EventKind::REACTION, target, body: Body::text("+1") },
            8 => Draft { kind: EventKind::PIN, target, body: Body::text("") },
            9..12 => {
                let kind = [RoomKind::Public, RoomKind::Group, RoomKind::Direct][self.below(3)];
                let is_direct = kind == RoomKind::Direct;
                let settings = Settings::default();
                let user = is_direct.then(|| self.other(user));
                of_room(EventKind::ROOM, RoomChange::Create { kind, settings, user }.to_body())
            }
            12 => {
                let title = Title::new(&format!("title {}", self.random.below(9))).unwrap();
                let settings = Settings { title: Some(Some(title)), ..Settings::default() };
                of_room(EventKind::ROOM, RoomChange::Set(settings).to_body())
            }
            13 => of_room(EventKind::ROOM, RoomChange::Delete.to_body()),
            _ => {
                let change = match self.random.below(8) {
                    0 | 1 => MembershipChange::Join,
                    2 => MembershipChange::Leave,
                    3 => MembershipChange::Invite { user: other, role: None },
                    4 => MembershipChange::Accept,
                    5 => MembershipChange::Ban { user: other },
                    6 => MembershipChange::Unban { user: other },
                    _ => MembershipChange::Role { user: other, role: Role::Moderator },
                };
                of_room(EventKind::MEMBERSHIP, change.to_body())
            }
        }
    }

    fn room(&mut self) -> RoomId {
        match self.random.below(8) {
            0 => RoomId::direct(&self.user(), &self.user()),
            1..4 => room("a"),
            4..6 => room("b"),
            _ => room("c"),
        }
    }

    fn user(&mut self) -> UserId {
        client(u8::try_from(self.below(USERS)).unwrap()).user
    }

    fn other(&mut self, user: &UserId) -> UserId {
        let other = self.user();
        if other == *user { client(0).user } else { other }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u64)).unwrap()
    }
}

/// The publishes of a batch with what is known of the events that they are about.
fn known(store: &dyn Store, batch: &[Publish]) -> Vec<Publish> {
    batch.iter().map(|publish| block_on(informed(store, publish.clone()))).collect()
}

/// A move to `back` events before the head of a room, which shows of what was read the half.
fn moves(store: &dyn Store, user: &UserId, room: &RoomId, back: u64) -> Vec<CursorMove> {
    let Some(state) = block_on(store.room(room)).unwrap() else { return Vec::new() };
    let read = Offset(state.head.offset.0.saturating_sub(back));
    let Some(mark) = block_on(store.locate(room, Place::Offset(read))).unwrap() else { return Vec::new() };
    let to = Cursors { delivered: state.head.offset, read: mark.into(), shown: Offset(read.0 / 2) };
    vec![CursorMove { room: room.clone(), epoch: state.epoch(), user: user.clone(), to }]
}

/// Takes the pager's steps until there is an answer.
fn paged<T>(
    store: &RedbStore,
    mut answer: BoxFuture<'static, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    loop {
        store.step_pager()?;
        if let Some(answer) = (&mut answer).now_or_never() {
            return answer;
        }
    }
}

/// An outcome without what is drawn at random, and whether it was decided before.
fn answer(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Acked(ack) => format!("{} {} in {}", ack.seq, ack.mark.offset, ack.room),
        other => format!("{other:?}"),
    }
}

/// Everything that can be read, but what is drawn at random.
fn view(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    for stored in block_on(store.rooms(None, 100)).unwrap() {
        let (room, state) = (&stored.room, &stored.state);
        lines.push(format!("{room}: {} to {}, {:?}", state.horizon, state.head.offset, stored.info));
        for event in block_on(store.read_all(room)).unwrap() {
            let (kind, user, target) = (event.kind, event.user, event.target);
            lines.push(format!("{room} {}: {kind:?} {user} {target:?} {:?}", event.offset, event.body));
        }
        let all = (Offset(1), state.head.offset);
        lines.push(format!("{:?}", block_on(store.amendments(room, all, 1_000)).unwrap()));
        lines.push(format!("{:?}", block_on(store.threads(room, all)).unwrap()));
        lines.push(format!(
            "{:?}",
            block_on(store.replies(room, Offset(1), Direction::After(Offset::ZERO), 9)).unwrap()
        ));
        let cursors = block_on(store.room_cursors(room, None, 100)).unwrap();
        for (user, of_user) in &cursors {
            let unread = of_user.read.unread(state.head.ordinal);
            let behind = block_on(store.read_all(room)).unwrap();
            let behind = behind.iter().filter(|event| event.offset > of_user.read.offset);
            let messages = behind.filter(|event| event.kind == EventKind::MESSAGE).count() as u64;
            assert_eq!(unread, messages, "what {user} has not read of {room}");
        }
        lines.push(format!("{room}: {cursors:?}"));
        for (user, member) in block_on(store.members(room, None, 100)).unwrap() {
            assert_eq!(block_on(store.standing(room, &user)).unwrap().member, Some(member));
            lines.push(format!("{room} has {user}: {member:?}"));
        }
    }
    let users: Vec<_> = (0..USERS).map(|number| client(u8::try_from(number).unwrap()).user).collect();
    let direct = users.iter().flat_map(|one| users.iter().map(|other| RoomId::direct(one, other)));
    for room in ["a", "b", "c"].map(room).into_iter().chain(direct) {
        let deleted = block_on(store.standing(&room, &users[0])).unwrap().deleted;
        lines.push(format!("{room} was deleted: {}", deleted.is_some()));
    }
    lines.push(format!("{:?}", block_on(store.records("", None, 100)).unwrap()));
    for user in &users {
        lines.push(format!("{user}: {:?}", block_on(store.user(user)).unwrap()));
        lines.push(format!("{user} is in {:?}", block_on(store.rooms_of(user, None, 100)).unwrap()));
    }
    lines
}

/// The power goes at sync `sync`, and again soon after; false if there are fewer syncs.
fn survive(script: &Script, sync: u64) -> bool {
    let mut random = SplitMix64::new(sync);
    let power = Power::new();
    let (mut journal, mut pages) = (power.disk(), power.disk());
    let (mut done, mut went_off) = (0, false);
    for fails_at in [Some(sync), Some(1 + sync % 11), None] {
        power.disarm();
        if let Some(sync) = fails_at {
            power.arm(At::Sync(sync), Fault::PowerOff);
        }
        match open(&journal, &pages) {
            Ok(store) => {
                let found = view(&store);
                let is_right = script.views[done..].iter().take(2).any(|view| *view == found);
                assert!(
                    is_right,
                    "at sync {sync}, behind step {done}: {found:#?}, not {:#?}",
                    script.views[done]
                );
                went_off |= script.take(&store, &mut done).is_err();
                if fails_at.is_none() {
                    assert_eq!(view(&store), script.views[done]);
                    store.close();
                }
                power.turn_off();
            }
            Err(error) => {
                assert!(fails_at.is_some(), "a sound disk does not open: {error}");
                went_off = true;
            }
        }
        power.crash(&mut random);
        if done == 0 {
            // Making the files is done by renaming, see `directory.rs`.
            (journal, pages) = (power.disk(), power.disk());
        }
    }
    let report = check_backends(journal.attach(), pages.attach(), TestEnvironment::new(0)).unwrap();
    assert_eq!(report.problems, Vec::<String>::new(), "at sync {sync}");
    went_off
}

fn open(journal: &Disk, pages: &Disk) -> Result<RedbStore, anchor_store::OpenError> {
    // A small step, so that a cut seldom has everything.
    let options = RedbStore::options().page_step(16, 1 << 20).cached(2, 2);
    options.open_stepped(journal.attach(), pages.attach(), TestEnvironment::new(7))
}

#[test]
pub(crate) fn rows_hold_at_any_sync() {
    let seeds = if crate::crash::is_full() { 0..8 } else { 0..1 };
    for seed in seeds {
        let script = Script::draw(seed);
        let is_told = |line: &String| line.ends_with("was deleted: true");
        let deletions = script.views.iter().filter(|view| view.iter().any(is_told)).count();
        assert!((5..STEPS).contains(&deletions), "rooms that are gone are told of after {deletions} steps");
        let syncs = (1..).take_while(|sync| survive(&script, *sync)).count();
        assert!(syncs > 80, "the script has more syncs than {syncs}");
    }
}

const USERS: usize = 4;
const STEPS: usize = 130;
