//! Rooms: barriers, cursors, gaps, and what is a fault.

use anchor_core::code::Code;
use anchor_core::position::Position;
use anchor_core::resume::GapReason;
use anchor_core::session::frame::{From, ServerFrame};

use super::*;

#[test]
fn a_room_is_subscribed_once_there_is_a_session_and_resumed_at_its_cursor() {
    check(
        |script| {
            script.subscribe(1, From::Last(3));
            script.greet();
            script.frame(welcome(0));
            script.lines.clear();
            let id = script.request_id();
            script.frame(subscribed(id, at(1, 4)));
            script.frame(events(1, 5, 6));
            script.reconnect(0);
            script.frame(events(1, 7, 7));
        },
        &[
            "deliver 1 started e1:4",
            "deliver 1 events 5 6",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1 resume e1:6",
            "connected",
            "deliver 1 events 7",
        ],
    );
}

#[test]
fn a_subscribe_that_was_not_answered_is_asked_again() {
    check(
        |script| {
            script.live();
            script.subscribe(1, From::Now);
            script.reconnect(0);
        },
        &[
            "subscribe now",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1",
            "connected",
            "subscribe now",
        ],
    );
}

#[test]
pub(super) fn events_at_or_below_the_cursor_are_ignored() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 3));
            script.frame(events(1, 1, 3));
            script.frame(events(1, 2, 5));
        },
        &["deliver 1 events 1 2 3", "deliver 1 events 4 5"],
    );
}

#[test]
fn a_new_epoch_right_behind_the_cursor_is_learnt() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 3));
            script.frame(events(2, 4, 4));
            script.reconnect(0);
        },
        &[
            "deliver 1 events 1 2 3",
            "deliver 1 events 4",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1 resume e2:4",
            "connected",
        ],
    );
}

#[test]
fn a_hole_or_another_log_is_a_fault_and_never_a_silent_gap() {
    let other_chain = {
        let ServerFrame::Events(mut events) = events(1, 2, 4) else { unreachable!("these are events") };
        events.events[1].chain = chain(77);
        ServerFrame::Events(events)
    };
    let not_dense = {
        let ServerFrame::Events(mut events) = events(1, 4, 6) else { unreachable!("these are events") };
        events.events.remove(1);
        ServerFrame::Events(events)
    };
    for frame in [events(1, 5, 5), events(2, 3, 4), other_chain, not_dense] {
        check(
            |script| {
                script.live();
                script.subscribed();
                script.frame(events(1, 1, 3));
                script.frame(frame);
                script.tick_after(2_000);
                script.machine.handle_connected(script.now);
                script.drain();
            },
            &[
                "deliver 1 events 1 2 3",
                "hang up",
                "waiting",
                "connecting 1",
                "dial",
                "hello id0 waits 1 resume e1:3",
            ],
        );
    }
}

#[test]
fn after_a_gap_the_cursor_is_its_position_before_or_behind() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(gap(GapReason::Trimmed, 1, 9, Some(at(1, 9))));
            script.frame(events(1, 10, 12));
            script.frame(gap(GapReason::Restored, 11, 12, Some(at(1, 10))));
            script.frame(events(2, 11, 11));
            script.frame(gap(GapReason::History, 1, 11, Some(Position::START)));
            script.frame(events(3, 1, 2));
        },
        &[
            "deliver 1 gap trimmed 1-9",
            "deliver 1 events 10 11 12",
            "deliver 1 gap restored 11-12",
            "deliver 1 events 11",
            "deliver 1 gap history 1-11",
            "deliver 1 events 1 2",
        ],
    );
}

#[test]
fn a_deleted_room_ends_its_subscription() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(gap(GapReason::Deleted, 1, 3, None));
            script.frame(events(1, 1, 1));
            script.subscribe(2, From::Start);
        },
        &["deliver 1 gap deleted 1-3", "deliver 1 ended room_unknown", "end 1", "subscribe start"],
    );
}

#[test]
fn a_gap_without_a_position_is_a_fault() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(gap(GapReason::Trimmed, 1, 3, None));
        },
        &["hang up", "waiting"],
    );
}

#[test]
fn between_asking_and_answer_events_belong_to_nobody() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.unsubscribe(1);
            let unsubscribe = script.request_id();
            script.frame(events(1, 1, 1));
            script.subscribe(2, From::Now);
            script.frame(events(1, 2, 2));
            script.frame(ServerFrame::Unsubscribed { id: RequestId(unsubscribe), room: lobby() });
            let subscribe = script.request_id();
            script.frame(events(1, 3, 3));
            script.frame(subscribed(subscribe, at(1, 3)));
            script.frame(events(1, 4, 4));
        },
        &["end 1", "unsubscribe", "subscribe now", "deliver 2 started e1:3", "deliver 2 events 4"],
    );
}

#[test]
pub(super) fn what_still_comes_of_a_subscription_is_not_taken_for_a_part_of_the_next() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 1));
            script.unsubscribe(1);
            let unsubscribe = script.request_id();
            script.subscribe(2, From::After(at(1, 1)));
            script.frame(events(1, 2, 2));
            script.frame(ServerFrame::Unsubscribed { id: RequestId(unsubscribe), room: lobby() });
            let subscribe = script.request_id();
            script.frame(subscribed(subscribe, at(1, 1)));
            script.frame(events(1, 2, 3));
        },
        &[
            "deliver 1 events 1",
            "end 1",
            "unsubscribe",
            "subscribe e1:1",
            "deliver 2 started e1:1",
            "deliver 2 events 2 3",
        ],
    );
}

#[test]
fn a_disconnect_lets_the_next_reader_in() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.unsubscribe(1);
            script.subscribe(2, From::Start);
            script.lines.clear();
            script.reconnect(0);
        },
        &["waiting", "connecting 1", "dial", "hello id0 waits 1", "connected", "subscribe start"],
    );
}

#[test]
fn a_second_reader_of_a_room_is_told_so() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.subscribe(2, From::Start);
        },
        &["deliver 2 ended already_subscribed", "end 2"],
    );
}

#[test]
fn a_subscribe_that_is_refused_ends_and_one_that_cannot_be_answered_is_asked_again() {
    check(
        |script| {
            script.live();
            script.subscribe(1, From::Start);
            let id = script.request_id();
            script.frame(error(id, Code::StoreUnavailable));
            script.tick_after(999);
            script.tick_after(1);
            let id = script.request_id();
            script.frame(error(id, Code::Denied));
        },
        &["subscribe start", "subscribe start", "deliver 1 ended denied", "end 1"],
    );
}

#[test]
fn more_rooms_than_hello_takes_are_resumed_behind_it() {
    check(
        |script| {
            script.live();
            for room in 0..1_500_u64 {
                let name = RoomId::new(format!("room-{room}")).unwrap();
                script.machine.handle_subscribe(
                    script.now,
                    SubscriptionId(room + 1),
                    name.clone(),
                    From::Now.into(),
                );
                script.drain();
                let id = RequestId(script.request_id());
                let (position, head, horizon) = (at(1, 1), Offset(1), Offset(1));
                script.frame(ServerFrame::Subscribed { id, room: name, position, head, horizon });
            }
            script.lines.clear();
            script.disconnect();
            script.tick_after(1_000);
            script.machine.handle_connected(script.now);
            script.drain();
            let hello = script.lines.pop().unwrap();
            assert_eq!(hello.matches("e1:1").count(), 1_000);
            script.lines.clear();
            script.frame(welcome(0));
        },
        &["connected", "resume 500 rooms"],
    );
}

#[test]
fn a_gap_that_was_announced_is_not_lost_with_the_connection() {
    for (from, asked) in [
        (From::After(at(1, 9)), "subscribe e1:9"),
        (From::Start, "subscribe start"),
        (From::Offset(Offset(2)), "subscribe offset 2"),
    ] {
        check(
            |script| {
                script.live();
                script.subscribe(1, from);
                let id = script.request_id();
                // The server starts behind the gap that it tells next; the connection ends in between.
                script.frame(subscribed(id, at(1, 5)));
                script.reconnect(0);
                let id = script.request_id();
                script.frame(subscribed(id, at(1, 5)));
                script.frame(gap(GapReason::Restored, 6, 9, Some(at(1, 5))));
                script.frame(events(2, 6, 6));
                script.reconnect(0);
            },
            &[
                asked,
                // Whoever saved this as a cursor and was killed here would never hear of the gap.
                "deliver 1 started e1:5 behind a gap",
                "waiting",
                "connecting 1",
                "dial",
                "hello id0 waits 1",
                "connected",
                asked,
                "deliver 1 gap restored 6-9",
                "deliver 1 events 6",
                "waiting",
                "connecting 1",
                "dial",
                "hello id0 waits 1 resume e2:6",
                "connected",
            ],
        );
    }
}

#[test]
fn a_full_reader_holds_up_the_connection_for_a_second_and_goes_on_where_it_was() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 3));
            script.full(1);
            assert!(!script.machine.is_reading());
            script.tick_after(999);
            assert!(!script.machine.is_reading());
            script.tick_after(1);
            assert!(script.machine.is_reading(), "what others wait for can come");
            let unsubscribe = script.request_id();
            script.frame(events(1, 4, 9));
            script.frame(ServerFrame::Unsubscribed { id: RequestId(unsubscribe), room: lobby() });
            script.drained(1);
            let subscribe = script.request_id();
            script.frame(subscribed(subscribe, at(1, 3)));
            script.frame(events(1, 4, 4));
        },
        &["deliver 1 events 1 2 3", "unsubscribe", "subscribe e1:3", "deliver 1 events 4"],
    );
}

#[test]
fn a_reader_that_takes_again_before_the_room_is_given_back_is_not_forgotten() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 3));
            script.full(1);
            script.tick_after(1_000);
            let unsubscribe = script.request_id();
            script.drained(1);
            script.frame(ServerFrame::Unsubscribed { id: RequestId(unsubscribe), room: lobby() });
        },
        &["deliver 1 events 1 2 3", "unsubscribe", "subscribe e1:3"],
    );
}

#[test]
fn a_full_reader_does_not_hold_up_the_next_welcome() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 3));
            script.full(1);
            script.disconnect();
            assert!(script.machine.is_reading());
            script.tick_after(1_000);
            script.machine.handle_connected(script.now);
            script.drain();
            script.frame(welcome(0));
            script.drained(1);
        },
        &[
            "deliver 1 events 1 2 3",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1",
            "connected",
            "subscribe e1:3",
        ],
    );
}

#[test]
fn a_parked_reader_that_leaves_lets_the_next_one_in() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 3));
            script.full(1);
            script.tick_after(1_000);
            let unsubscribe = script.request_id();
            script.unsubscribe(1);
            script.subscribe(2, From::Now);
            script.frame(ServerFrame::Unsubscribed { id: RequestId(unsubscribe), room: lobby() });
        },
        &["deliver 1 events 1 2 3", "unsubscribe", "end 1", "subscribe now"],
    );
}

#[test]
fn a_room_that_is_left_between_hello_and_welcome_is_left() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 3));
            script.disconnect();
            script.tick_after(1_000);
            script.machine.handle_connected(script.now);
            script.drain();
            script.unsubscribe(1);
            script.subscribe(2, From::Now);
            script.frame(welcome(0));
            let unsubscribe = script.request_id();
            script.frame(events(1, 4, 4));
            script.frame(ServerFrame::Unsubscribed { id: RequestId(unsubscribe), room: lobby() });
        },
        &[
            "deliver 1 events 1 2 3",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1 resume e1:3",
            "end 1",
            "connected",
            "unsubscribe",
            "subscribe now",
        ],
    );
}

#[test]
fn every_room_is_resumed_although_one_is_left_between_hello_and_welcome() {
    check(
        |script| {
            script.live();
            for room in 0..1_500_u64 {
                let name = RoomId::new(format!("room-{room}")).unwrap();
                script.machine.handle_subscribe(
                    script.now,
                    SubscriptionId(room + 1),
                    name.clone(),
                    From::Now.into(),
                );
                script.drain();
                let id = RequestId(script.request_id());
                let (position, head, horizon) = (at(1, 1), Offset(1), Offset(1));
                script.frame(ServerFrame::Subscribed { id, room: name, position, head, horizon });
            }
            script.disconnect();
            script.tick_after(1_000);
            script.machine.handle_connected(script.now);
            script.drain();
            script.lines.clear();
            script.unsubscribe(1);
            script.frame(welcome(0));
        },
        &["end 1", "connected", "unsubscribe", "resume 500 rooms"],
    );
}

#[test]
fn a_reader_who_joined_late_goes_on_behind_what_is_hidden() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(gap(GapReason::Hidden, 1, 6, Some(at(1, 6))));
            script.frame(events(1, 7, 8));
            script.reconnect(0);
        },
        &[
            "deliver 1 gap hidden 1-6",
            "deliver 1 events 7 8",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1 resume e1:8",
            "connected",
        ],
    );
}

#[test]
fn who_may_not_read_any_more_is_told_and_may_come_again() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 3));
            script.frame(ended(Code::NotAMember));
            script.lines.push("-- what comes late is nobody's".to_owned());
            script.frame(events(1, 4, 4));
            script.frame(ended(Code::NotAMember));
            script.lines.push("-- not resumed".to_owned());
            script.reconnect(0);
            script.lines.push("-- joined again".to_owned());
            script.subscribe(2, From::After(at(1, 3)));
            let id = script.request_id();
            script.frame(subscribed(id, at(1, 3)));
            script.frame(events(1, 4, 5));
        },
        &[
            "deliver 1 events 1 2 3",
            "deliver 1 ended not_a_member",
            "end 1",
            "-- what comes late is nobody's",
            "-- not resumed",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1",
            "connected",
            "-- joined again",
            "subscribe e1:3",
            "deliver 2 started e1:3",
            "deliver 2 events 4 5",
        ],
    );
}

/// The word that a subscription ended crosses the client's own leaving, and its asking again.
#[test]
fn an_end_that_crosses_a_leaving_is_answered_by_that() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.unsubscribe(1);
            let left = script.request_id();
            script.subscribe(2, From::Start);
            script.frame(ended(Code::RoomBanned));
            script.frame(error(left, Code::NotSubscribed));
            let asked = script.request_id();
            script.frame(ended(Code::RoomBanned));
            script.frame(error(asked, Code::RoomBanned));
        },
        &["end 1", "unsubscribe", "subscribe start", "deliver 2 ended room_banned", "end 2"],
    );
}

#[test]
fn a_deleted_room_is_read_no_more_and_may_be_read_anew() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.frame(events(1, 1, 2));
            script.frame(gap(GapReason::Deleted, 1, 2, None));
            script.frame(events(2, 1, 1));
            script.subscribe(2, From::Start);
            let id = script.request_id();
            script.frame(subscribed(id, Position::START));
            script.frame(events(2, 1, 1));
        },
        &[
            "deliver 1 events 1 2",
            "deliver 1 gap deleted 1-2",
            "deliver 1 ended room_unknown",
            "end 1",
            "subscribe start",
            "deliver 2 started -:0",
            "deliver 2 events 1",
        ],
    );
}

#[test]
fn own_events_are_hidden_where_that_was_asked_and_the_cursor_goes_past_them() {
    let run = |hide| {
        let mut script = Script::new(Saved::default());
        script.live();
        script.publish_saved("own");
        script.subscribe(1, SubscribeOptions::from(From::Start).hide(hide));
        let id = script.request_id();
        script.frame(subscribed(id, Position::START));
        script.lines.clear();
        // Of another client of the user, twice the own one, of somebody else, and of the own one.
        let own = |offset| script.event_of(0, offset);
        let of_bob = |offset| Event { user: UserId::new("bob").unwrap(), ..own(offset) };
        let log = vec![event(1, "elsewhere"), own(2), own(3), of_bob(4), own(5)];
        script.frame(ServerFrame::Events(Events {
            room: lobby(),
            epoch: epoch(1),
            first: Offset(1),
            events: log,
        }));
        let delivered = std::mem::take(&mut script.lines);
        script.reconnect(0);
        assert!(script.lines.contains(&"hello id0 waits 1 resume e1:5".to_owned()), "{:?}", script.lines);
        delivered
    };
    assert_eq!(run(Hide::Nothing), ["deliver 1 events 1 2 3 4 5"]);
    assert_eq!(
        run(Hide::ThisClient),
        [
            "deliver 1 events 1",
            "deliver 1 hidden 2 to e1:3",
            "deliver 1 events 4",
            "deliver 1 hidden 5 to e1:5"
        ]
    );
    assert_eq!(
        run(Hide::ThisUser),
        ["deliver 1 hidden 1 to e1:3", "deliver 1 events 4", "deliver 1 hidden 5 to e1:5"]
    );
}
