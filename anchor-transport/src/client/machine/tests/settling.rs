//! Copies of a state, and servers that were restored: every path that an entry can take.

use anchor_core::code::Code;
use anchor_core::position::Position;
use anchor_core::resume::{Gap, GapReason};

use super::publishing::left_over;
use super::*;

/// A live client that was told to be a copy, with entries 1 and 2 on their way to be settled.
fn copied(script: &mut Script) {
    script.live();
    script.publish_saved("a");
    script.publish_saved("b");
    script.frame(goodbye(Code::Replaced, None));
    script.save();
    script.lines.clear();
    again(script, 0);
}

fn again(script: &mut Script, seq: u64) {
    script.tick_after(1_000);
    script.machine.handle_connected(script.now);
    script.drain();
    script.frame(welcome(seq));
}

#[test]
pub(super) fn replaced_takes_a_new_id_and_settles_under_the_old_one_first() {
    check(
        |script| {
            script.live();
            script.publish_saved("a");
            script.lines.clear();
            script.frame(goodbye(Code::Replaced, None));
            script.publish_saved("new");
            again(script, 0);
            script.frame(ack(1, 4));
            script.save();
        },
        &[
            "notice cloned, 1 unsettled",
            "hang up",
            "waiting not at all",
            "save id1",
            "save put 1.1",
            "queued 2 as 1",
            "connecting 1",
            "dial",
            "hello id1 waits 1",
            "connected",
            "publish 1 of id0 a, waits 1",
            "acked 1 at 4",
            "publish 1 new, waits 1",
            "save acked 0.1",
        ],
    );
}

#[test]
fn a_server_that_takes_every_id_for_a_copy_is_not_asked_without_a_pause() {
    check(
        |script| {
            for _ in 0..2 {
                script.greet();
                script.frame(goodbye(Code::Replaced, None));
            }
            script.tick_after(1_000);
            script.machine.handle_connected(script.now);
            script.frame(welcome(0));
            // One that lasts is a new beginning.
            script.tick_after(20_000);
            script.frame(goodbye(Code::Replaced, None));
            script.lines.retain(|line| line.starts_with("waiting"));
        },
        &["waiting not at all", "waiting", "waiting not at all"],
    );
}

#[test]
fn a_welcome_above_every_seq_that_was_stored_is_a_clone() {
    let mut script = Script::new(left_over(&["a", "b"]));
    script.greet();
    script.lines.clear();
    script.frame(welcome(3));
    again(&mut script, 0);
    assert_eq!(
        script.lines,
        [
            "notice cloned, 2 unsettled",
            "hang up",
            "waiting not at all",
            "save id1",
            "connecting 1",
            "dial",
            "hello id1 waits 1",
            "connected",
            "publish 1 of id0 a, waits 1",
            "publish 2 of id0 b, waits 1",
        ]
    );
}

#[test]
fn a_welcome_at_the_highest_seq_is_our_own() {
    let mut script = Script::new(left_over(&["a", "b"]));
    script.greet();
    script.lines.clear();
    script.frame(welcome(2));
    assert_eq!(script.lines, ["connected", "publish 1 a, waits 1", "publish 2 b, waits 1"]);
}

#[test]
fn a_conflict_under_the_own_id_takes_a_new_one_and_sends_that_entry_there() {
    check(
        |script| {
            script.live();
            script.publish_saved("a");
            script.publish_saved("b");
            script.lines.clear();
            script.frame(refused(1, Code::SeqConflict));
            script.save();
            again(script, 0);
            script.frame(ack(2, 1));
            script.save();
        },
        &[
            "notice cloned, 2 unsettled",
            "hang up",
            "waiting not at all",
            "save id1, remove 0.1, put 0'.1",
            "connecting 1",
            "dial",
            "hello id1 waits 1",
            "connected",
            "publish 2 of id0 b, waits 2",
            "acked 2 at 1",
            "publish 1 of id2 a, waits 1",
            "save acked 0.2",
        ],
    );
}

#[test]
fn never_appended_goes_out_under_the_derived_id_in_the_old_order_and_what_is_new_behind_it() {
    for (first, second) in [(Code::SeqConflict, Code::SeqSkipped), (Code::SeqSkipped, Code::SeqConflict)] {
        check(
            |script| {
                copied(script);
                script.publish_saved("new");
                script.lines.clear();
                script.frame(refused(1, first));
                script.frame(refused(2, second));
                script.save();
                script.frame(ack(1, 1));
                script.frame(ack(2, 2));
                script.frame(ack(1, 3));
            },
            &[
                "save remove 0.1, put 0'.1",
                "save remove 0.2, put 0'.2",
                "publish 1 of id2 a, waits 1",
                "publish 2 of id2 b, waits 1",
                "acked 1 at 1",
                "save acked 0'.1",
                "acked 2 at 2",
                "publish 1 new, waits 1",
                "save acked 0'.2",
                "acked 3 at 3",
                "save acked 1.1",
            ],
        );
    }
}

#[test]
fn two_copies_of_an_entry_come_to_the_same_keys() {
    let settled = |seed| {
        let mut script = Script::of_seed(left_over(&["a"]), seed);
        script.greet();
        script.frame(welcome(9));
        again(&mut script, 0);
        for _ in 0..3 {
            script.frame(refused(1, Code::SeqConflict));
            script.save();
        }
        let hello = script.machine.sending.client_id();
        (script.sent, hello)
    };
    let ((one, own), (two, other)) = (settled(1), settled(2));
    assert_eq!(one.len(), 4);
    assert_eq!(one, two, "under the old id and under each one that is derived from it");
    assert_ne!(own, other, "what is new goes under ids of their own");
}

#[test]
fn a_refusal_under_the_old_id_is_final() {
    check(
        |script| {
            copied(script);
            script.lines.clear();
            script.frame(refused(1, Code::Denied));
        },
        &["failed 1: refused denied", "save remove 0.1"],
    );
}

#[test]
fn forgotten_under_the_own_id_is_a_clone_and_settles_under_it_again() {
    check(
        |script| {
            script.live();
            script.publish_saved("a");
            script.lines.clear();
            script.frame(refused(1, Code::SeqForgotten));
            script.save();
            again(script, 0);
            script.lines.drain(..script.lines.len() - 1);
        },
        &["publish 1 of id0 a, waits 1"],
    );
}

/// Both entries are forgotten; gives the number of the search's first request.
fn forgotten(script: &mut Script) -> u64 {
    copied(script);
    script.lines.clear();
    script.frame(refused(1, Code::SeqForgotten));
    assert_eq!(script.lines, ["history after -:0"]);
    let first = script.request_id();
    script.frame(refused(2, Code::SeqForgotten));
    script.lines.clear();
    first
}

#[test]
fn forgotten_and_found_in_the_log_is_its_ack() {
    check(
        |script| {
            let id = forgotten(script);
            let events = vec![event(1, "other"), script.event_of(0, 2), event(3, "other")];
            script.frame(ServerFrame::Page(Box::new(page(id, events, 3, None))));
            // The second was forgotten after the first search began: a head told before its answer proves nothing.
            let id = script.request_id();
            let events = vec![event(1, "other"), script.event_of(0, 2), script.event_of(1, 3)];
            script.frame(ServerFrame::Page(Box::new(page(id, events, 3, None))));
        },
        &[
            "acked 1 at 2 again",
            "history after -:0",
            "save acked 0.1",
            "acked 2 at 3 again",
            "save acked 0.2",
        ],
    );
}

#[test]
fn the_search_pages_to_the_head_that_was_told_first_and_then_it_was_never_appended() {
    check(
        |script| {
            let id = forgotten(script);
            let events = vec![event(1, "x"), event(2, "x")];
            script.frame(ServerFrame::Page(Box::new(page(id, events, 3, Some(at(1, 2))))));
            let id = script.request_id();
            // The log has grown; what came after is no concern.
            script.frame(ServerFrame::Page(Box::new(page(id, vec![event(3, "x")], 9, Some(at(1, 3))))));
            script.save();
            let id = script.request_id();
            script.frame(ServerFrame::Page(Box::new(page(id, vec![event(1, "x")], 1, None))));
            script.save();
        },
        &[
            "history after e1:2",
            "history after -:0",
            "save remove 0.1, put 0'.1",
            "publish 1 of id2 a, waits 1",
            "save remove 0.2, put 0'.2",
            "publish 2 of id2 b, waits 1",
        ],
    );
}

#[test]
fn another_nonce_or_another_client_is_not_found() {
    check(
        |script| {
            let id = forgotten(script);
            let mut other_nonce = script.event_of(0, 1);
            other_nonce.nonce = Nonce(other_nonce.nonce.0 ^ 1);
            let mut other_client = script.event_of(0, 2);
            other_client.client = ClientTag::from_bytes([1; 8]);
            script.frame(ServerFrame::Page(Box::new(page(id, vec![other_nonce, other_client], 2, None))));
        },
        &["history after -:0", "save remove 0.1, put 0'.1"],
    );
}

fn trimmed(id: u64, events: Vec<Event>, head: u64) -> ServerFrame {
    let gap = Gap {
        from: Offset(1),
        to: Offset(5),
        reason: GapReason::Trimmed,
        position: Some(at(1, 5)),
        ordinal: Ordinal(5),
    };
    ServerFrame::Page(Box::new(Page { gap: Some(gap), ..page(id, events, head, None) }))
}

#[test]
fn not_found_behind_a_gap_leaves_it_to_a_person() {
    check(
        |script| {
            let id = forgotten(script);
            script.frame(trimmed(id, vec![event(6, "x")], 6));
            script.save();
            script.resend(1);
            script.save();
        },
        &[
            "failed 1: unconfirmed",
            "notice unconfirmed 1 as 1",
            "history after -:0",
            "save undecided 1, remove 0.1",
            "save decided 1, put 1.1",
            "queued 3 as 1",
        ],
    );
}

/// A server tells a gap in a page of its own, without events. Every such page was once taken for a broken server, so an entry
/// whose search met a gap was searched for in every connection anew, for ever.
#[test]
fn a_gap_that_comes_alone_is_followed() {
    check(
        |script| {
            let id = forgotten(script);
            let ServerFrame::Page(gap) = trimmed(id, Vec::new(), 6) else { panic!("it is a page") };
            script.frame(ServerFrame::Page(Box::new(Page { next: Some(at(1, 5)), ..*gap })));
        },
        &["history after e1:5"],
    );
}

#[test]
fn found_behind_a_gap_is_found() {
    check(
        |script| {
            let id = forgotten(script);
            let events = vec![event(6, "x"), script.event_of(0, 7)];
            script.frame(trimmed(id, events, 7));
        },
        &["acked 1 at 7 again", "history after -:0", "save acked 0.1"],
    );
}

#[test]
fn a_gap_behind_which_more_was_known_proves_something_for_the_later_entry() {
    check(
        |script| {
            script.live();
            script.subscribed();
            script.publish_saved("a");
            script.frame(events(1, 1, 5));
            script.publish_saved("b");
            script.frame(goodbye(Code::Replaced, None));
            script.save();
            again(script, 0);
            script.lines.clear();
            script.frame(refused(1, Code::SeqForgotten));
            let first = script.request_id();
            script.frame(refused(2, Code::SeqForgotten));
            script.frame(trimmed(first, Vec::new(), 5));
            let second = script.request_id();
            script.frame(ServerFrame::Page(Box::new(page(second, Vec::new(), 5, None))));
        },
        &[
            "history after -:0",
            "failed 1: unconfirmed",
            "notice unconfirmed 1 as 1",
            "history after e1:5",
            "save undecided 1, remove 0.1",
            "save remove 0.2, put 0'.2",
        ],
    );
}

#[test]
fn a_room_that_may_not_be_read_leaves_it_to_a_person() {
    check(
        |script| {
            let id = forgotten(script);
            script.frame(error(id, Code::Denied));
            script.discard(1);
            script.save();
        },
        &[
            "failed 1: unconfirmed",
            "notice unconfirmed 1 as 1",
            "history after -:0",
            "save undecided 1, remove 0.1",
            "save decided 1",
            "saved 3: true",
        ],
    );
}

#[test]
fn a_search_that_is_cut_off_begins_with_a_new_answer() {
    check(
        |script| {
            let id = forgotten(script);
            script.reconnect(0);
            script.lines.retain(|line| line.starts_with("publish") || line.starts_with("history"));
            // An answer of the session before is nobody's.
            script.frame(ServerFrame::Page(Box::new(page(id, Vec::new(), 0, None))));
            script.frame(ack(1, 1));
        },
        &["publish 1 of id0 a, waits 1", "publish 2 of id0 b, waits 1", "acked 1 at 1", "save acked 0.1"],
    );
}

#[test]
fn a_page_with_a_hole_is_a_fault() {
    check(
        |script| {
            let id = forgotten(script);
            script.frame(ServerFrame::Page(Box::new(page(id, vec![event(2, "x")], 2, None))));
        },
        &["hang up", "waiting"],
    );
}

#[test]
fn copied_again_while_settling_settles_every_id_in_its_turn() {
    check(
        |script| {
            copied(script);
            script.publish_saved("new");
            script.frame(goodbye(Code::Replaced, None));
            script.save();
            script.publish_saved("newer");
            script.lines.clear();
            again(script, 0);
            script.frame(refused(1, Code::SeqSkipped));
            script.frame(ack(2, 1));
            script.save();
            script.frame(refused(1, Code::SeqConflict));
            script.save();
            script.frame(ack(1, 2));
            script.save();
            script.frame(ack(1, 3));
            script.save();
        },
        &[
            "connecting 1",
            "dial",
            "hello id2 waits 1",
            "connected",
            "publish 1 of id0 a, waits 1",
            "publish 2 of id0 b, waits 1",
            "save remove 0.1, put 0'.1",
            "acked 2 at 1",
            "save acked 0.2",
            "publish 1 of id3 a, waits 1",
            "save remove 0'.1, put 0''.1",
            "publish 1 of id4 a, waits 1",
            "acked 1 at 2",
            "publish 1 of id1 new, waits 1",
            "save acked 0''.1",
            "acked 3 at 3",
            "publish 1 newer, waits 1",
            "save acked 1.1",
        ],
    );
}

#[test]
fn acks_that_the_server_lost_are_offered_and_told_once() {
    check(
        |script| {
            script.live();
            for seq in 1..=5 {
                script.publish_saved("x");
                script.frame(ack(seq, seq));
                script.save();
            }
            script.publish_saved("queued");
            script.lines.clear();
            script.reconnect(1);
            script.save();
            script.reconnect(1);
            script.resend(1);
            script.save();
        },
        &[
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 6",
            "notice lost 3 4 5 and 1 older",
            "connected",
            "save id0, unkeep 0.3, undecided 1, unkeep 0.4, undecided 2, unkeep 0.5, undecided 3",
            "publish 6 queued, waits 6",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 6",
            "connected",
            "publish 6 queued, waits 6",
            "save decided 1, put 0.7",
            "queued 7 as 7",
            "publish 7 x, waits 6",
        ],
    );
}

/// What was queued went out at once, and a crash right then left a server whose highest seq was above every ack that this
/// client knew: the loss had been told to a process that was gone, and nothing showed it any more.
#[test]
fn nothing_is_sent_before_a_loss_is_on_disk() {
    check(
        |script| {
            script.live();
            script.publish_saved("x");
            script.frame(ack(1, 1));
            script.save();
            script.publish_saved("queued");
            script.lines.clear();
            script.reconnect(0);
            script.publish("new");
            script.disconnect();
            script.reconnect(0);
            script.save_up_to(script.write - 1);
            script.save();
        },
        &[
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 2",
            "notice lost 1 and 0 older",
            "connected",
            "save id0, unkeep 0.1, undecided 1",
            "save put 0.3",
            "waiting",
            "connecting 1",
            "dial",
            "hello id0 waits 2",
            "connected",
            "publish 2 queued, waits 2",
            "queued 3 as 3",
            "publish 3 new, waits 2",
        ],
    );
}

#[test]
fn what_is_undecided_is_told_at_every_start() {
    let mut saved = left_over(&[]);
    let undecided = |id, reason| super::super::Undecided {
        id: UndecidedId(id),
        room: lobby(),
        draft: Draft::message("x"),
        seq: Seq::new(id + 10).unwrap(),
        reason,
    };
    use crate::client::notice::UndecidedReason::{Lost, Unconfirmed};
    saved.undecided.insert(UndecidedId(1), undecided(1, Unconfirmed));
    saved.undecided.insert(UndecidedId(2), undecided(2, Lost { position: Position::START }));
    let script = Script::new(saved);
    assert_eq!(script.lines, ["notice unconfirmed 11 as 1", "notice lost 12 and 0 older"]);
}
