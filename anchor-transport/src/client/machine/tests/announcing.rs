//! What the library reads by itself, and what comes in passing.

use anchor_core::code::Code;
use anchor_core::session::frame::Signal;
use anchor_core::user::Profile;

use super::*;

fn reading(saved: Saved) -> Script {
    Script::with_options(saved, 7, Options { reads_announcements: true, ..options() })
}

fn announced(first: u64, last: u64) -> ServerFrame {
    let ServerFrame::Events(events) = events(1, first, last) else { unreachable!() };
    ServerFrame::Events(Events { room: RoomId::announcements(), ..events })
}

fn begun(id: u64, position: Position) -> ServerFrame {
    let (id, room, head) = (RequestId(id), RoomId::announcements(), position.offset);
    ServerFrame::Subscribed { id, room, position, head, horizon: Offset(1) }
}

#[test]
fn announcements_are_read_from_the_first_session_on_and_resumed() {
    let mut script = reading(Saved::default());
    script.greet();
    script.frame(welcome(0));
    assert_eq!(script.lines.last().map(String::as_str), Some("save user ada"), "{:?}", script.lines);
    assert!(script.lines.contains(&"subscribe now".to_owned()));
    script.save();
    script.lines.clear();
    let id = script.request_id();
    script.frame(begun(id, at(1, 4)));
    script.frame(announced(5, 5));
    script.reconnect(0);
    assert_eq!(
        script.lines,
        [
            "deliver 0 started e1:4",
            // Where they begin is kept: a later process tells what was said while there was none.
            "save cursor anchor.announcements",
            "deliver 0 events 5",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1 resume e1:5",
            "connected",
        ]
    );
}

#[test]
pub(super) fn a_later_process_goes_on_where_announcements_were_taken() {
    let cursor = (crate::client::machine::ANNOUNCEMENTS_CURSOR.to_owned(), RoomId::announcements());
    let mut script = reading(Saved { cursors: [(cursor, at(1, 9))].into(), ..Saved::default() });
    script.live();
    script.reconnect(0);
    script.lines.retain(|line| line.starts_with("subscribe"));
    assert_eq!(script.lines, ["subscribe e1:9"]);
    let id = script.request_id();
    script.lines.clear();
    script.frame(begun(id, at(1, 9)));
    assert_eq!(script.lines, ["deliver 0 started e1:9"], "the saved cursor stays until more is taken");
}

/// A server without announcements, or one that keeps them from this user: nothing else suffers, and the next session asks
/// again.
#[test]
fn a_server_that_does_not_let_announcements_be_read_disturbs_nothing() {
    for code in [Code::Denied, Code::Unsupported, Code::Invalid, Code::TooManyRooms] {
        let mut script = reading(Saved::default());
        script.live();
        let id = script.request_id();
        script.frame(error(id, code));
        script.subscribed();
        script.frame(events(1, 1, 1));
        script.frame(ServerFrame::Beat { at: 7, lag: Vec::new() });
        assert_eq!(script.lines, ["deliver 1 events 1", "current as of 7"]);
        script.lines.clear();
        script.reconnect(0);
        script.lines.drain(..3);
        assert_eq!(script.lines, ["hello id0 waits 1 resume e1:1", "connected", "subscribe now"]);
    }
}

#[test]
fn who_may_not_resume_announcements_resumes_the_rest() {
    let mut script = reading(Saved::default());
    script.live();
    let id = script.request_id();
    script.frame(begun(id, at(1, 4)));
    script.subscribed();
    let ended = ServerFrame::Ended {
        room: RoomId::announcements(),
        code: Code::NotAMember,
        message: "no".to_owned(),
    };
    script.frame(ended);
    script.frame(events(1, 1, 1));
    script.save();
    script.lines.clear();
    script.reconnect(0);
    script.lines.drain(..3);
    assert_eq!(script.lines, ["hello id0 waits 1 resume e1:1", "connected", "subscribe e1:4"]);
}

#[test]
fn announcements_that_nobody_takes_hold_nothing_up() {
    let mut script = reading(Saved::default());
    script.live();
    let id = script.request_id();
    script.frame(begun(id, at(1, 4)));
    script.save();
    script.lines.clear();
    script.frame(announced(5, 5));
    script.full(0);
    assert!(script.machine.is_reading(), "nobody waits for a taker");
    let left = script.request_id();
    script.frame(announced(6, 6));
    script.frame(ServerFrame::Unsubscribed { id: RequestId(left), room: RoomId::announcements() });
    script.lines.push("-- taken".to_owned());
    script.drained(0);
    assert_eq!(script.lines, ["deliver 0 events 5", "unsubscribe", "-- taken", "subscribe e1:5"]);
}

#[test]
fn what_is_said_in_passing_is_passed_on() {
    let signal = |text: &str| Signal { room: lobby(), user: None, client: None, body: Body::text(text) };
    check(
        |script| {
            script.machine.handle_signal(script.now, signal("to nobody"));
            script.drain();
            script.live();
            script.machine.handle_signal(script.now, signal("call"));
            script.drain();
            script.frame(ServerFrame::Signal(Box::new(signal("answer"))));
            script.frame(ServerFrame::Profile { user: ada(), profile: Profile::default() });
        },
        &["signal call", "heard answer", "profile of ada"],
    );
}

#[test]
fn a_forgotten_cursor_is_gone() {
    check(
        |script| {
            script.live();
            let [kept, forgotten] = ["kept", "forgotten"].map(str::to_owned);
            for name in [&kept, &forgotten] {
                let waiter = script.waiter();
                script.machine.handle_cursor(name.clone(), lobby(), at(1, 3), waiter);
            }
            let waiter = script.waiter();
            script.machine.handle_forget_cursor(forgotten.clone(), lobby(), waiter);
            script.drain();
            script.save();
            assert_eq!(script.machine.cursor(forgotten, lobby()), None);
            assert_eq!(script.machine.cursor(kept, lobby()), Some(at(1, 3)));
        },
        &[
            "save cursor kept, cursor forgotten, forget cursor forgotten",
            "saved 1: true",
            "saved 2: true",
            "saved 3: true",
        ],
    );
}
