//! A host that rules on publishes: once, in order, in nobody's way but the client's own.

use std::time::Duration;

use futures::FutureExt;

use super::peer::{House, Peer, Sent, numbers, publish};
use super::publishing::answers;
use crate::conformance::environment::{SplitMix64, TestEnvironment};
use crate::conformance::faults::{FailingStore, Fault, SlowStore};
use crate::engine::HookFailure;
use crate::engine::tests::censor::Censor;
use crate::event::{Draft, EventKind};
use crate::id::ClientId;
use crate::limits::{HOOK_WITHIN, WINDOW};
use crate::position::{Offset, Position};
use crate::session::frame::{ClientFrame, From, PublishFrame, ServerFrame};

fn hooked() -> (House, Censor) {
    let censor = Censor::default();
    (House::hooked(censor.clone()), censor)
}

/// What stands in the lobby.
fn log(house: &House) -> Vec<String> {
    let mut reader = house.session("reader", &[]);
    reader.subscribe(1, "lobby", From::Start);
    reader.texts("lobby", 0)
}

#[test]
fn it_allows_refuses_and_changes_and_is_asked_once() {
    let (house, censor) = hooked();
    let mut ada = house.session("ada", &[("lobby", Position::START)]);
    for (seq, text) in (1..).zip(["good", "bad", "rude"]) {
        ada.send(publish(seq, 1, "lobby", text));
    }
    let says_why = |sent: &Sent| matches!(sent, Sent::Frame(ServerFrame::Refused { message, .. }) if message == "not here");
    assert!(ada.sent.iter().any(says_why), "{:?}", ada.sent);
    assert_eq!(ada.texts("lobby", 0), ["good", "polite"]);
    assert_eq!(answers(&mut ada), ["1@1", "2:moderated", "3@2"]);
    assert_eq!(censor.asked(), ["ada 1", "ada 2", "ada 3"]);
    // Again, in the same session and in the next: as it was sent, not as it was changed.
    for _ in 0..2 {
        for (seq, text) in (1..).zip(["good", "bad", "rude"]) {
            ada.send(publish(seq, 1, "lobby", text));
        }
        ada.send(publish(3, 1, "lobby", "polite"));
        assert_eq!(answers(&mut ada), ["1@1+", "2:moderated", "3@2+", "3:seq_conflict"]);
        ada = house.session("ada", &[]);
    }
    assert_eq!(censor.asked(), [""; 0]);
}

#[test]
fn what_was_appended_is_acked_again_though_its_sender_was_banned_since() {
    let mut slow = None;
    let censor = Censor::default();
    let house = House::built(
        &TestEnvironment::new(7),
        |store| slow.insert(SlowStore::new(store)).clone(),
        |builder| builder.hook(censor.clone()),
    );
    let slow = slow.unwrap();
    let mut ada = house.session("ada", &[]);
    slow.hold();
    ada.publish("lobby", "said before");
    assert_eq!(slow.held(), 1, "it is on its way when the connection breaks");
    drop(ada);
    censor.ban("ada");
    let mut again = house.session("ada", &[]);
    slow.release_all();
    again.settle().send(publish(1, 1, "lobby", "said before")).send(publish(2, 1, "lobby", "said since"));
    assert_eq!(answers(&mut again), ["1@1+", "2:moderated"]);
    assert_eq!(censor.asked(), ["ada 1", "ada 2"]);
}

#[test]
fn an_entry_of_an_older_client_id_is_looked_up_before_it_is_asked_about() {
    let (house, censor) = hooked();
    house.session("ada", &[]).publish("lobby", "said before");
    let old_id = super::peer::hello("ada", &[]).client_id;
    let settle = |seq, text| match publish(seq, 1, "lobby", text) {
        ClientFrame::Publish(frame) => {
            ClientFrame::Publish(PublishFrame { client_id: Some(old_id), ..frame })
        }
        other => other,
    };
    let mut hello = super::peer::hello("ada", &[]);
    hello.client_id = ClientId::from_bytes([42; 16]);
    let mut new = house.connect();
    new.send(ClientFrame::Hello(hello)).frames();
    censor.ban("ada");
    new.send(settle(1, "said before")).send(settle(2, "never sent")).send(settle(2, "never sent"));
    assert_eq!(answers(&mut new), ["1@1+", "2:moderated", "2:moderated"]);
    assert_eq!(censor.asked(), ["ada 1", "ada 2"], "asked about what the window did not know, once");
    // Nor is it asked about again in the next session of the new id.
    censor.hold("ada");
    new.send(settle(3, "never sent either"));
    drop(new);
    let mut hello = super::peer::hello("ada", &[]);
    hello.client_id = ClientId::from_bytes([42; 16]);
    let mut again = house.connect();
    again.send(ClientFrame::Hello(hello)).frames();
    again.send(settle(3, "never sent either"));
    censor.release();
    assert_eq!(answers(again.settle()), ["3:moderated"]);
    assert_eq!(censor.asked(), ["ada 3"]);
}

#[test]
fn a_slow_hook_is_in_the_way_of_the_same_client_alone() {
    let (house, censor) = hooked();
    let mut ada = house.session("ada", &[("lobby", Position::START)]);
    let mut bob = house.session("bob", &[]);
    censor.hold("ada");
    ada.publish("lobby", "slow").publish("lobby", "behind it");
    bob.publish("lobby", "at once");
    assert_eq!(answers(&mut bob), ["1@1"]);
    assert_eq!(ada.settle().texts("lobby", 0), ["at once"], "she reads on meanwhile");
    assert_eq!(answers(&mut ada), [""; 0]);
    assert_eq!(censor.asked(), ["ada 1", "bob 1"], "about one at a time");
    censor.release();
    assert_eq!(answers(ada.settle()), ["1@2", "2@3"]);
}

#[test]
fn more_than_the_window_holds_ends_the_session_though_nothing_was_handed_over() {
    let (house, censor) = hooked();
    let mut ada = house.session("ada", &[]);
    censor.hold("ada");
    for seq in 1..=WINDOW as u64 {
        ada.send(publish(seq, 1, "lobby", "x"));
    }
    assert_eq!(answers(&mut ada), [""; 0]);
    ada.send(publish(WINDOW as u64 + 1, 1, "lobby", "too much"));
    assert_eq!(answers(&mut ada), ["goodbye:window_full"]);
    censor.release();
    ada.settle();
    assert_eq!(log(&house), [""; 0], "it is not handed over any more");
}

#[test]
fn what_it_cannot_rule_on_is_refused_or_allowed_as_the_host_wants() {
    let cases = ["panic", "error", "long", "shout", "late"];
    for (failure, expected) in [(HookFailure::Refuse, "moderated"), (HookFailure::Allow, "@")] {
        let censor = Censor::default();
        let house = House::built(
            &TestEnvironment::new(7),
            |store| store,
            |builder| builder.hook(censor.clone()).hook_failure(failure),
        );
        let mut ada = house.session("ada", &[]);
        ada.frames();
        for text in cases {
            if text == "late" {
                censor.hold("ada");
            }
            ada.publish("lobby", text);
            if text == "late" {
                ada.advance(HOOK_WITHIN - Duration::from_millis(1));
                assert_eq!(answers(&mut ada), [""; 0], "there is time yet");
                ada.advance(Duration::from_millis(1));
            }
            let answer = answers(&mut ada);
            assert!(answer.len() == 1 && answer[0].contains(expected), "{text}: {answer:?}");
        }
        let stands = if failure == HookFailure::Allow { cases.as_slice() } else { &[] };
        censor.release();
        assert_eq!(log(&house), stands, "as it was sent");
    }
}

#[test]
fn it_changes_nothing_that_the_rules_read() {
    let (house, _) = hooked();
    let mut ada = house.session("ada", &[]);
    ada.publish("lobby", "hello");
    let ClientFrame::Publish(frame) = publish(2, 1, "lobby", "") else { unreachable!("it is a publish") };
    let draft = Draft { kind: EventKind::REACTION, target: Some(Offset(1)), ..Draft::message("rude") };
    ada.send(ClientFrame::Publish(PublishFrame { draft, ..frame }));
    assert_eq!(answers(&mut ada), ["1@1", "2:moderated"]);
}

#[test]
fn what_a_replaced_session_was_asked_about_is_not_asked_about_again() {
    for ruled_first in [true, false] {
        let (house, censor) = hooked();
        let mut old = house.session("ada", &[]);
        censor.hold("ada");
        old.publish("lobby", "1").publish("lobby", "2");
        let mut new = house.session("ada", &[]);
        if ruled_first {
            // Its ruling comes before the news that it is replaced: the store fences what it hands over.
            censor.release();
        }
        assert_eq!(answers(old.settle()), ["goodbye:replaced"]);
        censor.release();
        new.publish("lobby", "1").publish("lobby", "2");
        assert_eq!(answers(&mut new), ["1@1", "2@2"]);
        assert_eq!(log(&house), numbers(1..=2));
        assert_eq!(censor.asked(), ["ada 1", "ada 2"]);
    }
}

#[test]
fn a_ruling_under_way_outlives_its_session_and_its_time_counts_from_the_question() {
    let (house, censor) = hooked();
    let mut ada = house.session("ada", &[]);
    censor.hold("ada");
    ada.publish("lobby", "slow").publish("lobby", "behind it");
    drop(ada);
    house.env.advance(HOOK_WITHIN - Duration::from_millis(1));
    let mut again = house.session("ada", &[]);
    again.publish("lobby", "slow");
    assert_eq!(answers(&mut again), [""; 0]);
    again.advance(Duration::from_millis(1));
    assert_eq!(answers(&mut again), ["1:moderated"]);
    assert_eq!(censor.asked(), ["ada 1"], "what was behind it was asked about by nobody");
    drop(again);
    let mut later = house.session("ada", &[]);
    later.publish("lobby", "slow");
    assert_eq!(answers(&mut later), ["1:moderated"]);
    assert_eq!(censor.asked(), [""; 0]);
}

#[test]
fn a_ruling_that_nobody_waits_for_is_driven_by_whoever_maintains() {
    for text in ["good", "bad", "rude"] {
        let (house, censor) = hooked();
        let mut maintained = house.anchor.maintain().boxed();
        assert!(maintained.as_mut().now_or_never().is_none());
        let mut ada = house.session("ada", &[]);
        censor.hold("ada");
        ada.publish("lobby", text);
        drop(ada);
        assert!(maintained.as_mut().now_or_never().is_none());
        censor.release();
        assert!(maintained.as_mut().now_or_never().is_none());
        // It is given: what comes now changes nothing of it.
        censor.ban("ada");
        censor.hold("ada");
        let mut again = house.session("ada", &[]);
        again.publish("lobby", text);
        let (answer, stands): (_, &[&str]) = match text {
            "bad" => ("1:moderated", &[]),
            "rude" => ("1@1", &["polite"]),
            text => ("1@1", &[text]),
        };
        assert_eq!(answers(&mut again), [answer]);
        assert_eq!(censor.asked(), ["ada 1"]);
        assert_eq!(log(&house), stands);
    }
}

#[test]
fn a_ruling_is_for_what_was_sent_and_another_publish_of_that_seq_comes_behind_it() {
    let (house, censor) = hooked();
    let mut ada = house.session("ada", &[]);
    censor.hold("ada");
    ada.publish("lobby", "bad");
    drop(ada);
    let mut copy = house.session("ada", &[]);
    copy.publish("lobby", "another thing");
    assert_eq!(answers(&mut copy), [""; 0]);
    assert_eq!(censor.asked(), ["ada 1"], "a client is asked about once at a time");
    censor.release();
    assert_eq!(answers(copy.settle()), ["1@1"]);
    assert_eq!(censor.asked(), ["ada 1"]);
    // The other copy comes back with its own: the window knows another one.
    let mut ada = house.session("ada", &[]);
    ada.publish("lobby", "bad");
    assert_eq!(answers(&mut ada), ["1:seq_conflict"]);
    assert_eq!(censor.asked(), [""; 0]);
}

#[test]
fn copies_of_a_client_that_put_each_other_out_have_each_asked_about_once() {
    let (house, censor) = hooked();
    censor.hold("ada");
    for _ in 0..3 {
        for text in ["one copy's", "the other's"] {
            let mut copy = house.session("ada", &[]);
            copy.publish("lobby", text);
            drop(copy);
            house.env.advance(Duration::from_secs(1));
        }
    }
    censor.release();
    let mut other = house.session("ada", &[]);
    other.publish("lobby", "the other's");
    assert_eq!(answers(&mut other), ["1@1"]);
    assert_eq!(censor.asked(), ["ada 1", "ada 1"]);
}

#[test]
fn a_session_that_has_yet_to_hear_that_it_is_replaced_has_nobody_asked() {
    let (house, censor) = hooked();
    let mut old = house.session("ada", &[]);
    censor.hold("ada");
    old.publish("lobby", "1").publish("lobby", "2").publish("lobby", "3");
    let mut new = house.session("ada", &[]);
    censor.release();
    new.publish("lobby", "1").publish("lobby", "2");
    assert_eq!(answers(&mut new), ["1@1", "2@2"]);
    // Its first is ruled on, and what is behind it would be next.
    assert_eq!(answers(old.settle()), ["goodbye:replaced"]);
    assert_eq!(censor.asked(), ["ada 1", "ada 2"]);
    assert_eq!(log(&house), numbers(1..=2));
}

#[test]
fn an_append_in_doubt_is_not_asked_about_again() {
    for fault in [Fault::Unavailable, Fault::UnknownUnwritten, Fault::UnknownWritten] {
        let mut failing = None;
        let censor = Censor::default();
        let house = House::built(
            &TestEnvironment::new(7),
            |store| failing.insert(FailingStore::new(store)).clone(),
            |builder| builder.hook(censor.clone()),
        );
        let mut ada = house.session("ada", &[]);
        failing.unwrap().fail_next(fault);
        ada.publish("lobby", "rude").publish("lobby", "2");
        assert!(ada.goodbye.is_some(), "{fault:?}");
        let mut again = house.session("ada", &[]);
        again.publish("lobby", "rude").publish("lobby", "2");
        assert_eq!(answers(&mut again).len(), 2);
        assert_eq!(censor.asked(), ["ada 1", "ada 2"], "{fault:?}");
        assert_eq!(log(&house), ["polite", "2"], "{fault:?}");
    }
}

#[test]
fn the_hook_knows_an_admin_and_so_do_the_rules() {
    let (house, censor) = hooked();
    censor.ban("root");
    let mut root = house.admin("root");
    root.publish("@announcements", "hear, hear");
    assert_eq!(answers(&mut root), ["1@1"]);
    let mut eve = house.session("eve", &[]);
    eve.publish("@announcements", "me too");
    assert_eq!(answers(&mut eve), ["1:denied"]);
}

/// A connection is cut after each step of a session that says five things to a slow hook and a slow store; its client
/// comes back and sends again what was not answered.
#[test]
fn wherever_the_session_is_cut_everything_is_appended_once_and_in_order() {
    for hook_first in [true, false] {
        let mut cut = 0;
        while cut_after(cut, hook_first) {
            cut += 1;
        }
        assert!(cut > 8, "there were steps at which it could be cut: {cut}");
    }
}

/// False if there is no step so far from the start.
fn cut_after(cut: u64, hook_first: bool) -> bool {
    let env = TestEnvironment::new(7);
    let censor = Censor::dawdling(&env, cut);
    let mut slow = None;
    let house = House::built(
        &env,
        |store| slow.insert(SlowStore::new(store)).clone(),
        |builder| builder.hook(censor.clone()),
    );
    let slow = slow.expect("the house was built");
    let mut ada = house.session("ada", &[]);
    slow.hold();
    for n in 1..=5 {
        ada.publish("lobby", &n.to_string());
    }
    let step = || match hook_first {
        true => env.advance_to_next() || slow.release_one(),
        false => slow.release_one() || env.advance_to_next(),
    };
    let steps = (0..cut).take_while(|_| {
        let stepped = step();
        ada.settle();
        stepped
    });
    let is_whole = steps.count() as u64 == cut;
    drop(ada);
    let mut again = house.session("ada", &[]);
    slow.release_all();
    let welcomed = again.settle().frames();
    let [ServerFrame::Welcome(welcome)] = &welcomed[..] else { panic!("{welcomed:?}") };
    for n in 1..=5 {
        again.send(publish(n, 1, "lobby", &n.to_string()));
    }
    while env.advance_to_next() {
        again.settle();
    }
    assert_eq!(answers(&mut again).len(), 5, "cut after {cut}");
    assert!(welcome.seq.get() <= 5);
    let each = (1..=5).map(|n| format!("ada {n}"));
    assert!(censor.asked().into_iter().eq(each), "about each once, and in order; cut after {cut}");
    assert_eq!(log(&house), numbers(1..=5), "cut after {cut}");
    is_whole
}

/// What one client of the chaos below knows.
struct Chatter {
    name: String,
    peer: Peer,
    /// Said and not answered: seqs and texts.
    outbox: Vec<(u64, String)>,
    next: u64,
}

impl Chatter {
    fn say(&mut self, seq: u64, text: &str) {
        let waits = self.outbox.first().map_or(seq, |(seq, _)| *seq);
        self.peer.send(publish(seq, waits, "lobby", text));
    }

    fn settle(&mut self) {
        for answer in answers(self.peer.settle()) {
            let seq: u64 =
                answer.split(['@', ':']).next().and_then(|seq| seq.parse().ok()).expect("an answer");
            assert_eq!(self.outbox.remove(0).0, seq, "answers come in the order of the publishes");
        }
    }
}

/// Four people talk to a slow hook over connections that break, and it refuses every third thing they say.
#[test]
fn whatever_the_hook_takes_its_time_for_what_each_client_says_stands_in_order_and_once() {
    for seed in 0..150 {
        let env = TestEnvironment::new(seed);
        let censor = Censor::dawdling(&env, seed);
        let house = House::built(&env, |store| store, |builder| builder.hook(censor.clone()));
        let mut dice = SplitMix64::new(seed);
        let mut chatters: Vec<_> = ["ada", "bob", "cy", "dee"]
            .map(|name| Chatter {
                name: name.to_owned(),
                peer: house.session(name, &[]),
                outbox: Vec::new(),
                next: 1,
            })
            .into();
        for _ in 0..120 {
            let chatter = &mut chatters[usize::try_from(dice.below(4)).unwrap()];
            match dice.below(8) {
                0..=4 => {
                    let seq = chatter.next;
                    chatter.next += 1;
                    let text =
                        if seq % 3 == 0 { "bad".to_owned() } else { format!("{} {seq}", chatter.name) };
                    chatter.outbox.push((seq, text.clone()));
                    chatter.say(seq, &text);
                }
                5 | 6 => drop(env.advance_to_next()),
                _ => {
                    // Acks that were sent may be lost with the connection; so may they not.
                    if dice.below(2) == 0 {
                        chatter.settle();
                    }
                    chatter.peer = house.session(&chatter.name, &[]);
                    chatter.peer.frames();
                    for (seq, text) in chatter.outbox.clone() {
                        chatter.say(seq, &text);
                    }
                }
            }
            chatters.iter_mut().for_each(Chatter::settle);
        }
        while env.advance_to_next() {
            chatters.iter_mut().for_each(Chatter::settle);
        }
        let mut asked = censor.asked();
        let questions = asked.len();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), questions, "seed {seed}: about each once");
        let log = log(&house);
        for chatter in &chatters {
            assert!(chatter.outbox.is_empty(), "seed {seed}: everything is answered");
            let said = log.iter().filter(|text| text.starts_with(&chatter.name)).cloned();
            let expected = (1..chatter.next).filter(|seq| seq % 3 != 0);
            let expected = expected.map(|seq| format!("{} {seq}", chatter.name));
            assert!(said.eq(expected), "seed {seed}: {log:?}");
        }
    }
}
