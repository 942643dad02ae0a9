//! Publishes: once, in order, answered by name.

use super::peer::{House, Peer, Sent, numbers, publish};
use crate::environment::Environment;
use crate::event::{Draft, EventKind};
use crate::id::Nonce;
use crate::limits::{BODY_BYTES_MAX, WINDOW};
use crate::position::Position;
use crate::session::frame::{ClientFrame, PublishFrame, ServerFrame};

/// What the answers to publishes were: an offset, or a code; `+` where an ack says duplicate.
pub(super) fn answers(peer: &mut Peer) -> Vec<String> {
    peer.frames()
        .into_iter()
        .filter_map(|frame| match frame {
            ServerFrame::Ack(ack) => {
                Some(format!("{}@{}{}", ack.seq, ack.mark.offset, if ack.duplicate { "+" } else { "" }))
            }
            ServerFrame::Refused { seq, code, .. } => Some(format!("{seq}:{code}")),
            ServerFrame::Goodbye { code, .. } => Some(format!("goodbye:{code}")),
            _ => None,
        })
        .collect()
}

#[test]
fn a_publish_is_acked_before_its_event_is_delivered() {
    let house = House::new();
    let mut peer = house.session("ada", &[("lobby", Position::START)]);
    peer.sent.clear();
    peer.publish("lobby", "hello");
    assert!(matches!(peer.sent[..], [Sent::Frame(ServerFrame::Ack(_)), Sent::Run(_)]), "{:?}", peer.sent);
    assert_eq!(peer.texts("lobby", 0), ["hello"]);
}

#[test]
pub(super) fn a_repeat_gets_the_first_outcome_and_appends_nothing() {
    let house = House::new();
    let mut peer = house.session("ada", &[]);
    peer.send(publish(1, 1, "lobby", "a"))
        .send(publish(2, 1, "lobby", "b"))
        .send(publish(1, 1, "lobby", "a"));
    assert_eq!(answers(&mut peer), ["1@1", "2@2", "1@1+"]);
    let mut again = house.restarted().session("ada", &[("lobby", Position::START)]);
    again.send(publish(2, 1, "lobby", "b"));
    assert_eq!(again.texts("lobby", 0), ["a", "b"]);
    assert_eq!(answers(&mut again), ["2@2+"]);
}

#[test]
pub(super) fn publishes_read_at_once_are_appended_in_their_order() {
    let house = House::new();
    let mut peer = house.session("ada", &[("lobby", Position::START)]);
    let now = house.env.now();
    for seq in 1..=7 {
        peer.session.handle_frame(now, Ok(publish(seq, 1, "lobby", &seq.to_string())));
    }
    peer.settle();
    assert_eq!(peer.texts("lobby", 0), numbers(1..=7));
    assert_eq!(answers(&mut peer), ["1@1", "2@2", "3@3", "4@4", "5@5", "6@6", "7@7"]);
}

#[test]
fn conflict_forgotten_and_skipped_are_told_apart() {
    let mut peer = House::new().session("ada", &[]);
    peer.send(publish(1, 1, "lobby", "a")).send(publish(5, 1, "lobby", "b"));
    peer.send(publish(5, 1, "lobby", "other"))
        .send(publish(3, 1, "lobby", "c"))
        .send(publish(6, 6, "lobby", "d"));
    peer.send(publish(5, 5, "lobby", "b"));
    assert_eq!(
        answers(&mut peer),
        ["1@1", "5@2", "5:seq_conflict", "3:seq_skipped", "6@3", "5:seq_forgotten"]
    );
}

#[test]
fn waits_above_its_own_seq_is_malformed_and_forgets_nothing() {
    let house = House::new();
    let mut peer = house.session("ada", &[]);
    peer.send(publish(1, 1, "lobby", "a")).send(publish(2, 3, "lobby", "b"));
    assert_eq!(answers(&mut peer), ["1@1", "goodbye:malformed"]);
    let mut again = house.session("ada", &[]);
    again.send(publish(1, 1, "lobby", "a"));
    assert_eq!(answers(&mut again), ["1@1+"]);
}

#[test]
fn refusals_are_repeated_and_not_decided_again() {
    let mut peer = House::new().session("ada", &[]);
    let frame = |seq: u64, room: &str, draft: Draft| {
        let ClientFrame::Publish(frame) = publish(seq, 1, room, "") else { unreachable!("it is a publish") };
        ClientFrame::Publish(PublishFrame { draft, nonce: Nonce(1), ..frame })
    };
    let of_no_kind = Draft { kind: EventKind(99), ..Draft::message("x") };
    peer.send(frame(1, "@direct", Draft::message("x")));
    peer.send(frame(2, "lobby", of_no_kind.clone()));
    peer.send(frame(3, "lobby", Draft::message("x".repeat(BODY_BYTES_MAX + 1))));
    peer.send(frame(2, "lobby", of_no_kind));
    let expected = ["1:room_unknown", "2:kind_unsupported", "3:body_too_large", "2:kind_unsupported"];
    assert_eq!(answers(&mut peer), expected);
}

#[test]
fn a_full_window_ends_the_session_and_appends_nothing_behind_it() {
    let house = House::new();
    let mut peer = house.session("ada", &[]);
    for seq in 1..=WINDOW as u64 {
        peer.send(publish(seq, 1, "lobby", "x"));
    }
    peer.frames();
    peer.send(publish(1000, 1, "lobby", "too much"));
    assert_eq!(answers(&mut peer), ["goodbye:window_full"]);
    let mut again = house.session("ada", &[]);
    again.send(publish(1000, 200, "lobby", "now"));
    assert_eq!(answers(&mut again), [format!("1000@{}", WINDOW + 1)]);
}

#[test]
fn an_older_client_id_of_the_same_user_is_settled_past_the_fence() {
    let house = House::new();
    let mut old = house.session("ada", &[]);
    old.send(publish(1, 1, "lobby", "a"));
    let ClientFrame::Publish(frame) = publish(1, 1, "lobby", "a") else { unreachable!("it is a publish") };
    let old_id = super::peer::hello("ada", &[]).client_id;
    let mut new = house.connect();
    let mut hello = super::peer::hello("ada", &[]);
    hello.client_id = crate::id::ClientId::from_bytes([42; 16]);
    new.send(ClientFrame::Hello(hello)).frames();
    new.send(ClientFrame::Publish(PublishFrame { client_id: Some(old_id), ..frame }));
    assert_eq!(answers(&mut new), ["1@1+"]);
    assert!(old.settle().goodbye.is_none(), "settling replaces nobody");
}

#[test]
fn a_log_read_in_full_does_not_let_one_take_a_client_over() {
    let house = House::new();
    let mut ada = house.session("ada", &[]);
    ada.publish("lobby", "hers");
    let mut eve = house.session("eve", &[("lobby", Position::START)]);
    let event = eve.events("lobby", 0).remove(0);
    // All that the log shows of ada's client is 8 derived bytes: try them as a client_id, padded either way.
    for at in [0, 8] {
        let mut guess = [0; 16];
        guess[at..at + 8].copy_from_slice(event.client.as_bytes());
        let mut hello = super::peer::hello("ada", &[]);
        hello.client_id = crate::id::ClientId::from_bytes(guess);
        let mut thief = house.connect();
        thief.send(ClientFrame::Hello(hello));
        let ServerFrame::Welcome(welcome) = thief.frames().remove(0) else { panic!("no welcome") };
        assert_ne!(welcome.client, event.client);
        assert_eq!(welcome.seq, crate::id::Seq::ZERO);
        thief.send(publish(1, 1, "lobby", "hers"));
        assert!(!answers(&mut thief)[0].ends_with('+'), "nobody else gets her outcomes");
    }
    assert!(ada.settle().goodbye.is_none(), "her session goes on");
    // The same secret under another user is another client, too.
    let mut other = super::peer::hello("ada", &[]);
    other.user = Some(crate::id::UserId::new("eve2").unwrap());
    let mut peer = house.connect();
    peer.send(ClientFrame::Hello(other)).send(publish(1, 1, "lobby", "hers"));
    assert!(!answers(&mut peer)[0].ends_with('+'));
    eve.settle();
}
