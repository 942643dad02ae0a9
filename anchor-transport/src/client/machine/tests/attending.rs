//! What is told of the user, and what is watched of others.

use anchor_core::session::frame::{Presence, Receipt, ResumeRoom, RoomEntry, Sighting, Unread, Watching};

use super::*;

fn telling() -> Script {
    let mut script = Script::with_options(Saved::default(), 7, Options { tells_receipts: true, ..options() });
    script.live();
    script.subscribed();
    script
}

/// The user's own receipt.
fn own(delivered: Option<u64>, read: u64) -> ServerFrame {
    let (delivered, read, ordinal) = (delivered.map(Offset), Offset(read), Some(Ordinal(read)));
    ServerFrame::Receipts { room: lobby(), receipts: vec![Receipt { user: ada(), delivered, read, ordinal }] }
}

fn cursors(script: &Script) -> Vec<&str> {
    script.lines.iter().map(String::as_str).filter(|line| line.starts_with("cursor")).collect()
}

#[test]
fn what_was_taken_is_told_once_a_second_until_it_is_durable() {
    let mut script = telling();
    for offset in 1..=5 {
        script.frame(events(1, offset, offset));
    }
    assert_eq!(cursors(&script), ["cursor lobby delivered 1 read -"]);
    script.tick_after(999);
    assert_eq!(cursors(&script).len(), 1, "too early");
    script.read(3);
    script.tick_after(1);
    assert_eq!(cursors(&script)[1..], ["cursor lobby delivered 5 read 3"]);
    script.lines.clear();
    script.tick_after(5_000);
    assert!(cursors(&script).is_empty(), "told in this session");
    script.frame(own(Some(1), 0));
    script.reconnect(0);
    assert_eq!(cursors(&script), ["cursor lobby delivered 5 read 3"], "not known to be durable");
    script.frame(own(Some(5), 3));
    script.lines.clear();
    script.reconnect(0);
    script.tick_after(5_000);
    assert!(cursors(&script).is_empty(), "durable");
}

#[test]
fn in_a_large_room_what_was_taken_is_told_no_more_and_what_was_read_is() {
    let mut script = telling();
    script.frame(events(1, 1, 1));
    script.frame(own(None, 0));
    script.lines.clear();
    script.tick_after(1_000);
    script.frame(events(1, 2, 9));
    script.tick_after(1_000);
    assert!(cursors(&script).is_empty());
    script.read(9);
    assert_eq!(cursors(&script), ["cursor lobby delivered - read 9"]);
}

#[test]
fn who_tells_nobody_what_was_taken_tells_what_was_read() {
    let mut script = Script::new(Saved::default());
    script.live();
    script.subscribed();
    script.frame(events(1, 1, 4));
    assert!(cursors(&script).is_empty());
    script.read(4);
    script.read(2);
    script.tick_after(2_000);
    assert_eq!(cursors(&script), ["cursor lobby delivered - read 4"], "a cursor never goes back");
}

#[test]
fn what_was_read_elsewhere_is_heard() {
    let mut script = telling();
    script.frame(own(Some(4), 4));
    assert_eq!(script.lines, ["read lobby to 4, ordinal Some(4), unread None"]);
    let ServerFrame::Welcome(mut greeting) = welcome(0) else { unreachable!() };
    let entry = RoomEntry::without_log(lobby());
    let unread = Some(Unread { read: Offset(4), messages: 2 });
    greeting.rooms = vec![RoomEntry { unread, ..entry }];
    script.disconnect();
    script.tick_after(1_000);
    script.machine.handle_connected(script.now);
    script.drain();
    script.lines.clear();
    script.frame(ServerFrame::Welcome(greeting));
    assert_eq!(script.lines, ["connected", "read lobby to 4, ordinal None, unread Some(2)"]);
}

#[test]
fn a_room_is_watched_across_reconnects_until_the_server_ends_it() {
    let mut script = telling();
    script.watch(1);
    let id = RequestId(script.request_id());
    let watching = |id| {
        let (receipts, sightings, typing) = (Some(Vec::new()), Vec::new(), Vec::new());
        let watching = Watching { id, room: lobby(), receipts, sightings, online: 1, away: 0, typing };
        ServerFrame::Watching(Box::new(watching))
    };
    script.frame(watching(id));
    let bob = UserId::new("bob").unwrap();
    let receipt = Receipt { user: bob.clone(), delivered: Some(Offset(3)), read: Offset(2), ordinal: None };
    script.frame(ServerFrame::Receipts { room: lobby(), receipts: vec![receipt] });
    let sightings = vec![Sighting { user: bob.clone(), presence: Presence::Online, seen: None }];
    script.frame(ServerFrame::Presence { room: lobby(), sightings, online: 2, away: 0 });
    script.frame(ServerFrame::Typing { room: lobby(), users: vec![bob] });
    assert_eq!(
        script.lines,
        [
            "watch lobby",
            "watched 1: Some(0) receipts, 1 online, 0 typing",
            "watched 1: Some(1) receipts, 1 online, 0 typing",
            "watched 1: Some(1) receipts, 2 online, 0 typing",
            "watched 1: Some(1) receipts, 2 online, 1 typing",
        ]
    );
    script.watch(2);
    assert!(script.lines[5].starts_with("watched 2: "), "{:?}", script.lines);
    script.reconnect(0);
    assert_eq!(script.lines.last().map(String::as_str), Some("watch lobby"));
    script.lines.clear();
    // Of the session before.
    script.frame(ServerFrame::Typing { room: lobby(), users: Vec::new() });
    script.frame(watching(id));
    assert!(script.lines.is_empty());
    let id = RequestId(script.request_id());
    script.frame(watching(id));
    script.lines.clear();
    // The server does not say why: it may be asked.
    script.frame(ServerFrame::Unwatched { id: None, room: lobby() });
    script.frame(ServerFrame::Typing { room: lobby(), users: Vec::new() });
    assert_eq!(script.lines, ["watch lobby"]);
    let id = Some(RequestId(script.request_id()));
    let (code, message) = (Code::NotAMember, "you do not belong to it".to_owned());
    script.frame(ServerFrame::Error { id, code, message, retry_after_ms: None });
    assert_eq!(script.lines.len(), 2, "{:?}", script.lines);
    assert!(
        script.lines[1].starts_with("watched 1: ") && script.lines[1].contains("belong"),
        "{:?}",
        script.lines
    );
}

#[test]
fn a_room_that_grows_too_large_for_a_list_is_watched_on() {
    let mut script = telling();
    script.watch(1);
    let answer = |script: &mut Script, receipts, online| {
        let (id, sightings, typing) = (RequestId(script.request_id()), Vec::new(), Vec::new());
        let watching = Watching { id, room: lobby(), receipts, sightings, online, away: 0, typing };
        script.frame(ServerFrame::Watching(Box::new(watching)));
    };
    answer(&mut script, Some(Vec::new()), 256);
    script.frame(ServerFrame::Unwatched { id: None, room: lobby() });
    answer(&mut script, None, 257);
    assert_eq!(
        script.lines,
        [
            "watch lobby",
            "watched 1: Some(0) receipts, 256 online, 0 typing",
            "watch lobby",
            "watched 1: None receipts, 257 online, 0 typing",
        ]
    );
}

#[test]
fn who_says_something_types_anew_with_the_next_key() {
    let mut script = telling();
    script.typing(true);
    script.publish_saved("done");
    script.typing(true);
    assert_eq!(
        script.lines.iter().filter(|line| *line == "typing lobby true").count(),
        2,
        "{:?}",
        script.lines
    );
    // What is in the log ends for the server what was told before it.
    script.lines.clear();
    script.frame(ack(1, 1));
    script.typing(true);
    assert_eq!(script.lines.last().map(String::as_str), Some("typing lobby true"));
    script.publish_saved("done again");
    script.lines.clear();
    script.typing(false);
    assert!(script.lines.is_empty(), "the message has said it");
}

#[test]
fn typing_is_told_every_three_seconds_and_ended_once() {
    let mut script = telling();
    for _ in 0..7 {
        script.typing(true);
        script.tick_after(1_000);
    }
    assert_eq!(script.lines, ["typing lobby true"; 3]);
    script.typing(false);
    script.typing(false);
    assert_eq!(script.lines[3..], ["typing lobby false"]);
    script.typing(true);
    script.tick_after(6_000);
    script.lines.clear();
    script.typing(false);
    assert!(script.lines.is_empty(), "it was over by itself");
}

#[test]
fn who_is_away_is_so_in_the_next_session_too() {
    let mut script = telling();
    script.machine.handle_presence(script.now, Presence::Away);
    script.machine.handle_presence(script.now, Presence::Away);
    script.drain();
    assert_eq!(script.lines, ["presence away"]);
    script.reconnect(0);
    assert_eq!(script.lines.last().map(String::as_str), Some("presence away"));
    script.machine.handle_presence(script.now, Presence::Online);
    script.drain();
    script.lines.clear();
    script.reconnect(0);
    assert!(!script.lines.iter().any(|line| line.starts_with("presence")), "{:?}", script.lines);
}

#[test]
fn who_wants_the_last_messages_alone_says_so_when_resuming() {
    let options = Options { catch_up_last: Some(50), ..options() };
    let mut script = Script::with_options(Saved::default(), 7, options);
    script.live();
    script.subscribed();
    script.frame(events(1, 1, 3));
    assert_eq!(
        script.machine.subscriptions.resume(),
        [ResumeRoom { room: lobby(), position: at(1, 3), last: Some(50) }]
    );
    script.frame(gap(GapReason::Skipped, 4, 90, Some(at(1, 90))));
    script.frame(events(1, 91, 91));
    assert_eq!(script.lines.last().map(String::as_str), Some("deliver 1 events 91"));
}
