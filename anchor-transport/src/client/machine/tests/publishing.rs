//! Publishes: stored before they are sent, sent in order, within the window, answered once.

use anchor_core::code::{Class, Code};

use super::*;

#[test]
fn a_publish_is_durable_before_it_is_sent_and_waits_until_its_end_is() {
    check(
        |script| {
            script.live();
            script.publish("a");
            script.save();
            script.frame(ack(1, 1));
            script.publish("b");
            script.save_up_to(3);
            script.save();
        },
        &[
            "save put 0.1",
            "queued 1 as 1",
            "publish 1 a, waits 1",
            "acked 1 at 1",
            "save acked 0.1",
            "save put 0.2",
            "queued 2 as 2",
            "publish 2 b, waits 2",
        ],
    );
}

#[test]
pub(super) fn an_answered_entry_waits_as_long_as_it_stands_on_disk() {
    check(
        |script| {
            script.live();
            script.publish_saved("a");
            script.publish_saved("b");
            script.lines.clear();
            script.frame(ack(1, 1));
            let before = script.write;
            script.publish("c");
            // The write of `c` cannot be durable without that of the ack: a keeper that lies would show it.
            script.machine.handle_saved(script.now, before - 1);
            script.drain();
            script.reconnect(2);
            script.save();
        },
        &[
            "acked 1 at 1",
            "save acked 0.1",
            "save put 0.3",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1",
            "connected",
            "publish 2 b, waits 1",
            "queued 3 as 3",
            "publish 3 c, waits 2",
        ],
    );
}

#[test]
fn everything_unanswered_is_sent_again_in_order_after_each_welcome() {
    check(
        |script| {
            script.publish_saved("a");
            script.live();
            script.publish_saved("b");
            script.publish_saved("c");
            script.frame(ack(2, 7));
            script.save();
            script.lines.clear();
            script.reconnect(3);
            script.frame(ack(1, 1));
            script.frame(ack(3, 2));
            script.frame(ack(3, 2));
            script.save();
            script.reconnect(3);
        },
        &[
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1",
            "connected",
            "publish 1 a, waits 1",
            "publish 3 c, waits 1",
            "acked 1 at 1",
            "save acked 0.1",
            "acked 3 at 2",
            "save acked 0.3",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 4",
            "connected",
        ],
    );
}

#[test]
pub(super) fn a_goodbye_that_says_resend_decides_nothing() {
    let retry = Code::ALL.iter().filter(|code| code.class() == Class::Retry);
    for code in retry {
        check(
            |script| {
                script.live();
                script.publish_saved("a");
                script.publish_saved("b");
                script.lines.clear();
                script.frame(goodbye(*code, Some(10)));
                script.tick_after(10);
                script.machine.handle_connected(script.now);
                script.drain();
                script.frame(welcome(0));
            },
            &[
                "hang up",
                "waiting",
                "connecting 1",
                "dial",
                "hello id0 waits 1",
                "connected",
                "publish 1 a, waits 1",
                "publish 2 b, waits 1",
            ],
        );
    }
}

#[test]
fn the_window_holds_until_the_lowest_is_answered_and_off_the_disk() {
    check(
        |script| {
            script.greet();
            script.frame(welcome_with(0, 2, 1 << 20));
            for text in ["a", "b", "c", "d"] {
                script.publish_saved(text);
            }
            script.lines.retain(|line| line.starts_with("publish"));
            script.frame(ack(2, 1));
            script.save();
            script.lines.push("-- 2 is answered".to_owned());
            script.frame(ack(1, 2));
            script.lines.push("-- 1 is answered".to_owned());
            script.save();
            script.lines.retain(|line| line.starts_with("publish") || line.starts_with("--"));
        },
        &[
            "publish 1 a, waits 1",
            "publish 2 b, waits 1",
            "-- 2 is answered",
            "-- 1 is answered",
            "publish 3 c, waits 3",
            "publish 4 d, waits 3",
        ],
    );
}

#[test]
fn bytes_on_their_way_are_bounded_but_one_may_always_go() {
    check(
        |script| {
            script.greet();
            script.frame(welcome_with(0, 256, 5));
            for text in ["sevenxx", "abc", "de", "f"] {
                script.publish_saved(text);
            }
            script.lines.retain(|line| line.starts_with("publish"));
            script.frame(ack(1, 1));
            script.frame(ack(2, 2));
            script.lines.retain(|line| line.starts_with("publish"));
        },
        &[
            "publish 1 sevenxx, waits 1",
            "publish 2 abc, waits 1",
            "publish 3 de, waits 1",
            "publish 4 f, waits 1",
        ],
    );
}

#[test]
fn a_refusal_is_final_and_the_rest_goes_on() {
    check(
        |script| {
            script.live();
            script.publish_saved("a");
            script.publish_saved("b");
            script.lines.clear();
            script.frame(refused(1, Code::Denied));
            script.frame(ack(2, 1));
            script.save();
            script.publish_saved("c");
        },
        &[
            "failed 1: refused denied",
            "save remove 0.1",
            "acked 2 at 1",
            "save acked 0.2",
            "save put 0.3",
            "queued 3 as 3",
            "publish 3 c, waits 3",
        ],
    );
}

#[test]
fn what_an_earlier_process_left_goes_first_and_its_fate_is_a_notice() {
    let left = left_over(&["a", "b"]);
    let mut script = Script::new(left);
    script.live_at(1);
    script.publish_saved("c");
    script.lines.clear();
    script.frame(ack(1, 1));
    script.frame(refused(2, Code::Denied));
    script.frame(ack(3, 2));
    assert_eq!(
        script.lines,
        [
            "notice settled a at 1",
            "save acked 0.1",
            "notice refused 2 denied",
            "save remove 0.2",
            "acked 1 at 2",
            "save acked 0.3"
        ]
    );
    let texts: Vec<_> = script.sent.iter().map(|(seq, ..)| seq.get()).collect();
    assert_eq!(texts, [1, 2, 3]);
}

#[test]
fn an_ack_for_another_room_is_a_fault() {
    check(
        |script| {
            script.live();
            script.publish_saved("a");
            script.lines.clear();
            let ServerFrame::Ack(mut wrong) = ack(1, 1) else { unreachable!("it is an ack") };
            wrong.room = RoomId::new("other").unwrap();
            script.frame(ServerFrame::Ack(wrong));
        },
        &["hang up", "waiting"],
    );
}

#[test]
fn the_newest_acks_are_kept_and_older_ones_dropped() {
    check(
        |script| {
            script.live();
            for seq in 1..=5 {
                script.publish_saved("x");
                script.lines.clear();
                script.frame(ack(seq, seq));
            }
        },
        &["acked 5 at 5", "save acked 0.5, unkeep 0.2"],
    );
}

/// A state with one identity and a queue under it.
pub(super) fn left_over(texts: &[&str]) -> Saved {
    let mut first = Script::of_seed(Saved::default(), 8);
    let mut saved = Saved { user: Some(ada()), ..Saved::default() };
    let generation = Generation::FIRST;
    for text in texts {
        first.publish_saved(text);
    }
    saved.identities.clone_from(&first.machine.sending.identities);
    assert_eq!(saved.identities.len(), 1);
    for (key, pending) in &first.machine.sending.entries {
        assert_eq!(key.generation, generation);
        saved.entries.insert(*key, pending.entry.clone());
    }
    saved
}
