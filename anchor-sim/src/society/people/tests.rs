//! A right history of what is kept of users and said to them passes, and each thing that may go wrong with one is found.

use std::collections::BTreeMap;
use std::time::Duration;

use anchor_core::conformance::environment::SplitMix64;
use anchor_core::event::{Body, Draft, Event, EventKind};
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::{Chain, Epoch, Offset, Ordinal};
use anchor_core::publish::{Ack, Durability};
use anchor_core::room::change::{MembershipChange, Report, RoomChange, Settings};
use anchor_core::room::{Role, RoomKind};
use anchor_core::session::frame::{Page, RequestId, Signal};
use anchor_core::user::{Direct, Profile, ProfileText, UserChange, UserRow};

use crate::kernel::{Kernel, ProcessId};
use crate::society::{Hearer, Society};

/// A history that a test writes by hand, a second for each thing that happens in it.
struct Scene {
    kernel: Kernel,
    society: Society,
    logs: BTreeMap<RoomId, Vec<Event>>,
}

impl Scene {
    fn new() -> Self {
        let kernel = Kernel::new(SplitMix64::new(1));
        Self { society: Society::new(kernel.clone()), kernel, logs: BTreeMap::new() }
    }

    /// Ada and bob are members of the club, which ada owns.
    fn with_club() -> Self {
        let mut scene = Self::new();
        let create = RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None };
        scene.write("ada", &club(), of_room(&create));
        let invite = MembershipChange::Invite { user: user("bob"), role: None };
        scene.write("ada", &club(), of_member(&invite));
        scene.write("bob", &club(), of_member(&MembershipChange::Accept));
        scene
    }

    /// A second later.
    fn wait(&self) -> Duration {
        let (kernel, process) = (self.kernel.clone(), self.kernel.process());
        let until = kernel.now() + Duration::from_secs(1);
        self.kernel.spawn(process, async move { kernel.sleep_until(until).await });
        self.kernel.run(|| self.kernel.now() >= until);
        until
    }

    /// What stands in a room from now on.
    fn write(&mut self, by: &str, room: &RoomId, draft: Draft) -> Offset {
        let now = self.wait();
        let log = self.logs.entry(room.clone()).or_default();
        let event = Event {
            offset: Offset(log.len() as u64 + 1),
            ordinal: Ordinal(0),
            chain: Chain::from_bytes([0; 8]),
            ts: 0,
            user: user(by),
            client: ClientTag::from_bytes([0; 8]),
            seq: Seq::FIRST,
            nonce: Nonce(0),
            kind: draft.kind,
            target: draft.target,
            body: Some(draft.body),
        };
        let offset = event.offset;
        log.push(event.clone());
        self.society.inner().ledger.write(room, event, now);
        offset
    }

    /// Begun, and stands a second later.
    fn say(&mut self, by: &str, room: &RoomId, draft: Draft) {
        self.wait();
        let begun_at = self.society.begins(&user(by), room, &draft);
        let offset = self.write(by, room, draft);
        let mark =
            anchor_core::position::Mark { offset, ordinal: Ordinal(0), chain: Chain::from_bytes([0; 8]) };
        let (room, durability) = (room.clone(), Durability::Disk);
        let ack = Ack { seq: Seq::FIRST, room, epoch: EPOCH, mark, ts: 0, duplicate: false, durability };
        self.society.stands(&ack, begun_at);
    }

    fn ask(&self, by: &str, change: UserChange) -> usize {
        self.wait();
        let number = self.society.asks_to_change(&user(by), &change);
        self.wait();
        number
    }

    fn change(&self, by: &str, change: UserChange) {
        let number = self.ask(by, change);
        self.society.changed(&user(by), number);
        self.wait();
    }

    fn verdict(&self) -> Vec<String> {
        let epochs = self.logs.keys().map(|room| (room.clone(), EPOCH)).collect();
        self.society.verdict(&self.logs, &epochs)
    }

    fn reads(&self, told: &Profile) -> Vec<String> {
        let asked_at = self.wait();
        self.wait();
        self.society.reads_profiles(asked_at, &[(user("bob"), told.clone())]);
        self.broken()
    }

    fn process(&self) -> ProcessId {
        self.kernel.process()
    }

    /// What was found at once.
    fn broken(&self) -> Vec<String> {
        std::mem::take(&mut self.society.inner().broken)
    }
}

fn assert_found(broken: &[String], what: &str) {
    assert!(broken.len() == 1 && broken[0].contains(what), "{what}: {broken:?}");
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a plain id")
}

fn club() -> RoomId {
    RoomId::new("club-0").expect("a plain id")
}

fn direct() -> RoomId {
    RoomId::direct(&user("ada"), &user("bob"))
}

fn of_room(change: &RoomChange) -> Draft {
    Draft { kind: EventKind::ROOM, target: None, body: change.to_body() }
}

fn of_member(change: &MembershipChange) -> Draft {
    Draft { kind: EventKind::MEMBERSHIP, target: None, body: change.to_body() }
}

fn open(other: &str) -> Draft {
    let (settings, user) = (Settings::default(), Some(user(other)));
    of_room(&RoomChange::Create { kind: RoomKind::Direct, settings, user })
}

fn named(name: &str) -> Profile {
    Profile { name: ProfileText::new(name).ok(), ..Profile::default() }
}

#[test]
fn a_direct_room_is_opened_once_and_for_two() {
    let mut scene = Scene::with_club();
    scene.say("ada", &direct(), open("bob"));
    scene.say("bob", &direct(), Draft::message("hi"));
    assert_eq!(scene.verdict(), [""; 0]);
    scene.say("bob", &direct(), open("ada"));
    assert_found(&scene.verdict(), "was opened anew at 3");
    let mut scene = Scene::with_club();
    scene.say("ada", &direct(), open("bob"));
    scene.say("eve", &direct(), Draft::message("and me"));
    assert_found(&scene.verdict(), "eve said");
    let mut scene = Scene::with_club();
    scene.say("ada", &direct(), Draft::message("hi"));
    assert_found(&scene.verdict(), "does not open it");
}

#[test]
fn who_is_no_party_to_it_is_told_nothing() {
    for who in ["eve", crate::scenario::ADMIN] {
        let mut scene = Scene::with_club();
        scene.say("ada", &direct(), open("bob"));
        let events = scene.logs[&direct()].clone();
        let page = page(&direct(), events);
        scene.society.paged(&user("bob"), scene.kernel.now(), &page);
        assert_eq!(scene.verdict(), [""; 0]);
        scene.society.paged(&user(who), scene.kernel.now(), &page);
        assert_found(&scene.verdict(), "was told 1 of @");
    }
}

fn page(room: &RoomId, events: Vec<Event>) -> Page {
    let head = events.last().map_or(Offset::ZERO, |event| event.offset);
    Page {
        id: RequestId(1),
        room: room.clone(),
        epoch: Some(EPOCH),
        first: Offset(1),
        events,
        head,
        horizon: Offset(1),
        gap: None,
        next: None,
        changes: Vec::new(),
    }
}

#[test]
fn what_is_begun_after_a_block_is_never_said() {
    let block = || UserChange::Block(user("ada"));
    let mut scene = Scene::with_club();
    scene.say("ada", &direct(), open("bob"));
    // Asked for, and not answered: it may be made or not.
    let number = scene.ask("bob", block());
    scene.say("ada", &direct(), Draft::message("one"));
    let begun_at = scene.society.begins(&user("ada"), &direct(), &Draft::message("two"));
    assert!(begun_at > Duration::ZERO);
    scene.society.changed(&user("bob"), number);
    // Begun before, and so perhaps decided before.
    scene.write("ada", &direct(), Draft::message("two"));
    scene.say("bob", &direct(), Draft::message("the one who blocked may speak"));
    assert_eq!(scene.verdict(), [""; 0]);
    // Whoever may not speak may take back.
    scene.say(
        "ada",
        &direct(),
        Draft { kind: EventKind::REDACTION, target: Some(Offset(2)), body: "".into() },
    );
    scene.say("ada", &direct(), Draft::message("three"));
    let broken = scene.verdict();
    assert!(
        broken.iter().any(|line| line.contains("said 6") && line.contains("bob had blocked")),
        "{broken:?}"
    );
    assert_eq!(broken.iter().filter(|line| line.contains("blocked")).count(), 1, "{broken:?}");
}

#[test]
fn a_block_that_may_have_been_lifted_is_none() {
    let mut scene = Scene::with_club();
    scene.say("ada", &direct(), open("bob"));
    scene.change("bob", UserChange::Block(user("ada")));
    scene.ask("bob", UserChange::Unblock(user("ada")));
    scene.say("ada", &direct(), Draft::message("hi"));
    assert_eq!(scene.verdict(), [""; 0]);
}

#[test]
fn a_direct_room_is_opened_by_those_who_may() {
    let mut scene = Scene::with_club();
    scene.change("bob", UserChange::Direct(Direct::Nobody));
    scene.say("ada", &direct(), open("bob"));
    assert_found(&scene.verdict(), "bob took nobody's");
    let mut scene = Scene::with_club();
    scene.change("ada", UserChange::Block(user("bob")));
    scene.say("ada", &direct(), open("bob"));
    assert_found(&scene.verdict(), "had blocked bob");
    // Nobody shares a room.
    let mut scene = Scene::new();
    scene.say("ada", &direct(), open("bob"));
    assert_found(&scene.verdict(), "shared no room");
    let mut scene = Scene::new();
    scene.change("bob", UserChange::Direct(Direct::Everyone));
    scene.say("ada", &direct(), open("bob"));
    assert_eq!(scene.verdict(), [""; 0]);
}

#[test]
fn a_profile_is_what_was_acknowledged_last() {
    let scene = Scene::new();
    assert_eq!(scene.reads(&Profile::default()), [""; 0]);
    scene.change("bob", UserChange::Profile(named("one")));
    assert_eq!(scene.reads(&named("one")), [""; 0]);
    assert_found(&scene.reads(&Profile::default()), "the profile of bob");
    let number = scene.ask("bob", UserChange::Profile(named("two")));
    for name in ["one", "two"] {
        assert_eq!(scene.reads(&named(name)), [""; 0]);
    }
    scene.society.changed(&user("bob"), number);
    assert_found(&scene.reads(&named("one")), "the profile of bob");
    assert_found(&scene.reads(&named("three")), "the profile of bob");
    assert_eq!(scene.reads(&named("two")), [""; 0]);
}

#[test]
fn what_is_kept_of_a_user_in_the_end_is_what_was_acknowledged() {
    let scene = Scene::new();
    let others = [user("ada")];
    let check = |row: &UserRow| scene.society.check_row(&user("bob"), &others, row);
    let mut row = UserRow::default();
    assert_eq!(check(&row), [""; 0]);
    for change in [
        UserChange::Profile(named("one")),
        UserChange::Direct(Direct::Nobody),
        UserChange::Block(user("ada")),
    ] {
        scene.change("bob", change.clone());
        assert_eq!(check(&row).len(), 1, "{change:?}");
        row.apply(change).expect("few are blocked");
        assert_eq!(check(&row), [""; 0]);
    }
    scene.change("bob", UserChange::Unblock(user("ada")));
    assert_found(&check(&row), "bob has blocked ada: true");
}

#[test]
fn profiles_in_passing_are_those_that_were_set_and_of_acquaintances() {
    let scene = Scene::with_club();
    for (name, rooms) in [("ada", &[club()][..]), ("bob", &[club(), direct()]), ("eve", &[direct()])] {
        scene.society.knows_reader(&user(name), rooms.iter());
    }
    let _ = scene.ask("bob", UserChange::Profile(named("one")));
    scene.society.hears_profile(&user("ada"), &user("bob"), &named("one"));
    assert_eq!(scene.broken(), [""; 0]);
    scene.society.hears_profile(&user("ada"), &user("bob"), &named("two"));
    assert_found(&scene.broken(), "nobody set that");
    scene.society.hears_profile(&user("eve"), &user("bob"), &named("one"));
    assert_found(&scene.broken(), "never shared a room");
}

#[test]
fn announcements_are_heard_once_in_order_and_none_is_skipped() {
    let announcements = RoomId::announcements();
    let mut scene = Scene::new();
    for text in ["one", "two", "three", "four"] {
        scene.society.announces(text);
        scene.write(crate::scenario::ADMIN, &announcements, Draft::message(text));
    }
    let heard = |offsets: &[u64], after: Option<u64>| {
        let process = scene.process();
        for offset in offsets {
            scene.society.hears_announcement(process, after.map(Offset), Offset(*offset));
        }
        let (verdict, has_heard_all) = (scene.verdict(), scene.society.has_heard_all(process));
        scene.society.inner().people.announced.forget();
        (verdict, has_heard_all)
    };
    assert_eq!(heard(&[2, 3, 4], None), (Vec::new(), true));
    // What a cursor did not say yet is told again.
    assert_eq!(heard(&[2, 3], Some(2)), (Vec::new(), false));
    for wrong in [&[1, 3][..], &[1, 1], &[2, 1]] {
        assert_found(&heard(wrong, None).0, "heard the announcements");
    }
    assert_found(&heard(&[4], Some(2)).0, "never heard the announcements");
}

#[test]
fn only_admins_announce_and_once() {
    let announcements = RoomId::announcements();
    let mut scene = Scene::new();
    scene.society.announces("one");
    scene.write(crate::scenario::ADMIN, &announcements, Draft::message("one"));
    assert_eq!(scene.verdict(), [""; 0]);
    scene.write(crate::scenario::ADMIN, &announcements, Draft::message("one"));
    assert_found(&scene.verdict(), "was announced twice");
    let mut scene = Scene::new();
    scene.write("ada", &announcements, Draft::message("one"));
    assert_found(&scene.verdict(), "ada announced");
}

#[test]
fn a_report_stands_once_for_moderators_alone() {
    let reports = RoomId::reports_of(&club());
    let report = |reason: &str| {
        let body = Report { room: club(), offset: Offset(1), reason: Some(reason.to_owned()) }.to_body();
        Draft { kind: EventKind::REPORT, target: None, body }
    };
    let mut scene = Scene::with_club();
    scene.society.reports(&club(), "rude");
    scene.write("bob", &reports, report("rude"));
    assert_eq!(scene.verdict(), [""; 0]);
    let shown = |scene: &Scene, who: &str| {
        let page = page(&reports, scene.logs[&reports].clone());
        scene.society.reads_reports(&user(who), &club(), scene.wait(), &page);
        scene.broken()
    };
    assert_eq!(shown(&scene, "ada"), [""; 0]);
    assert_found(&shown(&scene, "bob"), "moderates nothing there");
    let promote = MembershipChange::Role { user: user("bob"), role: Role::Moderator };
    scene.write("ada", &club(), of_member(&promote));
    assert_eq!(shown(&scene, "bob"), [""; 0]);
    scene.write("bob", &reports, report("rude"));
    assert_found(&scene.verdict(), "is reported twice");
    let mut scene = Scene::with_club();
    scene.write("bob", &reports, report("never said"));
    assert_found(&scene.verdict(), "nobody did");
}

#[test]
fn a_signal_is_heard_once_by_those_who_are_meant_and_there() {
    let scene = Scene::with_club();
    let (at_ada, at_bob) = (scene.process(), scene.process());
    let signal = |text: &str, to: Option<&str>| {
        let (room, user, body) = (club(), to.map(user), Body::text(text));
        Signal { room, user, client: None, body }
    };
    let heard = |who: &str, process, text: &str, reads| {
        let user_id = user(who);
        let hearer = Hearer { user: &user_id, process, reads, is_alone: true };
        let signal = Signal { user: Some(user("ada")), ..signal(text, None) };
        scene.society.hears(hearer, &signal);
        scene.broken()
    };
    for (text, to) in
        [("one", None), ("two", Some("bob")), ("three", Some("eve")), ("four", None), ("five", None)]
    {
        scene.society.says(&user("ada"), at_ada, &signal(text, to));
    }
    scene.wait();
    assert_eq!(heard("bob", at_bob, "one", true), [""; 0]);
    assert_eq!(heard("bob", at_bob, "two", true), [""; 0]);
    assert_found(&heard("bob", at_bob, "two", true), "heard there before");
    assert_found(&heard("bob", at_bob, "three", true), "it was for");
    assert_found(&heard("bob", at_bob, "six", true), "nobody said it");
    assert_found(&heard("ada", at_ada, "one", true), "the same client said it");
    assert_found(&heard("bob", at_bob, "four", false), "nothing of the room is read there");
    assert_found(&heard("eve", scene.process(), "five", true), "not that user's to read");
}

#[test]
fn a_signal_reaches_nobody_who_was_removed_before_and_comes_from_nobody_who_may_not_speak() {
    let mut scene = Scene::with_club();
    scene.write("ada", &club(), of_member(&MembershipChange::Kick { user: user("bob") }));
    scene.wait();
    let hears = |from: &str, to: &str, text: &str| {
        let (room, body) = (club(), Body::text(text));
        let signal = Signal { room, user: None, client: None, body };
        scene.society.says(&user(from), scene.process(), &signal);
        scene.wait();
        let (user_id, from) = (user(to), Some(user(from)));
        let hearer = Hearer { user: &user_id, process: scene.process(), reads: true, is_alone: true };
        scene.society.hears(hearer, &Signal { user: from, ..signal });
        scene.broken()
    };
    assert_found(&hears("ada", "bob", "one"), "not that user's to read");
    assert_found(&hears("bob", "ada", "two"), "bob may say nothing");
    assert_eq!(hears("ada", "ada", "three"), [""; 0]);
}

#[test]
fn a_signal_is_not_for_who_has_blocked_its_sender_and_stands_nowhere() {
    let mut scene = Scene::with_club();
    scene.say("ada", &direct(), open("bob"));
    scene.change("bob", UserChange::Block(user("ada")));
    let (room, body) = (direct(), Body::text("psst"));
    let signal = Signal { room, user: None, client: None, body };
    scene.society.says(&user("ada"), scene.process(), &signal);
    scene.wait();
    let user_id = user("bob");
    let hearer = Hearer { user: &user_id, process: scene.process(), reads: true, is_alone: true };
    scene.society.hears(hearer, &Signal { user: Some(user("ada")), ..signal });
    assert_found(&scene.broken(), "had blocked ada");
    scene.write("bob", &direct(), Draft::message("psst"));
    assert_found(&scene.verdict(), "said in passing, and stands");
}

const EPOCH: Epoch = Epoch::from_bytes([1; 8]);
