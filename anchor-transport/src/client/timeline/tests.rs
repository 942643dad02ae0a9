//! Beginning anywhere and following is reading everything.

use std::collections::BTreeSet;

use anchor_core::event::Body;
use anchor_core::id::{ClientTag, Nonce, RoomId, Seq};
use anchor_core::position::{Chain, Epoch, Ordinal};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::room::{Edit, Thread, fold};
use anchor_core::session::frame::{Events, RequestId};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A log as it was written. What redactions leave of it depends on when it is read.
#[derive(Clone, Debug, Default)]
struct Log {
    events: Vec<Event>,
    /// Who has set which sign on which message.
    set: BTreeSet<(Offset, &'static str, &'static str)>,
}

/// What somebody does; what it is about is drawn from what there is.
#[derive(Clone, Debug)]
enum Step {
    Say,
    Join,
    Reply(Index),
    Edit(Index),
    Redact(Index),
    Sign(Index, &'static str),
    TakeBack(Index, &'static str),
    Pin(Index),
    Unpin(Index),
}

const USERS: [&str; 3] = ["ada", "bob", "cyd"];
const READER: &str = "ada";

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

impl Log {
    fn append(&mut self, name: &str, kind: EventKind, target: Option<Offset>, text: &str) -> Offset {
        let offset = self.head().next();
        self.events.push(Event {
            offset,
            ordinal: Ordinal(offset.0),
            chain: Chain::from_bytes(offset.0.to_be_bytes()),
            ts: 1_000 + offset.0,
            user: user(name),
            client: ClientTag::from_bytes([9; 8]),
            seq: Seq::FIRST,
            nonce: Nonce(1),
            kind,
            target,
            body: Some(Body::text(text)),
        });
        offset
    }

    /// Appends what the rules let `name` do.
    fn step(&mut self, name: &'static str, step: &Step) {
        let text = format!("{} says", self.head().next());
        let messages: Vec<_> =
            self.events.iter().filter(|event| event.kind == EventKind::MESSAGE).cloned().collect();
        let pick = |index: &Index| (!messages.is_empty()).then(|| index.get(&messages).clone());
        match step {
            Step::Say => drop(self.append(name, EventKind::MESSAGE, None, &text)),
            Step::Join => drop(self.append(name, EventKind::MEMBERSHIP, None, r#"{"action":"join"}"#)),
            Step::Reply(index) => {
                if let Some(message) = pick(index) {
                    let root = message.target.unwrap_or(message.offset);
                    self.append(name, EventKind::MESSAGE, Some(root), &text);
                }
            }
            Step::Edit(index) => {
                if let Some(message) = pick(index).filter(|message| !self.is_redacted(message.offset)) {
                    let author = message.user.to_string();
                    self.append(&author, EventKind::EDIT, Some(message.offset), &text);
                }
            }
            Step::Redact(index) => {
                if let Some(message) = pick(index).filter(|message| !self.is_redacted(message.offset)) {
                    self.append(name, EventKind::REDACTION, Some(message.offset), "");
                }
            }
            Step::Sign(index, sign) => {
                if let Some(message) = pick(index)
                    && self.set.insert((message.offset, sign, name))
                {
                    self.append(name, EventKind::REACTION, Some(message.offset), sign);
                }
            }
            Step::TakeBack(index, sign) => {
                if let Some(message) = pick(index)
                    && self.set.remove(&(message.offset, sign, name))
                {
                    self.append(name, EventKind::REACTION_REMOVED, Some(message.offset), sign);
                }
            }
            Step::Pin(index) => {
                if let Some(message) = pick(index) {
                    self.append(name, EventKind::PIN, Some(message.offset), "");
                }
            }
            Step::Unpin(index) => {
                if let Some(message) = pick(index) {
                    self.append(name, EventKind::UNPIN, Some(message.offset), "");
                }
            }
        }
    }

    fn head(&self) -> Offset {
        Offset(self.events.len() as u64)
    }

    fn is_redacted(&self, offset: Offset) -> bool {
        let redacts = |event: &Event| event.kind == EventKind::REDACTION && event.target == Some(offset);
        self.events.iter().any(redacts)
    }

    /// The events from `first` to `last` as they stood when the log reached up to `head`.
    fn read(&self, first: u64, last: u64, head: Offset) -> Vec<Event> {
        let then = Self { events: self.events[..place(head.0)].to_vec(), ..Self::default() };
        let mut events = self.events[place(first - 1)..place(last)].to_vec();
        for event in &mut events {
            let is_edit = event.kind == EventKind::EDIT;
            let of_message = if is_edit { event.target.unwrap() } else { event.offset };
            if then.is_redacted(of_message) {
                event.body = None;
            }
        }
        events
    }

    /// A page, of which threads were counted when the log reached up to `counted`.
    fn page(&self, first: u64, last: u64, head: Offset, counted: Offset) -> Page {
        let then = self.read(1, head.0, head);
        let is_of_page =
            |event: &&Event| event.target.is_some_and(|target| (first..=last).contains(&target.0));
        let mut amendments: Vec<_> = then.iter().filter(is_of_page).filter_map(Amendment::of).collect();
        amendments.sort_by_key(|amendment| (amendment.target, amendment.offset));
        let mut threads: BTreeMap<Offset, Thread> = BTreeMap::new();
        let of_counted = self.events[..place(counted.0)].iter().filter(is_of_page);
        for reply in of_counted.filter(|event| event.kind == EventKind::MESSAGE) {
            let root = reply.target.unwrap();
            let thread = threads.entry(root).or_insert(Thread { root, replies: 0, last: Offset::ZERO });
            (thread.replies, thread.last) = (thread.replies + 1, reply.offset);
        }
        let threads: Vec<_> = threads.into_values().collect();
        let mut changes: Vec<_> = fold(&amendments, &threads, Some(&user(READER))).into_values().collect();
        for edit in changes.iter_mut().filter_map(|changes| changes.edit.as_mut()) {
            let event = &then[place(edit.offset.0 - 1)];
            *edit = Edit { offset: edit.offset, ts: event.ts, body: event.body.clone() };
        }
        let events = if first > last { Vec::new() } else { self.read(first, last, head) };
        Page {
            id: RequestId(1),
            room: RoomId::lobby(),
            epoch: (!events.is_empty()).then(epoch),
            first: events.first().map_or(Offset::ZERO, |event| event.offset),
            events,
            head,
            horizon: Offset(1),
            gap: None,
            next: None,
            changes,
        }
    }

    /// The events behind `after`, up to `last`, as they come to somebody who reads slowly.
    fn live(&self, after: u64, last: u64, head: Offset) -> Delivery {
        let (room, epoch, first) = (RoomId::lobby(), epoch(), Offset(after + 1));
        Delivery::Events(Events { room, epoch, first, events: self.read(after + 1, last, head) })
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

fn epoch() -> Epoch {
    Epoch::from_bytes([4; 8])
}

fn shown(timeline: &Timeline, from: u64) -> Vec<(Event, Changes)> {
    let posts = timeline.posts().filter(|post| post.event().offset.0 >= from);
    posts.map(|post| (post.event().clone(), post.changes().clone())).collect()
}

/// What reading the whole log shows.
fn whole(log: &Log) -> Timeline {
    let mut timeline = Timeline::new(Some(user(READER)));
    if log.head() > Offset::ZERO {
        assert_eq!(timeline.apply(&log.live(0, log.head().0, log.head())), Applied::WentOn);
    }
    timeline
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let index = any::<Index>;
    let sign = || prop_oneof![Just("👍"), Just("🎉")];
    let step = prop_oneof![
        4 => Just(Step::Say),
        1 => Just(Step::Join),
        2 => index().prop_map(Step::Reply),
        2 => index().prop_map(Step::Edit),
        1 => index().prop_map(Step::Redact),
        4 => (index(), sign()).prop_map(|(at, sign)| Step::Sign(at, sign)),
        3 => (index(), sign()).prop_map(|(at, sign)| Step::TakeBack(at, sign)),
        1 => index().prop_map(Step::Pin),
        1 => index().prop_map(Step::Unpin),
    ];
    prop::collection::vec((0..USERS.len(), step), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// The newest page, what comes live behind it in portions, and an older page that comes in between: each read when the
    /// log had some length or other.
    #[test]
    fn a_page_and_what_comes_live_show_what_the_whole_log_shows(
        steps in steps(),
        cuts in prop::array::uniform6(any::<Index>()),
    ) {
        let mut log = Log::default();
        for (name, step) in &steps {
            log.step(USERS[*name], step);
        }
        let end = log.head().0;
        prop_assume!(end > 0);
        let between = |cut: usize, low: u64, high: u64| {
            low + cuts[cut].index(place(high - low + 1)) as u64
        };
        let head = between(0, 1, end);
        let first = between(1, 1, head);
        let reached = between(2, head, end);
        let counted = Offset(between(3, head, end));
        let read_at = Offset(between(4, reached, end));
        let older_head = between(5, head, end);

        let mut timeline = Timeline::new(Some(user(READER)));
        prop_assert_eq!(timeline.add(log.page(first, head, Offset(head), counted)), Ok(()));
        prop_assert_eq!(timeline.position().offset, Offset(head));
        if reached > head {
            prop_assert_eq!(timeline.apply(&log.live(head, reached, read_at)), Applied::WentOn);
        }
        if first > 1 {
            let page = log.page(1, first - 1, Offset(older_head), Offset(older_head));
            prop_assert_eq!(timeline.add(page), Ok(()));
        }
        if end > reached {
            prop_assert_eq!(timeline.apply(&log.live(reached, end, log.head())), Applied::WentOn);
        }
        prop_assert_eq!(shown(&timeline, 1), shown(&whole(&log), 1));
        prop_assert_eq!(timeline.position(), whole(&log).position());
    }

    /// What a server tells of a whole log is what a reader makes of it.
    #[test]
    fn reading_everything_shows_what_a_page_of_everything_tells(steps in steps()) {
        let mut log = Log::default();
        for (name, step) in &steps {
            log.step(USERS[*name], step);
        }
        let mut timeline = Timeline::new(Some(user(READER)));
        prop_assert_eq!(timeline.add(log.page(1, log.head().0, log.head(), log.head())), Ok(()));
        prop_assert_eq!(shown(&timeline, 1), shown(&whole(&log), 1));
    }
}

#[test]
fn a_post_says_what_was_said_last() {
    let mut log = Log::default();
    let message = log.append("bob", EventKind::MESSAGE, None, "helo");
    log.append("bob", EventKind::EDIT, Some(message), "hello");
    let text = |log: &Log| {
        let timeline = whole(log);
        let post = timeline.post(message).unwrap();
        post.body().and_then(Body::as_text).map(str::to_owned)
    };
    assert_eq!(text(&log).as_deref(), Some("hello"));
    log.append("ada", EventKind::REDACTION, Some(message), "");
    assert_eq!(text(&log), None);
}

/// A page knows how many set a sign, not who; those that come behind it are others.
#[test]
fn signs_are_counted_on_from_a_page() {
    let mut log = Log::default();
    let message = log.append("bob", EventKind::MESSAGE, None, "vote");
    for name in ["ada", "cyd"] {
        log.append(name, EventKind::REACTION, Some(message), "👍");
    }
    let begun = log.head();
    log.append("bob", EventKind::REACTION, Some(message), "👍");
    for name in ["ada", "bob", "cyd"] {
        log.append(name, EventKind::REACTION_REMOVED, Some(message), "👍");
    }
    log.append("ada", EventKind::REACTION, Some(message), "👍");
    let mut timeline = Timeline::new(Some(user(READER)));
    timeline.add(log.page(1, begun.0, begun, begun)).unwrap();
    let mut counts = Vec::new();
    for at in begun.0..log.head().0 {
        assert_eq!(timeline.apply(&log.live(at, at + 1, log.head())), Applied::WentOn);
        let reactions = &timeline.post(message).unwrap().changes().reactions;
        counts.push(reactions.first().map(|reaction| (reaction.count, reaction.mine)));
    }
    assert_eq!(counts, [Some((3, true)), Some((2, false)), Some((1, false)), None, Some((1, true))]);
}

#[test]
fn a_gap_empties_it_until_a_page_comes() {
    let mut log = Log::default();
    for _ in 0..4 {
        log.append("bob", EventKind::MESSAGE, None, "text");
    }
    let mut timeline = whole(&log);
    let position = Position { epoch: Some(Epoch::from_bytes([5; 8])), ..timeline.position() };
    let (from, to, reason) = (Offset(3), Offset(4), GapReason::Restored);
    let gap = Gap { from, to, reason, position: Some(position), ordinal: Ordinal(4) };
    assert_eq!(timeline.apply(&Delivery::Gap(gap)), Applied::Emptied);
    assert_eq!((timeline.posts().count(), timeline.position()), (0, position));
    timeline.add(log.page(1, 4, Offset(4), Offset(4))).unwrap();
    assert_eq!((timeline.posts().count(), timeline.position()), (4, position));
}

#[test]
fn what_was_let_go_comes_again_and_a_page_that_is_too_old_is_not_taken() {
    let mut log = Log::default();
    for _ in 0..4 {
        log.append("bob", EventKind::MESSAGE, None, "text");
    }
    let mut timeline = whole(&log);
    timeline.keep(2);
    assert_eq!(shown(&timeline, 1).len(), 2);
    let old = log.page(1, 2, log.head(), log.head());
    for number in 0..=RECENT_MAX as u64 {
        let at = log.append("bob", EventKind::EDIT, Some(Offset(1)), &format!("{number}")).0;
        assert_eq!(timeline.apply(&log.live(at - 1, at, Offset(at))), Applied::WentOn);
    }
    assert_eq!(timeline.add(old), Err(Stale));
    assert_eq!(timeline.add(log.page(1, 2, log.head(), log.head())), Ok(()));
    assert_eq!(shown(&timeline, 1), shown(&whole(&log), 1));
}
