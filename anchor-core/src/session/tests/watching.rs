//! Who has read, who is there, who types: told to those who look at the room, and to nobody else.

use std::time::Duration;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt};

use super::peer::{House, Peer, membership, room_change, room_id, user_id};
use crate::conformance::environment::TestEnvironment;
use crate::engine::Anchor;
use crate::event::Draft;
use crate::limits::{CURSORS_EVERY, PRESENCE_SETTLES, RECEIPTS_MEMBERS_MAX, TYPING_EXPIRES, WATCHED_MAX};
use crate::position::Offset;
use crate::room::RoomKind;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::session::frame::{
    ClientFrame, CursorFrame, From, Presence, Receipt, RequestId, ServerFrame, Sighting, Watching,
};
use crate::store::Store;
use crate::user::{ReadReceipts, UserChange};

/// Maintains an engine while its time goes by.
pub(super) struct Maintained<'a> {
    house: &'a House,
    maintained: BoxFuture<'static, ()>,
}

impl<'a> Maintained<'a> {
    pub(super) fn new(house: &'a House) -> Self {
        let anchor: Anchor = house.anchor.clone();
        let mut maintained = Self { house, maintained: async move { anchor.maintain().await }.boxed() };
        maintained.pass(Duration::ZERO);
        maintained
    }

    /// Lets time go by, so little at a time that nothing is late by much.
    pub(super) fn pass(&mut self, duration: Duration) {
        let mut cx = std::task::Context::from_waker(futures::task::noop_waker_ref());
        let mut left = duration;
        loop {
            assert!(self.maintained.poll_unpin(&mut cx).is_pending());
            let step = left.min(Duration::from_millis(100));
            if step.is_zero() {
                return;
            }
            self.house.env.advance(step);
            left -= step;
        }
    }
}

/// A group of olga's, in which these have joined.
pub(super) fn group(house: &House, members: &[&str]) {
    let create = RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None };
    house.act("olga", "plans", room_change(&create));
    for member in members {
        join(house, member);
    }
}

fn join(house: &House, member: &str) {
    house.act("olga", "plans", membership(&MembershipChange::Invite { user: user_id(member), role: None }));
    house.act(member, "plans", membership(&MembershipChange::Accept));
}

pub(super) fn cursor(house: &House, room: &str, read: u64) -> ClientFrame {
    let room = room_id(room);
    let epoch = block_on(house.store.room(&room)).unwrap().unwrap().epoch();
    ClientFrame::Cursor(CursorFrame { room, epoch, delivered: None, read: Some(Offset(read)) })
}

fn delivered(house: &House, room: &str, delivered: u64) -> ClientFrame {
    let ClientFrame::Cursor(cursor) = cursor(house, room, 0) else { unreachable!("it is a cursor") };
    ClientFrame::Cursor(CursorFrame { delivered: Some(Offset(delivered)), read: None, ..cursor })
}

/// A session that is subscribed to a room and watches it.
fn watcher(house: &House, user: &str, room: &str) -> (Peer, Watching) {
    let mut peer = house.visit(user);
    peer.subscribe(1, room, From::Now).frames();
    let watching = watch(&mut peer, room);
    (peer, watching)
}

fn watch(peer: &mut Peer, room: &str) -> Watching {
    peer.send(ClientFrame::Watch { id: RequestId(2), room: room_id(room) });
    match peer.frames().pop() {
        Some(ServerFrame::Watching(watching)) => *watching,
        other => panic!("no answer: {other:?}"),
    }
}

fn typing(room: &str, typing: bool) -> ClientFrame {
    ClientFrame::Typing { room: room_id(room), typing }
}

/// What was told since the last look, in words.
pub(super) fn told(peer: &mut Peer) -> Vec<String> {
    let receipt = |Receipt { user, delivered, read, ordinal }: Receipt| {
        let delivered = delivered.map_or_else(|| "-".to_owned(), |delivered| delivered.to_string());
        let own = ordinal.map_or_else(String::new, |ordinal| format!(" #{}", ordinal.0));
        format!("{} {delivered} {read}{own}", user.as_str())
    };
    let word = |frame| match frame {
        ServerFrame::Receipts { receipts, .. } => {
            Some(receipts.into_iter().map(receipt).collect::<Vec<_>>().join(", "))
        }
        ServerFrame::Presence { sightings, online, away, .. } => {
            Some(format!("{} ({online} online, {away} away)", words(&sightings)))
        }
        ServerFrame::Typing { users, .. } => {
            let users: Vec<_> = users.iter().map(|user| user.as_str()).collect();
            Some(format!("typing: {}", users.join(" ")))
        }
        ServerFrame::Unwatched { id, .. } => {
            Some(format!("unwatched {}", if id.is_some() { "as asked" } else { "" }))
        }
        ServerFrame::Ended { code, .. } => Some(format!("ended {code}")),
        ServerFrame::Error { code, .. } => Some(format!("error {code}")),
        _ => None,
    };
    peer.settle().frames().into_iter().filter_map(word).collect()
}

fn words(sightings: &[Sighting]) -> String {
    let word = |Sighting { user, presence, .. }: &Sighting| format!("{} {}", user.as_str(), presence.name());
    sightings.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[test]
pub(super) fn how_far_a_user_has_read_is_told_to_all_devices_once_it_is_durable() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 3);
    let (mut phone, mut laptop) = (house.visit("bob"), house.visit("bob"));
    laptop.send(cursor(&house, "plans", 1));
    let mut time = Maintained::new(&house);
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut laptop), ["bob 3 3 #0"], "who joined with the third event has read that");
    assert_eq!(told(&mut phone), [""; 0], "who has never said how far it has come does not hear of it");
    phone
        .send(delivered(&house, "plans", 5))
        .send(cursor(&house, "plans", 4))
        .send(cursor(&house, "plans", 5));
    let cursors = || block_on(house.store.cursors(&user_id("bob"), &[room_id("plans")])).unwrap()[0];
    time.pass(CURSORS_EVERY / 2);
    assert_eq!((told(&mut phone), told(&mut laptop)), (Vec::new(), Vec::new()), "nothing is durable yet");
    assert_eq!(cursors().read.offset, Offset(3));
    time.pass(CURSORS_EVERY / 2);
    assert_eq!(cursors().read.offset, Offset(5));
    assert_eq!(told(&mut phone), ["bob 5 5 #2"]);
    assert_eq!(told(&mut laptop), ["bob 5 5 #2"], "read on one device, read on the other");
}

#[test]
fn a_cursor_beyond_the_head_of_another_log_or_of_another_s_room_moves_nothing() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 3);
    let before = block_on(house.store.room_cursors(&room_id("plans"), None, 9)).unwrap();
    let (mut bob, mut eve) = (house.visit("bob"), house.visit("eve"));
    let mut time = Maintained::new(&house);
    bob.send(cursor(&house, "plans", 7));
    let ClientFrame::Cursor(other) = cursor(&house, "plans", 5) else { unreachable!("it is a cursor") };
    bob.send(ClientFrame::Cursor(CursorFrame { epoch: crate::position::Epoch::from_bytes([9; 8]), ..other }));
    eve.send(cursor(&house, "plans", 5));
    time.pass(CURSORS_EVERY * 2);
    assert_eq!((told(&mut bob), told(&mut eve)), (Vec::new(), Vec::new()));
    assert_eq!(block_on(house.store.room_cursors(&room_id("plans"), None, 9)).unwrap(), before);
}

#[test]
fn a_cursor_of_a_log_that_was_set_back_goes_as_far_as_the_fork() {
    let house = House::new();
    house.write("lobby", ["one".to_owned(), "two".to_owned()]);
    let backup = house.store.snapshot();
    let late = {
        house.write("lobby", ["three".to_owned(), "four".to_owned()]);
        cursor(&house, "lobby", 4)
    };
    house.store.restore_from(backup);
    house.write("lobby", ["other".to_owned()]);
    let house = house.restarted();
    let mut bob = house.visit("bob");
    bob.send(late);
    Maintained::new(&house).pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), ["bob 2 2 #2"]);
}

#[test]
pub(super) fn receipts_go_to_those_who_watch_and_not_to_others() {
    let house = House::new();
    group(&house, &["bob", "cleo", "dan"]);
    house.say("olga", "plans", 3);
    let mut bob = house.visit("bob");
    let (mut olga, watching) = watcher(&house, "olga", "plans");
    let receipts = watching.receipts.unwrap();
    let read: Vec<_> = receipts.iter().map(|receipt| (receipt.user.as_str(), receipt.read.0)).collect();
    assert_eq!(read, [("bob", 3), ("cleo", 5), ("dan", 7), ("olga", 10)]);
    let mut cleo = house.visit("cleo");
    cleo.subscribe(1, "plans", From::Now).frames();
    let mut time = Maintained::new(&house);
    time.pass(PRESENCE_SETTLES * 2);
    told(&mut olga);
    bob.send(cursor(&house, "plans", 9));
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), ["bob 9 9 #2"]);
    assert_eq!(told(&mut olga), ["bob 9 9"]);
    assert_eq!(told(&mut cleo), [""; 0]);
    olga.send(ClientFrame::Unwatch { id: RequestId(3), room: room_id("plans") });
    assert_eq!(told(&mut olga), ["unwatched as asked"]);
    bob.send(cursor(&house, "plans", 10));
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut olga), [""; 0]);
}

#[test]
pub(super) fn who_keeps_receipts_back_is_not_told_of_until_writing() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 2);
    let mut bob = house.visit("bob");
    let keep = UserChange::Receipts(ReadReceipts::Hidden);
    bob.send(ClientFrame::ChangeUser { id: RequestId(9), change: keep }).frames();
    let mut time = Maintained::new(&house);
    let (mut olga, _) = watcher(&house, "olga", "plans");
    time.pass(PRESENCE_SETTLES * 2);
    told(&mut olga);
    bob.send(cursor(&house, "plans", 5));
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), ["bob 5 5 #2"]);
    assert_eq!(told(&mut olga), ["bob 5 3"], "delivered, and read as far as it was shown by joining");
    let readers = block_on(house.anchor.readers(&room_id("plans"), &[Offset(5)], None)).unwrap();
    assert_eq!((readers[0].1.delivered, readers[0].1.read), (2, 1));
    house.say("bob", "plans", 1);
    let (_, watching) = watcher(&house, "olga", "plans");
    assert_eq!(watching.receipts.unwrap()[0].read, Offset(6), "whoever writes has read");
}

#[test]
fn a_room_of_more_than_so_many_is_counted() {
    let house = House::new();
    group(&house, &[]);
    let admin = |user: &str| membership(&MembershipChange::Invite { user: user_id(user), role: None });
    for n in 1..RECEIPTS_MEMBERS_MAX {
        let user = format!("user {n:03}");
        house.act("olga", "plans", admin(&user));
        house.act(&user, "plans", membership(&MembershipChange::Accept));
    }
    let (mut olga, watching) = watcher(&house, "olga", "plans");
    assert_eq!(watching.receipts.map(|receipts| receipts.len()), Some(RECEIPTS_MEMBERS_MAX));
    let mut bob = house.visit("bob");
    join(&house, "bob");
    let mut time = Maintained::new(&house);
    time.pass(PRESENCE_SETTLES);
    assert_eq!(told(&mut olga).last().map(String::as_str), Some("unwatched "));
    let watching = watch(&mut olga, "plans");
    assert_eq!(watching.receipts, None);
    assert_eq!(words(&watching.sightings), "olga online");
    assert_eq!((watching.online, watching.away), (1, 0));
    let head = block_on(house.store.room(&room_id("plans"))).unwrap().unwrap().head.offset;
    bob.send(cursor(&house, "plans", head.0));
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), [format!("bob - {head} #0")], "what was delivered is not kept");
    assert_eq!(told(&mut olga), [""; 0]);
    olga.send(ClientFrame::Readers {
        id: RequestId(4),
        room: room_id("plans"),
        offsets: vec![head, Offset(1)],
    });
    let Some(ServerFrame::ReadBy { readers, .. }) = olga.frames().pop() else { panic!("no answer") };
    let read: Vec<_> = readers.iter().map(|(offset, readers)| (offset.0, readers.read)).collect();
    assert_eq!(read, [(head.0, 1), (1, RECEIPTS_MEMBERS_MAX as u64 + 1)]);
}

/// Nor is who has left told of, or counted; who comes back is as far as before.
#[test]
fn a_host_sets_from_how_many_on_a_room_is_counted() {
    let env = TestEnvironment::new(7);
    let house = House::built(&env, |store| store, |builder| builder.receipts_members_max(2));
    group(&house, &["bob", "eve"]);
    let (mut olga, watching) = watcher(&house, "olga", "plans");
    assert_eq!(watching.receipts, None, "three are more than two");
    let head = block_on(house.store.room(&room_id("plans"))).unwrap().unwrap().head.offset;
    let readers = |house: &House| {
        block_on(house.anchor.readers(&room_id("plans"), &[Offset(1)], None)).unwrap()[0].1.read
    };
    assert_eq!((head, readers(&house)), (Offset(5), 3));
    house.act("eve", "plans", membership(&MembershipChange::Leave));
    assert_eq!(readers(&house), 2);
    let mut time = Maintained::new(&house);
    time.pass(PRESENCE_SETTLES);
    assert_eq!(told(&mut olga).last().map(String::as_str), Some("unwatched "));
    let receipts = watch(&mut olga, "plans").receipts.unwrap();
    let users: Vec<_> = receipts.iter().map(|receipt| receipt.user.as_str().to_owned()).collect();
    assert_eq!(users, ["bob", "olga"]);
    join(&house, "eve");
    assert_eq!(readers(&house), 3);
}

#[test]
pub(super) fn typing_is_told_to_others_and_over_when_it_is_not_said_anew() {
    let house = House::new();
    group(&house, &["bob"]);
    let mut time = Maintained::new(&house);
    let (mut olga, _) = watcher(&house, "olga", "plans");
    let (mut bob, _) = watcher(&house, "bob", "plans");
    time.pass(PRESENCE_SETTLES * 3);
    told(&mut olga);
    told(&mut bob);
    bob.send(typing("plans", true));
    assert_eq!((told(&mut olga), told(&mut bob)), (vec!["typing: bob".to_owned()], vec![]));
    assert_eq!(watcher(&house, "olga", "plans").1.typing, [user_id("bob")]);
    assert_eq!(watcher(&house, "bob", "plans").1.typing, []);
    time.pass(TYPING_EXPIRES - Duration::from_millis(500));
    bob.send(typing("plans", true));
    time.pass(TYPING_EXPIRES - Duration::from_millis(500));
    assert_eq!((told(&mut olga), told(&mut bob)), (vec![], vec![]), "said anew, it goes on");
    time.pass(Duration::from_millis(500));
    assert_eq!((told(&mut olga), told(&mut bob)), (vec!["typing: ".to_owned()], vec![]));
    bob.send(typing("plans", true));
    assert_eq!(told(&mut olga), ["typing: bob"]);
    bob.publish("plans", "what was typed");
    assert_eq!(told(&mut olga), ["typing: "], "whoever has written types no more");
    bob.send(typing("plans", true)).send(typing("plans", false));
    olga.send(typing("plans", true));
    assert_eq!(told(&mut bob), ["typing: olga"]);
    let ends = told(&mut olga);
    assert!(ends.iter().all(|told| !told.contains("olga")), "{ends:?}");
}

#[test]
fn who_may_not_write_does_not_type() {
    let house = House::new();
    group(&house, &["bob"]);
    let mut time = Maintained::new(&house);
    let (mut olga, _) = watcher(&house, "olga", "plans");
    time.pass(PRESENCE_SETTLES * 2);
    told(&mut olga);
    let (mut bob, mut eve) = (house.visit("bob"), house.visit("eve"));
    eve.send(typing("plans", true));
    house.act("olga", "plans", membership(&MembershipChange::Kick { user: user_id("bob") }));
    bob.send(typing("plans", true));
    time.pass(Duration::from_secs(1));
    let typing: Vec<_> = told(&mut olga).into_iter().filter(|told| told.starts_with("typing")).collect();
    assert_eq!(typing, [""; 0]);
}

#[test]
pub(super) fn a_connection_that_flaps_is_no_user_who_goes() {
    let house = House::new();
    group(&house, &["bob"]);
    let mut time = Maintained::new(&house);
    let bob = house.visit("bob");
    time.pass(PRESENCE_SETTLES);
    let (mut olga, watching) = watcher(&house, "olga", "plans");
    assert_eq!(words(&watching.sightings), "bob online, olga offline", "olga has come a moment ago");
    time.pass(PRESENCE_SETTLES);
    assert_eq!(told(&mut olga), ["olga online (2 online, 0 away)"]);
    drop(bob);
    time.pass(PRESENCE_SETTLES - Duration::from_millis(200));
    let mut bob = house.visit("bob");
    time.pass(PRESENCE_SETTLES * 3);
    assert_eq!(told(&mut olga), [""; 0], "nobody has noticed");
    bob.send(ClientFrame::Presence { presence: Presence::Away });
    time.pass(PRESENCE_SETTLES);
    assert_eq!(told(&mut olga), ["bob away (1 online, 1 away)"]);
    let other = house.visit("bob");
    time.pass(PRESENCE_SETTLES);
    assert_eq!(told(&mut olga), ["bob online (2 online, 0 away)"], "another session is there");
    drop((bob, other));
    let went_at = crate::environment::Environment::unix_ms(&house.env);
    time.pass(PRESENCE_SETTLES);
    assert_eq!(told(&mut olga), ["bob offline (1 online, 0 away)"]);
    let seen = block_on(house.anchor.presence(&user_id("bob"))).unwrap().seen;
    assert_eq!(seen, Some(went_at));
    time.pass(Duration::from_secs(61));
    let seen = block_on(house.restarted().anchor.presence(&user_id("bob"))).unwrap().seen;
    assert_eq!(seen, Some(went_at), "another process knows it, too");
}

#[test]
fn a_slow_watcher_gets_how_things_stand_in_the_end() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 9);
    let mut time = Maintained::new(&house);
    let mut bob = house.visit("bob");
    time.pass(PRESENCE_SETTLES);
    let (mut olga, _) = watcher(&house, "olga", "plans");
    time.pass(PRESENCE_SETTLES * 2);
    told(&mut olga);
    olga.writable = false;
    for read in 4..=12 {
        bob.send(cursor(&house, "plans", read)).send(typing("plans", read % 2 == 1));
        time.pass(CURSORS_EVERY);
        assert_eq!(told(&mut olga), [""; 0]);
    }
    olga.writable = true;
    assert_eq!(told(&mut olga), ["bob 12 12", "typing: "]);
}

#[test]
pub(super) fn who_is_removed_hears_nothing_more() {
    let house = House::new();
    group(&house, &["bob", "cleo"]);
    house.say("olga", "plans", 2);
    let mut time = Maintained::new(&house);
    let (mut bob, _) = watcher(&house, "bob", "plans");
    let (mut olga, _) = watcher(&house, "olga", "plans");
    time.pass(PRESENCE_SETTLES * 2);
    told(&mut bob);
    told(&mut olga);
    // What was told to the room before is in its mailbox, and its removal lies before that in the log.
    house.act("olga", "plans", membership(&MembershipChange::Kick { user: user_id("bob") }));
    let mut cleo = house.visit("cleo");
    cleo.send(cursor(&house, "plans", 7));
    block_on(house.anchor.flush_cursors()).unwrap();
    assert_eq!(told(&mut bob), ["ended not_a_member", "unwatched "]);
    time.pass(PRESENCE_SETTLES * 2);
    cleo.send(typing("plans", true));
    assert_eq!(told(&mut bob), [""; 0]);
    let heard = told(&mut olga);
    assert!(heard.contains(&"cleo 7 7".to_owned()), "{heard:?}");
    assert!(heard.iter().any(|told| told.starts_with("bob offline")), "bob is not there any more: {heard:?}");
}

#[test]
fn so_many_rooms_are_watched_at_a_time_and_each_once() {
    let house = House::new();
    group(&house, &["bob"]);
    let mut bob = house.visit("bob");
    let watch = |room: &str| ClientFrame::Watch { id: RequestId(1), room: room_id(room) };
    bob.send(ClientFrame::Unwatch { id: RequestId(1), room: room_id("plans") });
    assert_eq!(told(&mut bob), ["error not_subscribed"]);
    bob.send(watch("@announcements"));
    assert_eq!(told(&mut bob), ["error denied"], "nobody meets there");
    for n in 0..WATCHED_MAX {
        let room = format!("room-{n}");
        bob.send(watch(&room)).frames();
    }
    bob.send(watch("plans"));
    assert_eq!(told(&mut bob), ["error too_many_rooms"]);
    bob.send(watch("room-1"));
    assert_eq!(told(&mut bob), ["error already_subscribed"]);
    bob.send(ClientFrame::Unwatch { id: RequestId(2), room: room_id("room-1") });
    assert_eq!(told(&mut bob), ["unwatched as asked"]);
    bob.send(watch("plans"));
    assert_eq!(told(&mut bob), [""; 0]);
}

#[test]
fn a_room_is_watched_without_a_subscription_as_long_as_it_may_be_read() {
    let house = House::new();
    group(&house, &["bob"]);
    house.say("olga", "plans", 2);
    let mut time = Maintained::new(&house);
    let (mut bob, mut eve, mut olga) = (house.visit("bob"), house.visit("eve"), house.visit("olga"));
    assert_eq!(watch(&mut bob, "plans").receipts.map(|receipts| receipts.len()), Some(2));
    eve.send(ClientFrame::Watch { id: RequestId(2), room: room_id("plans") });
    assert_eq!(told(&mut eve), ["error not_a_member"]);
    time.pass(PRESENCE_SETTLES * 2);
    told(&mut bob);
    olga.send(cursor(&house, "plans", 5)).send(typing("plans", true));
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), ["olga 5 5", "typing: olga"]);
    // A subscription that comes and goes takes nothing with it.
    bob.subscribe(5, "plans", From::Now).frames();
    bob.send(ClientFrame::Unsubscribe { id: RequestId(6), room: room_id("plans") });
    time.pass(TYPING_EXPIRES);
    assert_eq!(told(&mut bob), ["typing: "]);
    house.act("olga", "plans", membership(&MembershipChange::Kick { user: user_id("bob") }));
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), ["unwatched "]);
    olga.send(typing("plans", true));
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), [""; 0]);
}

#[test]
fn a_room_that_begins_anew_is_watched_no_more() {
    let house = House::new();
    house.write("lobby", ["one".to_owned()]);
    let mut time = Maintained::new(&house);
    let (mut bob, _) = watcher(&house, "bob", "lobby");
    time.pass(PRESENCE_SETTLES * 2);
    told(&mut bob);
    house.act_as_admin("lobby", room_change(&RoomChange::Delete));
    let create = RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None };
    house.act("olga", "lobby", room_change(&create));
    time.pass(PRESENCE_SETTLES);
    assert_eq!(told(&mut bob), ["unwatched "]);
}

#[test]
fn everybody_who_is_in_a_room_without_members_is_seen() {
    let house = House::new();
    house.write("lobby", ["one".to_owned()]);
    let mut time = Maintained::new(&house);
    let (mut bob, watching) = watcher(&house, "bob", "lobby");
    assert_eq!(watching.receipts.unwrap().len(), 1, "the writer's");
    let mut cleo = house.visit("cleo");
    cleo.subscribe(1, "lobby", From::Start).frames();
    time.pass(PRESENCE_SETTLES * 3);
    let heard = told(&mut bob).join("; ");
    assert!(heard.contains("cleo online") && heard.contains("2 online"), "{heard}");
    cleo.send(cursor(&house, "lobby", 1));
    time.pass(CURSORS_EVERY);
    assert_eq!(told(&mut bob), ["cleo 1 1"]);
    cleo.send(ClientFrame::Unsubscribe { id: RequestId(2), room: room_id("lobby") });
    time.pass(PRESENCE_SETTLES * 2);
    assert_eq!(told(&mut bob), ["cleo offline (1 online, 0 away)"]);
}

#[test]
fn what_was_said_by_a_message_is_not_said_by_a_receipt() {
    let house = House::new();
    group(&house, &["bob"]);
    let mut time = Maintained::new(&house);
    let (mut olga, _) = watcher(&house, "olga", "plans");
    time.pass(PRESENCE_SETTLES * 2);
    told(&mut olga);
    house.act("bob", "plans", Draft::message("hello"));
    time.pass(PRESENCE_SETTLES * 2);
    assert_eq!(told(&mut olga), [""; 0]);
}

#[test]
fn who_leaves_before_the_answer_may_watch_again_at_once() {
    let house = House::new();
    group(&house, &["bob"]);
    let mut bob = house.visit("bob");
    bob.frames();
    let watch = |id| ClientFrame::Watch { id: RequestId(id), room: room_id("plans") };
    let unwatch = |id| ClientFrame::Unwatch { id: RequestId(id), room: room_id("plans") };
    let answered = |frame| match frame {
        ServerFrame::Watching(watching) => format!("watching {}", watching.id.0),
        ServerFrame::Unwatched { id, .. } => format!("unwatched {}", id.unwrap().0),
        ServerFrame::Error { id, code, .. } => format!("{code} {}", id.unwrap().0),
        other => panic!("{other:?}"),
    };
    let frames =
        bob.send_at_once([watch(1), unwatch(2), watch(3), unwatch(4), unwatch(5), watch(6)]).frames();
    let answers: Vec<_> = frames.into_iter().map(answered).collect();
    let expected =
        ["not_subscribed 5", "watching 1", "unwatched 2", "watching 3", "unwatched 4", "watching 6"];
    assert_eq!(answers, expected);
}
