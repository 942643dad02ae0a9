//! Questions: a few at once, again after a disconnect, not for ever.

use anchor_core::code::Code;
use anchor_core::event::Body;
use anchor_core::session::frame::{RoomEntry, RoomListing, Signal, ThreadPage, Which};
use anchor_core::store::Direction;
use anchor_core::user::{Direct, Profile, ReadReceipts, UserChange};

use super::*;

fn newest() -> Request {
    Request::History { room: lobby(), range: HistoryRange::Newest, limit: 10 }
}

#[test]
fn four_are_open_at_once_and_the_rest_wait() {
    check(
        |script| {
            script.live();
            for _ in 0..4 {
                script.ask(newest());
            }
            let last = script.request_id();
            script.ask(Request::Who { room: lobby() });
            script.lines.push("-- an answer".to_owned());
            script.frame(ServerFrame::Page(Box::new(page(last, Vec::new(), 0, None))));
        },
        &["history", "history", "history", "history", "-- an answer", "page for 4 of 0", "who"],
    );
}

#[test]
fn what_was_not_answered_is_asked_again_until_its_time_is_over() {
    check(
        |script| {
            script.ask(newest());
            script.live();
            script.reconnect(0);
            script.tick_after(28_999);
            script.tick_after(1_000);
            let late = script.request_id();
            script.lines.retain(|line| line != "beat");
            script.frame(ServerFrame::Page(Box::new(page(late, Vec::new(), 0, None))));
        },
        &[
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1",
            "connected",
            "history",
            "no answer for 1: no answer came in time",
        ],
    );
}

#[test]
fn a_server_that_cannot_answer_now_is_asked_again_and_a_refusal_is_told() {
    check(
        |script| {
            script.live();
            script.ask(newest());
            let id = script.request_id();
            script.frame(error(id, Code::TooManyReads));
            assert_eq!(script.machine.poll_deadline(), Some(script.now + Duration::from_millis(250)));
            script.tick_after(250);
            let id = script.request_id();
            script.frame(error(id, Code::Denied));
        },
        &["history", "history", "no answer for 1: no (denied)"],
    );
}

#[test]
fn answers_to_nobody_are_ignored() {
    check(
        |script| {
            script.live();
            script.frame(ServerFrame::Page(Box::new(page(77, Vec::new(), 0, None))));
            script.frame(error(78, Code::Invalid));
            script.frame(ack(5, 5));
            script.frame(refused(6, Code::SeqConflict));
        },
        &[],
    );
}

fn call(text: &str) -> Request {
    Request::Signal(Signal { room: lobby(), user: None, client: None, body: Body::text(text) })
}

fn present(id: u64) -> ServerFrame {
    ServerFrame::Present { id: RequestId(id), room: lobby(), users: Vec::new(), total: 0 }
}

fn unnamed_error() -> ServerFrame {
    ServerFrame::Error { id: None, code: Code::Muted, message: "no".to_owned(), retry_after_ms: None }
}

#[test]
fn a_signal_is_refused_by_what_comes_before_the_answer_behind_it() {
    check(
        |script| {
            script.live();
            script.frame(unnamed_error());
            script.ask(call("one"));
            let id = script.request_id();
            // Of two under way, nobody could tell which was refused.
            script.ask(call("two"));
            script.frame(unnamed_error());
            script.frame(present(id));
            let id = script.request_id();
            script.frame(present(id));
            script.ask(call("three"));
            let id = script.request_id();
            script.frame(unnamed_error());
            script.frame(error(id, Code::NotAMember));
        },
        &[
            "signal one",
            "who",
            "no answer for 1: no (muted)",
            "signal two",
            "who",
            "present for 2: 0",
            "signal three",
            "who",
            "no answer for 3: no (muted)",
        ],
    );
}

#[test]
fn a_signal_is_not_said_twice() {
    check(
        |script| {
            script.live();
            script.ask(call("one"));
            script.ask(newest());
            script.reconnect(0);
            script.ask(call("two"));
            let id = script.request_id();
            script.frame(error(id, Code::TooManyReads));
        },
        &[
            "signal one",
            "who",
            "history",
            "no answer for 1: the connection was lost before the server answered",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1",
            "connected",
            "history",
            "signal two",
            "who",
            "no answer for 3: no (too_many_reads)",
        ],
    );
}

#[test]
fn a_signal_that_waits_for_another_wakes_nobody() {
    check(
        |script| {
            script.live();
            script.ask(call("one"));
            script.ask(call("two"));
            assert!(script.machine.poll_deadline() > Some(script.now));
        },
        &["signal one", "who"],
    );
}

#[test]
fn each_question_has_its_answer() {
    let of_room = || Request::Room { room: lobby() };
    let listing = |id| {
        let entry =
            RoomEntry { room: lobby(), epoch: None, head: Offset(0), horizon: Offset(1), unread: None };
        ServerFrame::RoomInfo { id, room: Box::new(RoomListing { entry, info: None, member: None }) }
    };
    check(
        |script| {
            script.live();
            script.ask(Request::Rooms { which: Which::Mine, after: None, limit: 9 });
            let id = RequestId(script.request_id());
            script.frame(ServerFrame::RoomList { id, rooms: Vec::new(), next: None });
            script.ask(of_room());
            let id = RequestId(script.request_id());
            script.frame(listing(id));
            script.ask(Request::Members { room: lobby(), after: None, limit: 9 });
            let id = RequestId(script.request_id());
            script.frame(ServerFrame::MemberList { id, room: lobby(), members: Vec::new(), next: None });
            script.ask(Request::Thread {
                room: lobby(),
                root: Offset(3),
                from: Direction::After(Offset(0)),
                limit: 9,
            });
            let id = RequestId(script.request_id());
            let (room, root, replies, changes) = (lobby(), None, Vec::new(), Vec::new());
            let (epoch, head) = (epoch(1), Offset(3));
            let page = ThreadPage { id, room, root, replies, changes, total: 0, next: None, epoch, head };
            script.frame(ServerFrame::ThreadPage(Box::new(page)));
            script.ask(Request::Profiles { users: vec![ada()] });
            let id = RequestId(script.request_id());
            script.frame(ServerFrame::ProfileList { id, profiles: vec![(ada(), Profile::default())] });
            script.ask(Request::Contact);
            let id = RequestId(script.request_id());
            let (direct, blocked, receipts) = (Direct::Nobody, Vec::new(), ReadReceipts::Hidden);
            script.frame(ServerFrame::Contacts { id, direct, blocked, receipts });
            script.ask(Request::ChangeUser { change: UserChange::Direct(Direct::Everyone) });
            script.reconnect(0);
            let id = RequestId(script.request_id());
            script.frame(ServerFrame::Done { id });
        },
        &[
            "rooms",
            "rooms for 1: 0",
            "room",
            "room for 2",
            "members",
            "members for 3: 0",
            "thread",
            "thread for 4 of 0",
            "profiles",
            "profiles for 5: 1",
            "contact",
            "contact for 6: nobody, Hidden",
            "change user",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 1",
            "connected",
            // Changing it twice is changing it once.
            "change user",
            "done for 7",
        ],
    );
}
