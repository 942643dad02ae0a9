//! Publishes about which something is found out before they are handed over: in line, and nothing overtakes.

use super::peer::{House, Peer, publish};
use super::publishing::answers;
use crate::engine::Drain;
use crate::environment::Environment;
use crate::event::{Draft, EventKind};
use crate::position::{Offset, Position};
use crate::publish::Publish;
use crate::session::frame::{ClientFrame, PublishFrame};
use crate::session::{Action, Ask, Reply};
use crate::store::{Store, StoreError};

/// A publish about the event at `target`.
fn about(seq: u64, kind: EventKind, target: u64, text: &str) -> ClientFrame {
    let ClientFrame::Publish(frame) = publish(seq, 1, "lobby", text) else { unreachable!("it is a publish") };
    let draft = Draft { kind, target: Some(Offset(target)), ..Draft::message(text) };
    ClientFrame::Publish(PublishFrame { draft, ..frame })
}

/// Everything that the session asks for next, without an answer to it.
fn asked(peer: &mut Peer) -> Vec<Ask> {
    let mut asked = Vec::new();
    while let Some(action) = peer.session.poll_action(crate::environment::Monotonic::default()) {
        match action {
            Action::Ask(ask) => asked.push(ask),
            other => panic!("{other:?}"),
        }
    }
    asked
}

/// What is asked for next, in short: the seqs to be prepared, and those handed over.
fn steps(peer: &mut Peer) -> (Vec<String>, Option<Publish>) {
    let mut prepare = None;
    let steps = asked(peer).into_iter().map(|ask| match ask {
        Ask::Prepare(publish) => {
            let step = format!("prepare {}", publish.seq);
            prepare = Some(*publish);
            step
        }
        Ask::Append(_, publishes) => {
            let seqs: Vec<_> = publishes.iter().map(|publish| publish.seq.to_string()).collect();
            format!("append {}", seqs.join(" "))
        }
        other => panic!("{other:?}"),
    });
    (steps.collect(), prepare)
}

#[test]
fn what_names_an_event_is_decided_by_what_that_event_is() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    ada.send(publish(1, 1, "lobby", "hello"));
    let mut bob = house.session("bob", &[("lobby", Position::START)]);
    bob.send(about(1, EventKind::EDIT, 1, "not his"))
        .send(about(2, EventKind::REACTION, 1, "+1"))
        .send(about(3, EventKind::MESSAGE, 1, "a reply"))
        .send(about(4, EventKind::MESSAGE, 3, "a reply to a reply"))
        .send(about(5, EventKind::REACTION, 2, "to a reaction"))
        .send(about(6, EventKind::REACTION, 99, "to nothing"));
    let expected =
        ["1:denied", "2@2", "3@3", "4:invalid", "5:target_unknown", "6:target_unknown"].map(str::to_owned);
    assert_eq!(answers(&mut bob), expected);
    // The same without a tail that holds it, and for a message that was trimmed away.
    ada.send(about(2, EventKind::EDIT, 1, "her own"));
    assert_eq!(answers(&mut ada)[1..], ["2@4"]);
    futures::executor::block_on(house.anchor.trim(&super::peer::room_id("lobby"), Offset(2))).unwrap();
    let mut late = house.node().session("ada2", &[]);
    late.send(about(1, EventKind::MESSAGE, 1, "too late")).send(about(2, EventKind::REACTION, 3, "in time"));
    assert_eq!(answers(&mut late), ["1:target_unknown", "2@5"]);
}

#[test]
fn nothing_overtakes_what_is_being_prepared() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let now = house.env.now();
    let mut take = |frame| ada.session.handle_frame(now, Ok(frame));
    take(publish(1, 1, "lobby", "1"));
    take(about(2, EventKind::REACTION, 1, "2"));
    take(publish(3, 1, "lobby", "3"));
    take(about(4, EventKind::REACTION, 1, "4"));
    take(publish(5, 1, "lobby", "5"));
    let (first, second) = steps(&mut ada);
    assert_eq!(first, ["append 1", "prepare 2"]);
    ada.session.handle_reply(Reply::Prepared(Box::new(Ok(second.unwrap()))));
    let (then, fourth) = steps(&mut ada);
    assert_eq!(then, ["append 2 3", "prepare 4"]);
    // What comes meanwhile waits, too.
    ada.session.handle_frame(now, Ok(publish(6, 1, "lobby", "6")));
    assert_eq!(steps(&mut ada).0, [""; 0]);
    ada.session.handle_reply(Reply::Prepared(Box::new(Ok(fourth.unwrap()))));
    assert_eq!(steps(&mut ada).0, ["append 4 5 6"]);
    ada.session.handle_frame(now, Ok(publish(7, 1, "lobby", "7")));
    assert_eq!(steps(&mut ada).0, ["append 7"], "the line is empty again");
}

#[test]
fn what_the_window_answers_is_not_prepared_again() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    ada.send(publish(1, 1, "lobby", "1")).send(about(2, EventKind::REACTION, 1, "2"));
    let mut again = house.session("ada", &[]);
    let now = house.env.now();
    again.session.handle_frame(now, Ok(about(2, EventKind::REACTION, 1, "2")));
    again.session.handle_frame(now, Ok(about(3, EventKind::REACTION, 1, "3")));
    again.session.handle_frame(now, Ok(about(3, EventKind::REACTION, 1, "3")));
    let (first, third) = steps(&mut again);
    assert_eq!(first, ["append 2", "prepare 3"]);
    again.session.handle_reply(Reply::Prepared(Box::new(Ok(third.unwrap()))));
    assert_eq!(steps(&mut again).0, ["append 3 3"]);
}

#[test]
fn a_drain_does_not_wait_for_what_is_being_prepared() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let now = house.env.now();
    ada.session.handle_frame(now, Ok(publish(1, 1, "lobby", "1")));
    ada.session.handle_frame(now, Ok(about(2, EventKind::REACTION, 1, "2")));
    ada.session.handle_frame(now, Ok(publish(3, 1, "lobby", "3")));
    let (Some(Action::Ask(append)), Some(Action::Ask(Ask::Prepare(second)))) =
        (ada.session.poll_action(now), ada.session.poll_action(now))
    else {
        panic!("the first is handed over, the second prepared")
    };
    house.anchor.drain(Drain { back_in: std::time::Duration::ZERO, per_second: 1 });
    assert!(ada.settle().goodbye.is_none(), "the ack of the first is due");
    ada.session.handle_reply(Reply::Prepared(Box::new(Ok(*second))));
    ada.answer(append);
    assert_eq!(answers(ada.settle()), ["1@1", "goodbye:shutdown"]);
    let state = futures::executor::block_on(house.store.room(&super::peer::room_id("lobby"))).unwrap();
    assert_eq!(state.unwrap().head.offset, Offset(1), "what was not handed over is not appended");
}

#[test]
fn what_cannot_be_prepared_ends_the_session_with_all_that_is_behind_it() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    let now = house.env.now();
    ada.session.handle_frame(now, Ok(about(1, EventKind::REACTION, 1, "1")));
    ada.session.handle_frame(now, Ok(publish(2, 1, "lobby", "2")));
    assert_eq!(steps(&mut ada).0, ["prepare 1"]);
    let away = StoreError::Unavailable { backend: "test", source: std::sync::Arc::new("away".into()) };
    ada.session.handle_reply(Reply::Prepared(Box::new(Err(away))));
    assert_eq!(answers(ada.settle()), ["goodbye:store_unavailable"]);
    assert!(futures::executor::block_on(house.store.room(&super::peer::room_id("lobby"))).unwrap().is_none());
}
