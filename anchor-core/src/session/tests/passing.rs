//! What is said in passing: to those who are there, and in nobody's way.

use futures::executor::block_on;

use super::peer::{House, Peer, hello, membership, publish, room_change, room_id, user_id};
use crate::code::Code;
use crate::environment::Environment;
use crate::event::{Body, Draft, EventKind};
use crate::id::{ClientId, ClientTag, UserId};
use crate::limits::{BLOCKED_MAX, READS_OPEN_MAX, SIGNAL_BYTES_MAX, SIGNALS_WAITING_MAX};
use crate::position::Position;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::room::{HistoryAccess, RoomKind};
use crate::session::frame::{ClientFrame, From, PublishFrame, RequestId, ServerFrame, Signal};
use crate::session::{Action, Ask, Reply};
use crate::user::{Direct, Profile, ProfileText, UserChange};

fn signal(room: &str, text: &str) -> Signal {
    Signal { room: room_id(room), user: None, client: None, body: Body::text(text) }
}

/// A publish that changes what the room is.
fn of_room(seq: u64, room: &str, change: &RoomChange) -> ClientFrame {
    let ClientFrame::Publish(frame) = publish(seq, 1, room, "") else { unreachable!("it is a publish") };
    let draft = Draft { kind: EventKind::ROOM, target: None, body: change.to_body() };
    ClientFrame::Publish(PublishFrame { draft, ..frame })
}

/// What was heard in passing since the last look: who said it, and what.
fn heard(peer: &mut Peer) -> Vec<String> {
    let said = |frame| match frame {
        ServerFrame::Signal(signal) => {
            let Signal { user, client, body, .. } = *signal;
            assert!(client.is_some(), "a signal names its sender's client");
            Some(format!("{}: {}", user.expect("a signal names its sender"), body.as_text().unwrap()))
        }
        _ => None,
    };
    peer.settle().frames().into_iter().filter_map(said).collect()
}

fn refusals(peer: &mut Peer) -> Vec<Code> {
    let refusal = |frame| match frame {
        ServerFrame::Error { id: None, code, .. } => Some(code),
        _ => None,
    };
    peer.settle().frames().into_iter().filter_map(refusal).collect()
}

/// A session of another client of the user.
fn other_client(house: &House, user: &str, id: u8) -> (Peer, ClientTag) {
    let mut hello = hello(user, &[("lobby", Position::START)]);
    hello.client_id = ClientId::from_bytes([id; 16]);
    let mut peer = house.connect();
    peer.send(ClientFrame::Hello(hello));
    let ServerFrame::Welcome(welcome) = peer.frames().remove(0) else { panic!("no welcome") };
    (peer, welcome.client)
}

#[test]
pub(super) fn a_signal_goes_to_all_others_to_a_user_or_to_a_client_who_are_there() {
    let house = House::new();
    let mut ada = house.session("ada", &[("lobby", Position::START)]);
    let mut bob = house.session("bob", &[("lobby", Position::START)]);
    let (mut phone, phone_tag) = other_client(&house, "bob", 9);
    let mut away = house.session("cy", &[("elsewhere", Position::START)]);
    ada.send(ClientFrame::Signal(signal("lobby", "typing")));
    ada.send(ClientFrame::Signal(Signal {
        user: Some(UserId::new("bob").unwrap()),
        ..signal("lobby", "psst")
    }));
    ada.send(ClientFrame::Signal(Signal { client: Some(phone_tag), ..signal("lobby", "ring") }));
    ada.send(ClientFrame::Signal(Signal {
        user: Some(UserId::new("ada").unwrap()),
        ..signal("lobby", "note")
    }));
    assert_eq!(heard(&mut bob), ["ada: typing", "ada: psst"]);
    assert_eq!(heard(&mut phone), ["ada: typing", "ada: psst", "ada: ring"]);
    assert_eq!((heard(&mut ada), heard(&mut away)), (vec![], vec![]));
    let host = UserId::new("host").unwrap();
    let host = block_on(house.anchor.client(host, ClientId::from_bytes([8; 16]))).unwrap();
    block_on(host.signal(signal("lobby", "tea is ready"))).unwrap();
    for peer in [&mut ada, &mut bob, &mut phone] {
        assert_eq!(heard(peer), ["host: tea is ready"]);
    }
    // Neither stored, nor heard by who comes later or has left.
    bob.send(ClientFrame::Unsubscribe { id: RequestId(1), room: room_id("lobby") });
    let mut late = house.session("late", &[("lobby", Position::START)]);
    ada.send(ClientFrame::Signal(signal("lobby", "again")));
    assert_eq!((heard(&mut bob), heard(&mut late)), (vec![], vec!["ada: again".to_owned()]));
    assert_eq!(late.events("lobby", 0), []);
}

#[test]
pub(super) fn who_may_not_write_may_not_signal() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let create = RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None };
    ada.send(of_room(1, "club", &create));
    let mut eve = house.session("eve", &[("club", Position::START)]);
    eve.send(ClientFrame::Signal(signal("club", "hey")));
    assert_eq!(refusals(&mut eve), [Code::NotAMember]);
    ada.subscribe(1, "club", crate::session::frame::From::Now).frames();
    eve.send(ClientFrame::Signal(signal("club", "hey")));
    assert_eq!(heard(&mut ada), [""; 0]);
    ada.send(ClientFrame::Signal(signal("club", "hey")));
    assert_eq!(heard(&mut eve), ["ada: hey"]);
    eve.send(ClientFrame::Signal(signal("@announcements", "hear, hear")));
    eve.send(ClientFrame::Signal(signal("lobby", &"x".repeat(SIGNAL_BYTES_MAX + 1))));
    assert_eq!(refusals(&mut eve), [Code::Denied, Code::Invalid]);
}

#[test]
fn signals_that_the_engine_does_not_keep_up_with_are_dropped() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let mut asked = || {
        for n in 0..100 {
            let frame = ClientFrame::Signal(signal("lobby", &n.to_string()));
            ada.session.handle_frame(house.env.now(), Ok(frame));
        }
        let mut asks = 0;
        while let Some(action) = ada.session.poll_action(house.env.now()) {
            assert!(matches!(action, Action::Ask(Ask::Signal(_))), "{action:?}");
            asks += 1;
        }
        (0..asks).for_each(|_| ada.session.handle_reply(Reply::Signalled(Ok(Ok(())))));
        asks
    };
    assert_eq!([asked(), asked()], [SIGNALS_WAITING_MAX; 2]);
}

/// A client that says something and leaves asks, to know when it may.
#[test]
fn who_is_there_is_answered_behind_the_signals_before_it() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let now = house.env.now();
    let who = || ClientFrame::Who { id: RequestId(1), room: room_id("lobby") };
    for text in ["one", "two"] {
        ada.session.handle_frame(now, Ok(ClientFrame::Signal(signal("lobby", text))));
    }
    ada.session.handle_frame(now, Ok(who()));
    let mut asked = Vec::new();
    for _ in 0..3 {
        while let Some(action) = ada.session.poll_action(now) {
            asked.push(matches!(action, Action::Ask(Ask::Signal(_))));
        }
        if asked.len() < 3 {
            ada.session.handle_reply(Reply::Signalled(Ok(Ok(()))));
        }
        assert_eq!(asked.len() == 3, asked.last() == Some(&false), "{asked:?}");
    }
    assert_eq!(asked, [true, true, false]);
}

/// A client that never stops is answered, too: only what it said before counts.
#[test]
fn who_is_there_waits_for_no_signal_behind_it() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let now = house.env.now();
    let say = || ClientFrame::Signal(signal("lobby", "la"));
    ada.session.handle_frame(now, Ok(say()));
    ada.session.handle_frame(now, Ok(ClientFrame::Who { id: RequestId(1), room: room_id("lobby") }));
    ada.session.handle_frame(now, Ok(say()));
    let mut asks = || {
        let mut asks = Vec::new();
        while let Some(Action::Ask(ask)) = ada.session.poll_action(now) {
            asks.push(matches!(ask, Ask::Signal(_)));
        }
        ada.session.handle_frame(now, Ok(say()));
        ada.session.handle_reply(Reply::Signalled(Ok(Ok(()))));
        asks
    };
    assert_eq!(asks(), [true]);
    assert_eq!(asks(), [false, true, true], "it is asked, and what was said behind it");
}

/// What waits behind a signal is bounded like everything that is asked.
#[test]
fn who_asks_too_much_behind_a_signal_is_told_at_once() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let now = house.env.now();
    ada.session.handle_frame(now, Ok(ClientFrame::Signal(signal("lobby", "la"))));
    for n in 0..100 {
        let who = ClientFrame::Who { id: RequestId(n), room: room_id("lobby") };
        ada.session.handle_frame(now, Ok(who));
    }
    for _ in 0..100 {
        ada.session.handle_frame(now, Ok(ClientFrame::Signal(signal("lobby", "la"))));
    }
    let mut refused = Vec::new();
    while let Some(action) = ada.session.poll_action(now) {
        match action {
            Action::Send(ServerFrame::Error { id: Some(id), code: Code::TooManyReads, .. }) => {
                refused.push(id)
            }
            action => assert!(matches!(action, Action::Ask(Ask::Signal(_))), "{action:?}"),
        }
    }
    assert_eq!(refused.len(), 100 - READS_OPEN_MAX);
    ada.session.handle_reply(Reply::Signalled(Ok(Ok(()))));
    let mut asked = (0, 0);
    while let Some(action) = ada.session.poll_action(now) {
        match action {
            Action::Ask(Ask::Signal(_)) => asked.0 += 1,
            action => {
                assert!(matches!(action, Action::Ask(Ask::Request(..))), "{action:?}");
                asked.1 += 1;
            }
        }
    }
    assert_eq!(asked, (SIGNALS_WAITING_MAX - 1, READS_OPEN_MAX));
}

#[test]
fn of_too_many_the_oldest_are_dropped_and_events_come_all_the_same() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let mut bob = house.session("bob", &[("lobby", Position::START)]);
    bob.writable = false;
    for n in 1..=100 {
        ada.send(ClientFrame::Signal(signal("lobby", &n.to_string())));
        ada.send(publish(n, n, "lobby", &n.to_string()));
        bob.settle();
    }
    assert_eq!(heard(&mut bob), [""; 0], "the socket takes nothing");
    bob.writable = true;
    assert_eq!(bob.settle().texts("lobby", 0).len(), 100);
    let newest = (101 - SIGNALS_WAITING_MAX..=100).map(|n| format!("ada: {n}"));
    assert!(heard(&mut bob).into_iter().eq(newest));
}

fn profile(name: &str) -> Profile {
    Profile { name: Some(ProfileText::new(name).unwrap()), ..Profile::default() }
}

/// The profiles heard of since the last look: whose, and the name.
fn profiles(peer: &mut Peer) -> Vec<(String, String)> {
    let told = |frame| match frame {
        ServerFrame::Profile { user, profile } => {
            Some((user.to_string(), profile.name.map(|name| name.to_string()).unwrap_or_default()))
        }
        _ => None,
    };
    peer.settle().frames().into_iter().filter_map(told).collect()
}

#[test]
pub(super) fn a_new_profile_is_told_once_to_each_session_in_a_room_that_its_user_has_joined() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    for (seq, room) in [(1, "one"), (2, "two")] {
        ada.send(of_room(
            seq,
            room,
            &RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None },
        ));
    }
    ada.send(publish(3, 1, "visited", "she is here, and did not join"));
    let places =
        |rooms: &[&'static str]| rooms.iter().map(|room| (*room, Position::START)).collect::<Vec<_>>();
    let mut both = house.session("bob", &places(&["one", "two", "visited"]));
    let mut one = house.session("cy", &places(&["two"]));
    let mut stranger = house.session("dee", &places(&["visited"]));
    ada.frames();
    ada.send(ClientFrame::ChangeUser { id: RequestId(7), change: UserChange::Profile(profile("Ada L.")) });
    assert_eq!(ada.frames(), [ServerFrame::Done { id: RequestId(7) }]);
    let told = [("ada".to_owned(), "Ada L.".to_owned())];
    assert_eq!(profiles(&mut both), told);
    assert_eq!(profiles(&mut one), told);
    assert_eq!(profiles(&mut stranger), []);
    ada.send(ClientFrame::ChangeUser { id: RequestId(8), change: UserChange::Direct(Direct::Nobody) });
    assert_eq!(ada.frames(), [ServerFrame::Done { id: RequestId(8) }]);
    assert_eq!(profiles(&mut both), [], "that is nobody else's");
}

/// In a room without an owner nobody joins, and all who are in it share it nevertheless.
#[test]
fn a_new_profile_is_told_once_to_each_session_in_a_room_where_a_session_of_its_user_is() {
    let house = House::new();
    let places =
        |rooms: &[&'static str]| rooms.iter().map(|room| (*room, Position::START)).collect::<Vec<_>>();
    let mut ada = house.session("ada", &places(&["kitchen", "@announcements"]));
    let (mut phone, _) = other_client(&house, "ada", 9);
    let mut kitchen = house.session("bob", &places(&["kitchen"]));
    let mut lobby = house.session("cy", &places(&["lobby"]));
    let mut both = house.session("dee", &places(&["lobby", "kitchen", "@announcements"]));
    let mut elsewhere = house.session("eve", &places(&["cellar", "@announcements"]));
    let told = |name: &str| [("ada".to_owned(), name.to_owned())];
    // Her telephone is in the lobby, the other one in the kitchen; whichever says it, or none of them.
    ada.send(ClientFrame::ChangeUser { id: RequestId(7), change: UserChange::Profile(profile("Ada L.")) });
    phone.settle();
    for peer in [&mut kitchen, &mut lobby, &mut both, &mut ada, &mut phone] {
        assert_eq!(profiles(peer), told("Ada L."));
    }
    assert_eq!(profiles(&mut elsewhere), [], "everybody reads announcements: nobody meets there");
    phone.send(ClientFrame::Unsubscribe { id: RequestId(8), room: room_id("lobby") });
    let change = UserChange::Profile(profile("Ada"));
    block_on(house.anchor.change_user(&user_id("ada"), change)).unwrap().unwrap();
    ada.settle();
    phone.settle();
    assert_eq!(profiles(&mut kitchen), told("Ada"));
    assert_eq!(profiles(&mut both), told("Ada"));
    assert_eq!(profiles(&mut lobby), [], "she is there no more");
    // A user whose id begins like hers is another one.
    let mut adam = house.session("adam", &places(&["cellar"]));
    let change = UserChange::Profile(profile("Ada again"));
    block_on(house.anchor.change_user(&user_id("ada"), change)).unwrap().unwrap();
    adam.settle();
    assert_eq!(profiles(&mut elsewhere), []);
}

#[test]
fn a_change_that_cannot_be_is_refused_by_name() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    for n in 0..BLOCKED_MAX {
        let block = UserChange::Block(UserId::new(format!("user{n}")).unwrap());
        ada.send(ClientFrame::ChangeUser { id: RequestId(1), change: block });
    }
    ada.frames();
    let one_more = UserChange::Block(UserId::new("eve").unwrap());
    ada.send(ClientFrame::ChangeUser { id: RequestId(2), change: one_more });
    let frames = ada.frames();
    let [ServerFrame::Error { id: Some(RequestId(2)), code: Code::Full, .. }] = &frames[..] else {
        panic!("{frames:?}")
    };
    // Who is blocked does not get through in passing either.
    let mut blocked = house.session("user7", &[("lobby", Position::START)]);
    ada.subscribe(3, "lobby", crate::session::frame::From::Now).frames();
    blocked.send(ClientFrame::Signal(Signal {
        user: Some(UserId::new("ada").unwrap()),
        ..signal("lobby", "psst")
    }));
    assert_eq!((heard(&mut ada), refusals(&mut blocked)), (vec![], vec![Code::Denied]));
}

/// Who has yet to read of its removal, or may read up to it alone, is not there.
#[test]
fn nothing_is_said_to_who_has_its_removal_ahead() {
    let house = House::new();
    let create = RoomChange::Create { kind: RoomKind::Public, settings: Settings::default(), user: None };
    house.act("olga", "club", room_change(&create));
    house.act("rita", "club", membership(&MembershipChange::Join));
    house.say("olga", "club", 200);
    let house = house.restarted();
    let mut slow = house.visit("rita");
    slow.writable = false;
    slow.subscribe(1, "club", From::Start).take_one();
    house.act("olga", "club", membership(&MembershipChange::Kick { user: user_id("rita") }));
    let settings = Settings { history: Some(HistoryAccess::SinceJoin), ..Settings::default() };
    house.act("olga", "club", super::peer::settings(settings));
    let mut late = house.visit("rita");
    late.writable = false;
    late.subscribe(1, "club", From::Start).frames();
    slow.frames();
    let mut olga = house.session("olga", &[("club", Position::START)]);
    house.act("olga", "club", membership(&MembershipChange::Invite { user: user_id("bob"), role: None }));
    let mut bob = house.session("bob", &[("club", Position::START)]);
    olga.send(ClientFrame::Signal(signal("club", "without her")));
    for peer in [&mut slow, &mut late] {
        peer.writable = true;
        assert_eq!(heard(peer), [""; 0]);
    }
    assert_eq!(heard(&mut bob), [""; 0], "who is invited only reads nothing of it");
    let mut late = house.visit("rita");
    late.writable = false;
    late.subscribe(1, "club", From::Start).frames();
    olga.frames();
    olga.send(ClientFrame::Who { id: RequestId(1), room: room_id("club") });
    let frames = olga.frames();
    let [ServerFrame::Present { users, .. }] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(*users, [user_id("olga")]);
}

/// Who is blocked by a user does not reach that user by the tag of a client either.
#[test]
fn the_tag_of_a_client_does_not_get_round_its_user() {
    let house = House::new();
    let mut eve = house.session("eve", &[("lobby", Position::START)]);
    let (mut phone, tag) = other_client(&house, "bob", 9);
    phone
        .send(ClientFrame::ChangeUser { id: RequestId(1), change: UserChange::Block(user_id("eve")) })
        .frames();
    eve.send(ClientFrame::Signal(Signal { client: Some(tag), ..signal("lobby", "psst") }));
    assert_eq!((heard(&mut phone), refusals(&mut eve)), (vec![], vec![Code::Denied]));
    let nobody = ClientTag::from_bytes([7; 8]);
    eve.send(ClientFrame::Signal(Signal { client: Some(nobody), ..signal("lobby", "psst") }));
    assert_eq!(refusals(&mut eve), []);
}

#[test]
fn a_signal_that_comes_with_an_event_is_not_left_behind_with_it() {
    let house = House::new();
    let (mut ada, _) = other_client(&house, "ada", 1);
    let (mut bob, _) = other_client(&house, "bob", 2);
    bob.frames();
    ada.publish("lobby", "hello");
    ada.send(ClientFrame::Signal(signal("lobby", "and in passing")));
    assert_eq!(heard(&mut bob), ["ada: and in passing"]);
}
