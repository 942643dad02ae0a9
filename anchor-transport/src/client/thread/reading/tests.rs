//! What is told of a thread when pages and stream cross, and when the log is another one in between.

use anchor_core::event::Body;
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq, UserId};
use anchor_core::position::Ordinal;
use anchor_core::session::frame::RequestId;

use super::*;

const ROOT: Offset = Offset(2);

fn epoch(number: u8) -> Epoch {
    Epoch::from_bytes([number; 8])
}

/// An event of the log that began with `log`.
fn event(log: u8, offset: u64, kind: EventKind, target: Option<u64>) -> Event {
    Event {
        offset: Offset(offset),
        ordinal: Ordinal(offset),
        chain: Chain::from_bytes([log, 0, 0, 0, 0, 0, 0, offset.to_be_bytes()[7]]),
        ts: 1_000,
        user: UserId::new("ada").unwrap(),
        client: ClientTag::from_bytes([9; 8]),
        seq: Seq::FIRST,
        nonce: Nonce(1),
        kind,
        target: target.map(Offset),
        body: Some(Body::text("said")),
    }
}

fn reply(log: u8, offset: u64) -> Event {
    event(log, offset, EventKind::MESSAGE, Some(ROOT.0))
}

fn edit(log: u8, offset: u64, target: u64) -> Event {
    event(log, offset, EventKind::EDIT, Some(target))
}

fn else_(log: u8, offset: u64) -> Event {
    event(log, offset, EventKind::MESSAGE, None)
}

fn at(number: u8, offset: u64) -> Position {
    Position { epoch: Some(epoch(number)), offset: Offset(offset), chain: Chain::from_bytes([number; 8]) }
}

/// A thread that is followed from a stream at offset 5 on, and what was told of it, one word for each.
struct Script {
    reading: Reading,
    told: Vec<String>,
    step: Step,
}

impl Script {
    fn new() -> Self {
        let mut script = Self { reading: Reading::new(ROOT), told: Vec::new(), step: Step::Listen };
        let position = at(1, 5);
        let started = Delivery::Started { position, gap_follows: false, head: Offset(5), horizon: Offset(1) };
        script.delivery(started);
        assert_eq!(script.step, Step::Ask { after: Offset::ZERO });
        script
    }

    fn page(&mut self, (log, head): (u8, u64), replies: &[u64], next: Option<u64>) {
        let mut out = VecDeque::new();
        let page = ThreadPage {
            id: RequestId(1),
            room: RoomId::lobby(),
            root: Some(event(1, ROOT.0, EventKind::MESSAGE, None)),
            replies: replies.iter().map(|offset| reply(log, *offset)).collect(),
            changes: Vec::new(),
            total: 9,
            next: next.map(Offset),
            epoch: epoch(log),
            head: Offset(head),
        };
        self.step = self.reading.page(page, &mut out);
        self.tell(out);
    }

    fn events(&mut self, log: u8, events: Vec<Event>) {
        let first = events[0].offset;
        self.delivery(Delivery::Events(Events { room: RoomId::lobby(), epoch: epoch(log), first, events }));
    }

    fn gap(&mut self, reason: GapReason, from: u64, to: u64, position: Option<Position>) {
        let (from, to, ordinal) = (Offset(from), Offset(to), Ordinal(0));
        self.delivery(Delivery::Gap(Gap { from, to, reason, position, ordinal }));
    }

    fn delivery(&mut self, delivery: Delivery) {
        let mut out = VecDeque::new();
        self.step = self.reading.delivery(delivery, &mut out);
        self.tell(out);
    }

    fn tell(&mut self, out: VecDeque<ThreadDelivery>) {
        self.told.extend(out.into_iter().map(|delivery| match delivery {
            ThreadDelivery::Post(post) => format!("post {}", post.event().offset),
            ThreadDelivery::Current => "current".to_owned(),
            ThreadDelivery::Event { event, .. } => format!("event {}", event.offset),
            ThreadDelivery::Gap(Gap { position: Some(position), reason, .. }) => {
                format!("{} {}", reason.name(), position.offset)
            }
            ThreadDelivery::Gap(gap) => gap.reason.name().to_owned(),
            ThreadDelivery::Ended { code, .. } => code.name().to_owned(),
        }));
    }

    /// What was told since the last time.
    #[track_caller]
    fn tells(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.told), expected);
    }
}

#[test]
fn what_comes_between_the_subscription_and_the_page_is_told_once() {
    let mut script = Script::new();
    // The reply at 6 and the edits at 7 and 8 came before the page was read, and come with the stream, too.
    script.page((1, 8), &[4, 6], None);
    script.tells(&["post 2", "post 4", "post 6", "current"]);
    script.events(1, vec![reply(1, 6), edit(1, 7, 2), edit(1, 8, 6), reply(1, 9), edit(1, 10, 9)]);
    script.tells(&["event 9", "event 10"]);
    script.events(1, vec![else_(1, 11), edit(1, 12, 11), edit(1, 13, 4), edit(1, 14, 2)]);
    script.tells(&["event 13", "event 14"]);
}

#[test]
fn what_comes_between_two_pages_is_told_once() {
    let mut script = Script::new();
    script.page((1, 5), &[3, 4], Some(4));
    assert_eq!(script.step, Step::Ask { after: Offset(4) });
    // Now 6 replies, 7 changes what the first page brought, and 8 what the second one will.
    script.page((1, 8), &[5, 6], None);
    script.tells(&["post 2", "post 3", "post 4", "post 5", "post 6", "current"]);
    script.events(1, vec![reply(1, 6), edit(1, 7, 3), edit(1, 8, 6), reply(1, 9)]);
    script.tells(&["event 7", "event 9"]);
}

#[test]
fn a_log_that_was_restored_between_two_pages_is_read_anew() {
    let mut script = Script::new();
    script.page((1, 9), &[4, 8], Some(8));
    script.page((2, 12), &[10], None);
    script.tells(&["post 2", "post 4", "post 8", "history 0"]);
    assert_eq!(script.step, Step::Ask { after: Offset::ZERO });
    script.page((2, 12), &[4, 7, 10], None);
    script.tells(&["post 2", "post 4", "post 7", "post 10", "current"]);
    script.events(2, vec![else_(2, 6), reply(2, 7), else_(2, 8), else_(2, 9), reply(2, 10)]);
    script.events(2, vec![else_(2, 11), else_(2, 12), reply(2, 13)]);
    script.tells(&["event 13"]);
}

/// The stream was behind the fork, so that no gap says what the pages had too much.
#[test]
fn a_log_that_was_restored_behind_the_stream_is_read_anew() {
    let mut script = Script::new();
    script.page((1, 9), &[4, 8], None);
    script.tells(&["post 2", "post 4", "post 8", "current"]);
    script.events(1, vec![else_(1, 6)]);
    script.events(2, vec![reply(2, 7)]);
    script.tells(&["history 0"]);
    script.page((2, 7), &[4, 7], None);
    script.tells(&["post 2", "post 4", "post 7", "current"]);
    script.events(2, vec![reply(2, 8)]);
    script.tells(&["event 8"]);
}

#[test]
fn a_page_that_is_ahead_of_a_gap_is_read_anew_once() {
    let mut script = Script::new();
    // Restored to 3 and written on, before the page was read; the stream does not know it yet.
    script.page((2, 6), &[4, 6], None);
    script.events(1, vec![reply(1, 6)]);
    script.tells(&["post 2", "post 4", "post 6", "current"]);
    script.gap(GapReason::Restored, 4, 6, Some(at(1, 3)));
    script.tells(&["history 0"]);
    script.page((2, 6), &[4, 6], None);
    script.events(2, vec![reply(2, 4), else_(2, 5), reply(2, 6), reply(2, 7)]);
    script.tells(&["post 2", "post 4", "post 6", "current", "event 7"]);
}

#[test]
fn the_same_head_in_another_log_is_another_head() {
    let mut script = Script::new();
    script.page((2, 5), &[4, 5], None);
    script.tells(&["post 2", "post 4", "post 5", "current"]);
    script.gap(GapReason::Restored, 4, 5, Some(at(1, 3)));
    script.tells(&["history 0"]);
}

#[test]
fn what_stood_behind_a_gap_is_forgotten() {
    let mut script = Script::new();
    script.page((1, 5), &[4, 5], None);
    script.events(1, vec![reply(1, 6)]);
    script.tells(&["post 2", "post 4", "post 5", "current", "event 6"]);
    script.gap(GapReason::Restored, 5, 6, Some(at(1, 4)));
    // What stands at 5 now is nobody's reply.
    script.events(2, vec![else_(2, 5), edit(2, 6, 5), edit(2, 7, 4), reply(2, 8), edit(2, 9, 2)]);
    script.tells(&["restored 4", "event 7", "event 8", "event 9"]);
}

#[test]
fn a_thread_ends_where_its_root_is_gone() {
    let mut script = Script::new();
    script.page((1, 5), &[4], None);
    script.gap(GapReason::Restored, 2, 5, Some(at(1, 1)));
    script.tells(&["post 2", "post 4", "current", "restored 1", "target_unknown"]);
    assert_eq!(script.step, Step::Over);
}

#[test]
fn what_retention_took_is_told_unless_the_pages_have_it() {
    let mut script = Script::new();
    script.page((1, 9), &[4], None);
    script.gap(GapReason::Trimmed, 6, 8, Some(at(1, 8)));
    script.tells(&["post 2", "post 4", "current"]);
    script.events(1, vec![else_(1, 9), else_(1, 10)]);
    script.gap(GapReason::Trimmed, 11, 20, Some(at(1, 20)));
    script.events(1, vec![edit(1, 21, 4), reply(1, 22)]);
    script.tells(&["trimmed 20", "event 21", "event 22"]);
}

#[test]
fn a_room_that_is_deleted_ends_its_threads() {
    let mut script = Script::new();
    script.page((1, 5), &[], None);
    script.gap(GapReason::Deleted, 1, 5, None);
    script.delivery(Delivery::Ended { code: Code::RoomUnknown, message: String::new() });
    script.tells(&["post 2", "current", "deleted", "room_unknown"]);
    assert_eq!(script.step, Step::Over);
}

#[test]
fn of_many_replies_the_newest_are_known() {
    let mut reading = Reading::new(ROOT);
    reading.know(ROOT, ROOT);
    (3..200_000).for_each(|offset| reading.know(Offset(offset), Offset(offset)));
    assert_eq!(reading.known.len(), KNOWN_MAX);
    let first_two: Vec<_> = reading.known.keys().take(2).copied().collect();
    assert_eq!(first_two, [ROOT, Offset(100_000)]);
}
