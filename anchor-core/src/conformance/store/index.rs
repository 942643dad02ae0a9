//! What later events say about earlier ones: amendments, threads, replies.

use super::check::check_run;
use super::{Author, Factory, Reopen, ack_of, append_one, room, start, user, write};
use crate::code::Code;
use crate::event::{Body, Draft, EventKind, Mentions};
use crate::id::RoomId;
use crate::position::Offset;
use crate::publish::Outcome;
use crate::room::{Amendment, Sign, Thread};
use crate::run::Contents;
use crate::store::{Direction, Read, Store, StoreExt};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    what_is_about_an_event_is_found_by_it(factory).await;
    no_more_than_asked_for(factory).await;
    replies_are_read_from_either_side(factory).await;
    what_was_trimmed_is_about_nothing(factory).await;
    repeats_count_once(factory).await;
    a_sign_is_set_once(factory).await;
    runs_say_what_is_among_their_events(factory).await;
}

/// What is there of it after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    the_index_is_kept(factory).await;
}

/// In the order of targets, then of offsets; with the sign, normalised. Replies are in threads and nowhere else.
pub async fn what_is_about_an_event_is_found_by_it(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = talked_about(&store).await;
    let entry = |target, offset, kind, name: &str, sign: Option<&str>| Amendment {
        target: Offset(target),
        offset: Offset(offset),
        kind,
        user: super::user(name),
        sign: sign.map(|sign| Sign::new(sign).expect("a sign")),
    };
    let expected = [
        entry(1, 12, EventKind::REACTION, "bob", Some("👍")),
        entry(1, 15, EventKind::PIN, "ada", None),
        entry(3, 11, EventKind::EDIT, "ada", None),
        entry(3, 13, EventKind::REACTION, "bob", Some("👎")),
        entry(3, 16, EventKind::REACTION_REMOVED, "bob", Some("👎")),
        entry(3, 18, EventKind::REDACTION, "ada", None),
    ];
    let found = |from: u64, to: u64| {
        let expected = expected.iter().filter(move |entry| (from..=to).contains(&entry.target.0));
        expected.cloned().collect::<Vec<_>>()
    };
    for (from, to) in [(1, 18), (1, 1), (2, 2), (2, 3), (3, 3), (4, 18), (0, 1_000), (3, 2)] {
        let amendments = store.amendments(&room, (Offset(from), Offset(to)), 100).await;
        assert_eq!(amendments.expect("the index is read"), found(from, to), "{from} to {to}");
        let edits = store.edits(&room, (Offset(from), Offset(to))).await.expect("the index is read");
        let expected: Vec<_> =
            found(from, to).into_iter().filter(|entry| entry.kind.changes_body()).collect();
        assert_eq!(edits, expected, "edits of {from} to {to}");
    }
    let thread = |root, replies, last| Thread { root: Offset(root), replies, last: Offset(last) };
    for (from, to, expected) in [
        (1, 18, vec![thread(2, 1, 17), thread(3, 1, 14)]),
        (3, 3, vec![thread(3, 1, 14)]),
        (2, 2, vec![thread(2, 1, 17)]),
        (4, 18, vec![]),
    ] {
        let threads = store.threads(&room, (Offset(from), Offset(to))).await.expect("the index is read");
        assert_eq!(threads, expected, "{from} to {to}");
    }
    assert_eq!(
        store.amendments(&super::room("nowhere"), (Offset(1), Offset(9)), 9).await.expect("it is read"),
        []
    );
    assert_eq!(store.threads(&super::room("nowhere"), (Offset(1), Offset(9))).await.expect("it is read"), []);
}

/// The first ones.
pub async fn no_more_than_asked_for(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = talked_about(&store).await;
    let all = (Offset(1), Offset(18));
    let unlimited = store.amendments(&room, all, usize::MAX).await.expect("the index is read");
    for limit in 0..=unlimited.len() + 1 {
        let limited = store.amendments(&room, all, limit).await.expect("the index is read");
        assert_eq!(limited, unlimited[..limit.min(unlimited.len())], "at most {limit}");
    }
}

/// The oldest after an offset, the newest before one, always in rising order.
pub async fn replies_are_read_from_either_side(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    write(&store, &mut ada, &room, (0..3).map(|n| n.to_string())).await;
    let mut all = Vec::new();
    // Some of other roots between them, and so many that they lie on several pages.
    for n in 0..150 {
        let root = if n % 3 == 0 { 1 } else { 2 };
        let reply = ada.about(&store, &room, EventKind::MESSAGE, root, "reply").await;
        let ack = ack_of(append_one(&store, reply).await);
        ada.settle();
        if root == 2 {
            all.push(ack.mark.offset);
        }
    }
    let ask =
        async |from, limit| store.replies(&room, Offset(2), from, limit).await.expect("the index is read");
    assert_eq!(ask(Direction::After(Offset::ZERO), 1_000).await, all);
    assert_eq!(ask(Direction::Before(Offset(1_000)), 1_000).await, all);
    assert_eq!(ask(Direction::After(Offset::ZERO), 3).await, all[..3]);
    assert_eq!(ask(Direction::Before(Offset(1_000)), 3).await, all[97..]);
    for limit in [1, 7, 99, 100] {
        let (mut on, mut back) = (Vec::new(), Vec::new());
        loop {
            let page = ask(Direction::After(on.last().copied().unwrap_or_default()), limit).await;
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            on.extend(page);
        }
        loop {
            let mut page = ask(Direction::Before(back.first().copied().unwrap_or(Offset(999))), limit).await;
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            page.append(&mut back);
            back = page;
        }
        assert_eq!((&on, &back), (&all, &all), "pages of {limit}");
    }
    assert_eq!(ask(Direction::After(all[99]), 10).await, []);
    assert_eq!(ask(Direction::Before(all[0]), 10).await, []);
    assert_eq!(ask(Direction::After(Offset::ZERO), 0).await, []);
    assert_eq!(
        store.replies(&room, Offset(3), Direction::After(Offset::ZERO), 9).await.expect("it is read"),
        []
    );
}

/// Nothing that was trimmed away is told of; what is about what is still there stays.
pub async fn what_was_trimmed_is_about_nothing(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = talked_about(&store).await;
    for horizon in [3, 12, 14, 18, 19] {
        store.trim_newest(&room, Offset(horizon)).await.expect("the room is trimmed");
        let from_horizon = (Offset(horizon), Offset(100));
        let rest = store.amendments(&room, from_horizon, 100).await.expect("the index is read");
        let is_three = horizon == 3;
        assert_eq!(rest.len(), if is_three { 4 } else { 0 }, "what is about events from {horizon} on");
        let threads = store.threads(&room, from_horizon).await.expect("the index is read");
        assert_eq!(threads.len(), usize::from(is_three));
        let all = store.amendments(&room, (Offset(1), Offset(100)), 100).await.expect("the index is read");
        assert!(all.iter().all(|entry| entry.offset >= Offset(horizon)), "{horizon}: {all:?}");
        for root in [2, 3] {
            let replies = store.replies(&room, Offset(root), Direction::After(Offset::ZERO), 9).await;
            let replies = replies.expect("the index is read");
            assert!(replies.iter().all(|reply| *reply >= Offset(horizon)), "{horizon}: {replies:?}");
        }
    }
}

/// A resent edit, reaction or reply is the one that there is.
pub async fn repeats_count_once(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    drop(ack_of(append_one(&store, ada.message(&room, "text")).await));
    let mut batch = Vec::new();
    for (kind, body) in
        [(EventKind::EDIT, "edited"), (EventKind::REACTION, "👍"), (EventKind::MESSAGE, "reply")]
    {
        let about = ada.about(&store, &room, kind, 1, body).await;
        batch.extend([about.clone(), about]);
    }
    for duplicates in [3, 6] {
        let outcomes = store.append(batch.clone()).await.expect("the append goes through");
        let acks = outcomes.into_iter().map(ack_of);
        assert_eq!(acks.filter(|ack| ack.duplicate).count(), duplicates);
        let one = (Offset(1), Offset(1));
        assert_eq!(store.amendments(&room, one, 10).await.expect("the index is read").len(), 2);
        let threads = store.threads(&room, one).await.expect("the index is read");
        assert_eq!(threads, [Thread { root: Offset(1), replies: 1, last: Offset(4) }]);
    }
}

/// Whoever else has set it, and however: in one commit or in many, and taken back in between.
pub async fn a_sign_is_set_once(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut bob = Author::open(&store, "bob", 2).await;
    let (set, take_back) = (EventKind::REACTION, EventKind::REACTION_REMOVED);
    let deeds = [
        (true, take_back, "👍", false),
        (true, set, "👍", true),
        (false, set, "👍", true),
        (true, set, " 👍", false),
        (true, set, "👎", true),
        (true, take_back, "👍", true),
        (true, take_back, "👍", false),
        (false, set, "👍", false),
        (true, set, "👍", true),
        (true, set, "👎", false),
        (true, take_back, "👎", true),
    ];
    for is_one_commit in [false, true] {
        let target = ack_of(append_one(&store, ada.message(&room, "text")).await).mark.offset.0;
        let mut publishes = Vec::new();
        for (is_ada, kind, sign, _) in deeds {
            let author = if is_ada { &mut ada } else { &mut bob };
            publishes.push(author.about(&store, &room, kind, target, sign).await);
        }
        let mut outcomes = Vec::new();
        match is_one_commit {
            true => outcomes = store.append(publishes).await.expect("the append goes through"),
            false => {
                for publish in publishes {
                    outcomes.push(append_one(&store, publish).await);
                }
            }
        }
        for (outcome, (_, _, sign, is_done)) in outcomes.into_iter().zip(deeds) {
            match outcome {
                Outcome::Acked(_) => assert!(is_done, "{sign} of {target}"),
                Outcome::Refused(refusal) => {
                    assert!(!is_done && refusal.code == Code::Unchanged, "{sign} of {target}: {refusal:?}");
                }
                other => panic!("{sign} of {target}: {other:?}"),
            }
        }
    }
}

/// So that nobody looks in vain: nothing is said of messages alone, and all that is there is said.
pub async fn runs_say_what_is_among_their_events(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (plain, room) = (room("plain"), talked_about(&store).await);
    let mut ada = Author::open(&store, "ada", 9).await;
    write(&store, &mut ada, &plain, (0..130).map(|n| n.to_string())).await;
    assert_eq!(contents(&store, &plain).await, Contents::PLAIN);
    assert_eq!(contents(&store, &room).await, Contents::TARGETED.and(Contents::REDACTIONS));
    let join = ada.membership(&plain, &crate::room::change::MembershipChange::Join);
    drop(ack_of(append_one(&store, join).await));
    assert_eq!(contents(&store, &plain).await, Contents::OF_ROOM);
    let mentions = Mentions::new(false, [user("bob")]).expect("one user is not too many");
    let calling = ada.next(&plain, Draft::message(Body::text("@bob").mentioning(mentions)));
    drop(ack_of(append_one(&store, calling).await));
    assert_eq!(contents(&store, &plain).await, Contents::OF_ROOM.and(Contents::MENTIONS));
}

/// Amendments, threads, replies and what runs say.
pub async fn the_index_is_kept(factory: &impl Reopen) {
    let (mut store, env) = start(factory).await;
    let room = talked_about(&store).await;
    let plain = super::room("plain");
    let mut ada = Author::open(&store, "ada", 9).await;
    write(&store, &mut ada, &plain, (0..130).map(|n| n.to_string())).await;
    let all = async |store: &dyn Store| {
        let all = (Offset(1), Offset(100));
        let amendments = store.amendments(&room, all, 100).await.expect("the index is read");
        let threads = store.threads(&room, all).await.expect("the index is read");
        let replies = store.replies(&room, Offset(2), Direction::After(Offset::ZERO), 9).await;
        let contents = (contents(store, &room).await, contents(store, &plain).await);
        (amendments, threads, replies.expect("the index is read"), contents)
    };
    let mut before = all(&store).await;
    for round in 1..=2 {
        store = factory.reopen(store, &env).await;
        assert_eq!(all(&store).await, before);
        let mut bob = Author::open(&store, "bob", 10 + round).await;
        let reply = bob.about(&store, &room, EventKind::MESSAGE, 2, "one more").await;
        let ack = ack_of(append_one(&store, reply).await);
        before.1[0].replies += 1;
        before.1[0].last = ack.mark.offset;
        before.2.push(ack.mark.offset);
        assert_eq!(all(&store).await, before, "the index goes on where it was");
    }
}

/// Ten messages, and eight events about the first three: by ada from 11 on, and by bob.
async fn talked_about(store: &dyn Store) -> RoomId {
    let room = room("talked-about");
    let mut ada = Author::open(store, "ada", 1).await;
    let mut bob = Author::open(store, "bob", 2).await;
    write(store, &mut ada, &room, (0..10).map(|n| n.to_string())).await;
    for (is_ada, kind, target, body) in [
        (true, EventKind::EDIT, 3, "edited"),
        (false, EventKind::REACTION, 1, " 👍"),
        (false, EventKind::REACTION, 3, "👎"),
        (false, EventKind::MESSAGE, 3, "a reply"),
        (true, EventKind::PIN, 1, ""),
        (false, EventKind::REACTION_REMOVED, 3, "👎"),
    ] {
        let author = if is_ada { &mut ada } else { &mut bob };
        let about = author.about(store, &room, kind, target, body).await;
        drop(ack_of(append_one(store, about).await));
    }
    let reply = ada.about(store, &room, EventKind::MESSAGE, 2, "another reply").await;
    drop(ack_of(append_one(store, reply).await));
    let redaction = ada.about(store, &room, EventKind::REDACTION, 3, "").await;
    drop(ack_of(append_one(store, redaction).await));
    room
}

/// What all runs of a room say together.
async fn contents(store: &dyn Store, room: &RoomId) -> Contents {
    let from = Direction::After(Offset::ZERO);
    let read = Read { room: room.clone(), from, events_max: 10_000, bytes_max: usize::MAX };
    let runs = store.read(read).await.expect("the log is read");
    runs.iter().for_each(check_run);
    runs.iter().fold(Contents::PLAIN, |contents, run| contents.and(run.contents()))
}
