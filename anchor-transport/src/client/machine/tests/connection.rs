//! Connecting, ending, coming back: states, back-off, heartbeats, codes.

use std::time::Duration;

use anchor_core::code::Code;
use anchor_core::position::Position;
use anchor_core::session::frame::{From, ServerFrame};

use super::super::backoff::Backoff;
use super::*;

#[test]
fn the_first_tick_dials_and_a_connection_says_hello() {
    check(
        |script| {
            script.greet();
            script.frame(welcome(0));
        },
        &["save id0", "connecting 1", "dial", "hello id0 waits 1", "connected", "save user ada"],
    );
}

#[test]
fn a_failed_attempt_is_followed_by_another_for_ever() {
    check(
        |script| {
            script.lines.clear();
            for _ in 0..3 {
                script.tick_after(30_000);
                script.machine.handle_disconnected(script.now, "refused".to_owned());
                script.drain();
                script.lines.retain(|line| !line.starts_with("waiting"));
            }
        },
        &["connecting 1", "dial", "connecting 2", "dial", "connecting 3", "dial"],
    );
}

#[test]
fn an_attempt_or_a_hello_that_takes_too_long_is_given_up() {
    check(
        |script| {
            script.lines.clear();
            script.tick_after(0);
            script.tick_after(10_000);
            script.tick_after(1_000);
            script.machine.handle_connected(script.now);
            script.drain();
            script.tick_after(9_999);
            script.lines.push("-- 10 s".to_owned());
            script.tick_after(1);
            script.lines.pop();
        },
        &[
            "connecting 1",
            "dial",
            "hang up",
            "waiting",
            "connecting 2",
            "dial",
            "hello id0 waits 1",
            "-- 10 s",
            "hang up",
        ],
    );
}

#[test]
fn the_back_off_is_drawn_from_a_range_that_doubles_to_30_s() {
    let mut backoff = Backoff::default();
    let ranges: Vec<u64> = (0..8).map(|_| backoff.next(u64::MAX).as_millis().try_into().unwrap()).collect();
    assert_eq!(ranges, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    assert_eq!(backoff.next(0), Duration::ZERO);
    assert_eq!(backoff.next(u64::MAX / 2).as_secs(), 15);
    backoff.welcomed();
    assert!(backoff.next(u64::MAX) <= Duration::from_secs(1));
}

#[test]
fn sessions_that_end_by_a_fault_each_time_back_off_too() {
    let mut backoff = Backoff::default();
    for doubled in [1, 2, 4, 8] {
        backoff.welcomed();
        assert_eq!(backoff.next(u64::MAX), Duration::from_secs(doubled));
        backoff.faulted();
    }
    backoff.lasted();
    backoff.welcomed();
    assert_eq!(backoff.next(u64::MAX), Duration::from_secs(1));
}

#[test]
fn a_goodbye_with_a_slot_is_kept_exactly_and_then_jitter_begins_at_1_s() {
    check(
        |script| {
            script.live();
            script.frame(goodbye(Code::Shutdown, Some(7_500)));
            assert_eq!(script.machine.poll_deadline(), Some(script.now + Duration::from_millis(7_500)));
            script.tick_after(7_499);
            script.tick_after(1);
            script.disconnect();
        },
        &["hang up", "waiting 7500 ms", "connecting 1", "dial", "waiting"],
    );
}

#[test]
fn a_goodbye_without_a_slot_is_a_lost_connection() {
    check(
        |script| {
            script.live();
            script.frame(goodbye(Code::StoreFailed, None));
        },
        &["hang up", "waiting"],
    );
}

#[test]
fn codes_that_say_stop_stop() {
    for code in [Code::Banned, Code::Version, Code::Auth, Code::Malformed] {
        check(
            |script| {
                script.live();
                script.subscribed();
                script.publish_saved("a");
                script.lines.clear();
                script.frame(goodbye(code, Some(5)));
                assert_eq!(script.machine.poll_deadline(), None);
                script.publish("b");
                script.subscribe(2, From::Start);
                script.ask(Request::Who { room: lobby() });
                script.lines.retain(|line| !line.starts_with("deliver") && !line.starts_with("no answer"));
            },
            &[
                "hang up",
                &format!("failed 1: stopped {code}"),
                "end 1",
                &format!("stopped {code}"),
                &format!("not queued 2: stopped {code}"),
                "end 2",
            ],
        );
    }
}

#[test]
fn silence_is_answered_by_beats_and_ended_after_three() {
    check(
        |script| {
            script.live();
            script.tick_after(19_999);
            script.tick_after(1);
            script.tick_after(20_000);
            script.tick_after(19_999);
            script.frame(ServerFrame::Beat { at: 1, lag: Vec::new() });
            script.tick_after(1);
            script.tick_after(59_998);
            script.lines.push("-- not yet".to_owned());
            script.tick_after(1);
        },
        &["beat", "beat", "current as of 1", "beat", "beat", "-- not yet", "hang up", "waiting"],
    );
}

#[test]
fn a_beat_that_names_rooms_behind_says_nothing_of_being_current() {
    check(
        |script| {
            script.live();
            script.frame(ServerFrame::Beat { at: 1, lag: vec![(lobby(), Offset(3))] });
            script.frame(ServerFrame::Beat { at: 2, lag: Vec::new() });
        },
        &["current as of 2"],
    );
}

#[test]
fn a_beat_says_nothing_of_rooms_that_the_server_does_not_know_of() {
    check(
        |script| {
            script.live();
            script.subscribe(1, From::Start);
            let id = script.request_id();
            script.frame(ServerFrame::Beat { at: 1, lag: Vec::new() });
            script.frame(subscribed(id, Position::START));
            script.frame(ServerFrame::Beat { at: 2, lag: Vec::new() });
        },
        &["subscribe start", "deliver 1 started -:0", "current as of 2"],
    );
}

#[test]
fn silence_while_nothing_is_read_is_our_own() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.tick_after(59_900);
            script.full(1);
            script.tick_after(900);
            script.drained(1);
            script.tick_after(59_999);
            script.lines.push("-- nothing was read for a while".to_owned());
            script.tick_after(1);
        },
        &["beat", "beat", "-- nothing was read for a while", "hang up", "waiting"],
    );
}

#[test]
fn what_is_sent_is_a_sign_of_life() {
    check(
        |script| {
            script.live();
            script.tick_after(15_000);
            script.subscribe(1, From::Start);
            script.tick_after(15_000);
            script.tick_after(5_000);
        },
        &["subscribe start", "beat"],
    );
}

#[test]
fn frames_out_of_order_are_faults() {
    for frame in [events(1, 1, 1), ack(1, 1)] {
        check(
            |script| {
                script.greet();
                script.lines.clear();
                script.frame(frame);
            },
            &["hang up", "waiting"],
        );
    }
    check(
        |script| {
            script.live();
            script.frame(welcome(0));
        },
        &["hang up", "waiting"],
    );
}

#[test]
fn a_server_that_takes_the_client_for_somebody_else_stops_it() {
    check(
        |script| {
            script.live();
            script.disconnect();
            script.tick_after(1_000);
            script.machine.handle_connected(script.now);
            script.drain();
            script.lines.clear();
            let ServerFrame::Welcome(mut welcome) = welcome(0) else { unreachable!("it is a welcome") };
            welcome.user = anchor_core::id::UserId::new("bob").unwrap();
            script.frame(ServerFrame::Welcome(welcome));
        },
        &["hang up", "stopped denied"],
    );
}

#[test]
fn an_outbox_that_cannot_be_written_stops_everything() {
    check(
        |script| {
            script.live();
            script.publish("a");
            script.machine.handle_cursor("tail".to_owned(), lobby(), Position::START, Waiter(9));
            script.drain();
            script.machine.handle_outbox_failed("disk on fire");
            script.drain();
            // Nobody waits for what will not come.
            script.machine.handle_cursor("tail".to_owned(), lobby(), Position::START, Waiter(10));
            script.drain();
        },
        &[
            "save put 0.1",
            "save cursor tail",
            "not queued 1: outbox",
            "failed 1: outbox",
            "saved 9: false",
            "hang up",
            "stopped store_failed",
            "saved 10: false",
            "save cursor tail",
        ],
    );
}
