//! Durable consumers over a connection: pulled, said to be done, taken over.

use std::time::Duration;

use super::peer::{House, Peer, hello, membership, room_change, room_id, user_id};
use crate::code::Code;
use crate::engine::ConsumerName;
use crate::event::Draft;
use crate::id::ClientId;
use crate::limits::{CONSUME_DONE_MAX, CONSUMER_POLL, CONSUMERS_OF_SESSION_MAX};
use crate::position::{Offset, Position};
use crate::resume::GapReason;
use crate::room::RoomKind;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::session::frame::{
    ClientFrame, Consume, Consumed, ConsumedPart, ConsumerChange, From, Hello, RequestId, ServerFrame, Whose,
};

fn name(name: &str) -> ConsumerName {
    ConsumerName::new(name).unwrap()
}

fn consume(named: &str, room: Option<&str>, done: &[(&str, Position)]) -> Consume {
    Consume {
        id: RequestId(1),
        name: name(named),
        room: room.map(room_id),
        from: From::Start,
        done: done.iter().map(|(room, position)| (room_id(room), *position)).collect(),
        limit: 100,
        wait_ms: 0,
        series: None,
    }
}

/// The same, of a client that goes on behind `last`.
fn on(last: &Consumed, consume: Consume) -> Consume {
    Consume { series: Some(last.series), ..consume }
}

/// A session of the bot with that client of its.
fn session_of(house: &House, client_id: ClientId) -> Peer {
    let mut peer = house.connect();
    peer.send(ClientFrame::Hello(Hello { client_id, ..hello("bot", &[]) }));
    peer
}

fn ask(peer: &mut Peer, consume: Consume) -> Vec<ServerFrame> {
    peer.send(ClientFrame::Consume(Box::new(consume)));
    peer.settle();
    peer.frames()
}

fn consumed(frames: Vec<ServerFrame>) -> Consumed {
    frames
        .into_iter()
        .find_map(|frame| match frame {
            ServerFrame::Consumed(consumed) => Some(*consumed),
            ServerFrame::Error { code, message, .. } => panic!("{code}: {message}"),
            _ => None,
        })
        .expect("an answer")
}

fn error(frames: &[ServerFrame]) -> Option<Code> {
    frames.iter().find_map(|frame| match frame {
        ServerFrame::Error { code, .. } => Some(*code),
        _ => None,
    })
}

fn texts(consumed: &Consumed) -> Vec<String> {
    let events = consumed.parts.iter().flat_map(|part| &part.events);
    events.filter_map(|event| Some(event.body.as_ref()?.as_text()?.to_owned())).collect()
}

/// Where the event at `offset` of a part stands.
fn behind(part: &ConsumedPart, offset: u64) -> Position {
    let event = part.events.iter().find(|event| event.offset == Offset(offset)).unwrap();
    Position { epoch: part.epoch, offset: event.offset, chain: event.chain }
}

#[test]
fn what_is_not_said_to_be_done_comes_again_to_the_next_session() {
    let house = House::new();
    for text in ["a", "b", "c"] {
        house.act("ada", "lobby", Draft::message(text));
    }
    let mut bot = house.session("bot", &[]);
    let first = consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])));
    assert_eq!((texts(&first), first.lag), (["a", "b", "c"].map(String::from).to_vec(), Some(0)));
    let next = on(&first, consume("echo", Some("lobby"), &[]));
    assert!(consumed(ask(&mut bot, next)).parts.is_empty(), "given once");
    let done = [("lobby", behind(&first.parts[0], 2))];
    let flush = Consume { limit: 0, ..consume("echo", Some("lobby"), &done) };
    assert_eq!(error(&ask(&mut bot, flush.clone())), Some(Code::Invalid), "of which series is not said");
    assert!(consumed(ask(&mut bot, on(&first, flush))).parts.is_empty());
    let anew = consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])));
    assert_eq!(texts(&anew), ["c"], "who begins anew is given what is not done");
    let house = house.restarted();
    let mut bot = house.session("bot", &[]);
    assert_eq!(texts(&consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])))), ["c"]);
}

#[test]
fn what_an_earlier_session_was_given_may_be_said_to_be_done_in_the_next() {
    let house = House::new();
    for text in ["a", "b"] {
        house.act("ada", "lobby", Draft::message(text));
    }
    let mut bot = house.session("bot", &[]);
    let first = consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])));
    let house = house.restarted();
    let mut bot = house.session("bot", &[]);
    let done = [("lobby", behind(&first.parts[0], 1))];
    let next = on(&first, consume("echo", Some("lobby"), &done));
    assert_eq!(texts(&consumed(ask(&mut bot, next))), ["b"]);
}

#[test]
fn an_answer_waits_for_the_first_event_and_no_longer_than_asked() {
    let house = House::new();
    let mut bot = house.session("bot", &[]);
    let waiting = || Consume { wait_ms: 7_000, ..consume("echo", Some("lobby"), &[]) };
    assert!(ask(&mut bot, waiting()).iter().all(|frame| !matches!(frame, ServerFrame::Consumed(_))));
    house.act("ada", "lobby", Draft::message("hello"));
    bot.settle();
    let first = consumed(bot.frames());
    assert_eq!(texts(&first), ["hello"]);
    ask(&mut bot, on(&first, waiting()));
    bot.advance(Duration::from_secs(7)).settle();
    assert!(consumed(bot.frames()).parts.is_empty());
}

#[test]
fn limits_hold_in_events_names_and_positions() {
    let house = House::new();
    for n in 0..10 {
        house.act("ada", "lobby", Draft::message(n.to_string()));
    }
    let mut bot = house.session("bot", &[]);
    let three = Consume { limit: 3, ..consume("echo", Some("lobby"), &[]) };
    let first = consumed(ask(&mut bot, three.clone()));
    assert_eq!((texts(&first), first.lag), (["0", "1", "2"].map(String::from).to_vec(), Some(7)));
    assert_eq!(texts(&consumed(ask(&mut bot, on(&first, three)))), ["3", "4", "5"]);
    let start = vec![(room_id("lobby"), Position::START); CONSUME_DONE_MAX + 1];
    let much = on(&first, Consume { done: start, ..consume("echo", Some("lobby"), &[]) });
    assert_eq!(error(&ask(&mut bot, much)), Some(Code::Invalid));
    let name = |n| format!("bot-{n}");
    let held = (1..CONSUMERS_OF_SESSION_MAX)
        .map(|n| consumed(ask(&mut bot, consume(&name(n), Some("lobby"), &[]))))
        .collect::<Vec<_>>();
    assert_eq!(error(&ask(&mut bot, consume("one-more", Some("lobby"), &[]))), Some(Code::Full));
    bot.send(ClientFrame::Consume(Box::new(Consume {
        wait_ms: 9_000,
        limit: 200,
        ..on(&held[0], consume("bot-1", Some("lobby"), &[]))
    })));
    let twice = ask(&mut bot, consume("bot-1", Some("lobby"), &[]));
    assert_eq!(error(&twice), Some(Code::TooManyReads));
    assert_eq!(
        error(&ask(&mut bot, consume("echo", Some("attic"), &[]))),
        Some(Code::Invalid),
        "another room"
    );
}

#[test]
fn who_asks_next_takes_it_over_and_who_waited_is_told() {
    let house = House::new();
    let mut first = house.visit("bot");
    let waiting = Consume { wait_ms: 20_000, ..consume("echo", Some("lobby"), &[]) };
    ask(&mut first, waiting);
    let mut second = house.visit("bot");
    let opened = consumed(ask(&mut second, consume("echo", Some("lobby"), &[])));
    first.settle();
    assert_eq!(error(&first.frames()), Some(Code::Replaced));
    house.act("ada", "lobby", Draft::message("hello"));
    let next = || on(&opened, consume("echo", Some("lobby"), &[]));
    assert_eq!(texts(&consumed(ask(&mut second, next()))), ["hello"]);
    let mut stranger = house.visit("eve");
    consumed(ask(&mut stranger, consume("echo", Some("lobby"), &[])));
    consumed(ask(&mut second, next()));
    // Who comes back without a decision to take it over does not.
    assert_eq!(error(&ask(&mut first, next())), Some(Code::Replaced));
    consumed(ask(&mut second, next()));
}

#[test]
fn who_reconnects_goes_on_unless_another_has_it() {
    let house = House::new();
    for text in ["a", "b"] {
        house.act("ada", "lobby", Draft::message(text));
    }
    let [laptop, server] = [1, 2].map(|n| ClientId::from_bytes([n; 16]));
    let mut bot = session_of(&house, laptop);
    let first = consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])));
    drop(bot);
    let mut bot = session_of(&house, laptop);
    let done = [("lobby", behind(&first.parts[0], 1))];
    let next = |done| on(&first, consume("echo", Some("lobby"), done));
    assert_eq!(texts(&consumed(ask(&mut bot, next(&done)))), ["b"]);
    drop(bot);
    let mut other = session_of(&house, server);
    assert_eq!(error(&ask(&mut other, next(&[]))), Some(Code::Replaced), "never its own");
    let taken = consumed(ask(&mut other, consume("echo", Some("lobby"), &[])));
    let mut bot = session_of(&house, laptop);
    assert_eq!(error(&ask(&mut bot, next(&done))), Some(Code::Replaced));
    let next = || on(&taken, consume("echo", Some("lobby"), &[]));
    consumed(ask(&mut other, next()));
    let house = house.restarted();
    assert_eq!(error(&ask(&mut session_of(&house, laptop), next())), Some(Code::Replaced), "for ever");
    consumed(ask(&mut session_of(&house, server), next()));
    let gone = on(&taken, consume("other", Some("lobby"), &[]));
    assert_eq!(error(&ask(&mut session_of(&house, server), gone)), Some(Code::NameUnknown), "no more");
}

#[test]
fn what_was_done_before_a_replay_is_not_done_in_it() {
    let house = House::new();
    for text in ["a", "b"] {
        house.act("ada", "lobby", Draft::message(text));
    }
    let replay = |peer: &mut Peer| {
        let change = ConsumerChange::Replay(From::Start);
        peer.send(ClientFrame::ChangeConsumer {
            id: RequestId(2),
            name: name("echo"),
            change,
            whose: Whose::Mine,
        });
        peer.settle();
        assert_eq!(error(&peer.frames()), None);
    };
    let laptop = ClientId::from_bytes([1; 16]);
    let mut bot = session_of(&house, laptop);
    let first = consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])));
    let done = [("lobby", behind(&first.parts[0], 2))];
    // In the session that it was given in.
    replay(&mut bot);
    let second = consumed(ask(&mut bot, on(&first, consume("echo", Some("lobby"), &done))));
    assert_eq!(texts(&second), ["a", "b"]);
    assert_ne!(first.series, second.series);
    // While the client is away, with what it has done.
    drop(bot);
    replay(&mut house.session("bot", &[]));
    let mut bot = session_of(&house, laptop);
    let flush = Consume { limit: 0, ..on(&second, consume("echo", Some("lobby"), &done)) };
    let third = consumed(ask(&mut bot, flush));
    assert_ne!(second.series, third.series);
    assert_eq!(texts(&consumed(ask(&mut bot, on(&third, consume("echo", Some("lobby"), &[]))))), ["a", "b"]);
    let flush = Consume { limit: 0, ..on(&third, consume("echo", Some("lobby"), &done)) };
    consumed(ask(&mut bot, flush));
    assert!(texts(&consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])))).is_empty(), "done now");
}

#[test]
fn a_consumer_begins_at_the_start_or_now_and_nowhere_else() {
    let house = House::new();
    house.act("ada", "lobby", Draft::message("a"));
    let mut root = house.admin("root");
    for room in [None, Some("lobby")] {
        for from in [From::Offset(Offset(1)), From::Last(1), From::After(Position::START)] {
            let asked = Consume { from, ..consume("echo", room, &[]) };
            assert_eq!(error(&ask(&mut root, asked)), Some(Code::Invalid));
        }
    }
    let now = Consume { from: From::Now, ..consume("echo", Some("lobby"), &[]) };
    assert!(consumed(ask(&mut root, now)).parts.is_empty());
}

#[test]
fn a_lag_that_nobody_has_counted_is_not_told() {
    let house = House::new();
    house.act("ada", "lobby", Draft::message("a"));
    let mut bot = house.session("bot", &[]);
    let opened = consumed(ask(&mut bot, Consume { limit: 0, ..consume("echo", Some("lobby"), &[]) }));
    assert_eq!(opened.lag, None);
    let first = consumed(ask(&mut bot, on(&opened, consume("echo", Some("lobby"), &[]))));
    assert_eq!(first.lag, Some(0));
}

#[test]
fn a_room_that_goes_away_is_told_and_needs_no_word() {
    let house = House::new();
    house.act("ada", "lobby", Draft::message("hello"));
    let mut root = house.admin("root");
    let all = || consume("audit", None, &[]);
    let first = consumed(ask(&mut root, all()));
    let done = [("lobby", behind(&first.parts[0], 1))];
    house.act_as_admin("lobby", room_change(&RoomChange::Delete));
    let told = consumed(ask(&mut root, on(&first, consume("audit", None, &done))));
    let gap = told.parts[0].gap.unwrap();
    assert_eq!((gap.reason, gap.position), (GapReason::Deleted, None));
    consumed(ask(&mut root, on(&told, Consume { limit: 0, ..all() })));
    let house = house.restarted();
    assert!(consumed(ask(&mut house.admin("root"), all())).parts.is_empty(), "told once");
}

#[test]
fn a_user_consumes_what_is_the_users_to_read() {
    let house = House::new();
    let create = RoomChange::Create { kind: RoomKind::Group, settings: Settings::default(), user: None };
    house.act("ada", "club", room_change(&create));
    let mut bot = house.session("bot", &[]);
    assert_eq!(error(&ask(&mut bot, consume("echo", Some("club"), &[]))), Some(Code::NotAMember));
    assert_eq!(error(&ask(&mut bot, consume("echo", None, &[]))), Some(Code::Denied));
    house.act("ada", "club", membership(&MembershipChange::Invite { user: user_id("bot"), role: None }));
    house.act("bot", "club", membership(&MembershipChange::Accept));
    house.act("ada", "club", Draft::message("hello"));
    let seen = consumed(ask(&mut bot, consume("echo", Some("club"), &[])));
    assert!(texts(&seen).contains(&"hello".to_owned()));
    house.act("ada", "club", membership(&MembershipChange::Kick { user: user_id("bot") }));
    house.act("ada", "club", Draft::message("a secret"));
    let seen = consumed(ask(&mut bot, on(&seen, consume("echo", Some("club"), &[]))));
    assert!(!texts(&seen).contains(&"a secret".to_owned()));
    let next = on(&seen, consume("echo", Some("club"), &[]));
    assert_eq!(error(&ask(&mut bot, next)), Some(Code::NotAMember));
}

#[test]
fn consumers_are_listed_paused_replayed_and_removed() {
    let house = House::new();
    house.act("ada", "lobby", Draft::message("hello"));
    let mut bot = house.session("bot", &[]);
    let first = consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])));
    let next = || on(&first, consume("echo", Some("lobby"), &[]));
    let change = |peer: &mut Peer, change, whose| {
        peer.send(ClientFrame::ChangeConsumer { id: RequestId(2), name: name("echo"), change, whose });
        peer.settle();
        error(&peer.frames())
    };
    let listed = |peer: &mut Peer, whose| {
        peer.send(ClientFrame::Consumers { id: RequestId(3), after: None, limit: 10, whose });
        peer.settle();
        peer.frames().into_iter().find_map(|frame| match frame {
            ServerFrame::ConsumerList { consumers, next: None, .. } => Some(consumers),
            _ => None,
        })
    };
    assert_eq!(change(&mut bot, ConsumerChange::Pause, Whose::Mine), None);
    let list = listed(&mut bot, Whose::Mine).unwrap();
    assert_eq!((list[0].name.clone(), list[0].room.clone()), (name("echo"), Some(room_id("lobby"))));
    assert_eq!((list[0].paused, list[0].lag), (true, Some(1)));
    assert_eq!(change(&mut bot, ConsumerChange::Replay(From::Start), Whose::Mine), None);
    assert!(consumed(ask(&mut bot, next())).parts.is_empty(), "paused");
    assert_eq!(change(&mut bot, ConsumerChange::Resume, Whose::Mine), None);
    assert_eq!(texts(&consumed(ask(&mut bot, next()))), ["hello"], "once more");
    assert_eq!(change(&mut bot, ConsumerChange::Remove, Whose::Server), Some(Code::Denied));
    assert_eq!(listed(&mut bot, Whose::Server), None);
    assert_eq!(listed(&mut house.admin("root"), Whose::Server), Some(Vec::new()));
    assert_eq!(listed(&mut house.session("eve", &[]), Whose::Mine), Some(Vec::new()));
    assert_eq!(change(&mut bot, ConsumerChange::Remove, Whose::Mine), None);
    assert_eq!(change(&mut bot, ConsumerChange::Remove, Whose::Mine), Some(Code::NameUnknown));
    bot.advance(CONSUMER_POLL);
    assert_eq!(error(&ask(&mut bot, next())), Some(Code::NameUnknown));
    assert_eq!(texts(&consumed(ask(&mut bot, consume("echo", Some("lobby"), &[])))), ["hello"], "another");
}
