//! What an append adds to a log, and where.

use bytes::Bytes;
use futures::future::join_all;

use super::check::{check_event, check_log};
use super::{Author, Factory, ack_of, append_one, by_admin, informed, refusal_of, room, start, user};
use crate::code::Code;
use crate::environment::Environment;
use crate::event::{Body, Draft, EventKind, Mentions};
use crate::id::RoomId;
use crate::limits::BODY_BYTES_MAX;
use crate::position::{Epoch, Offset};
use crate::publish::{Grounds, MissingRoom, Outcome, Publish, Refusal, Source, Verdict};
use crate::room::Title;
use crate::room::change::{MembershipChange, RoomChange, Settings};
use crate::store::Store;

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    offsets_are_dense_under_concurrent_appends(factory).await;
    events_are_what_was_published(factory).await;
    the_log_has_the_order_of_the_batch(factory).await;
    a_batch_is_decided_whole(factory).await;
    an_empty_batch_has_no_outcomes(factory).await;
    large_bodies_are_kept(factory).await;
    a_room_comes_into_being_only_where_it_may(factory).await;
    each_room_has_its_own_epoch(factory).await;
    time_never_goes_back_in_a_room(factory).await;
    what_was_derived_is_taken_only_in_the_history_of_its_source(factory).await;
}

/// However many append at once: each room's offsets are 1, 2, 3 …, each publish has one, and its ack says which.
pub async fn offsets_are_dense_under_concurrent_appends(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let rooms = [room("a"), room("b")];
    let mut appends = Vec::new();
    for installation in 0..8 {
        let mut author = Author::open(&store, "ada", installation).await;
        for _ in 0..20 {
            let batch: Vec<_> = (0..3).map(|n| author.message(&rooms[n % 2], "text")).collect();
            let append = store.append(batch.clone());
            appends.push(async move { (batch, append.await.expect("the append goes through")) });
        }
    }
    let mut acked = Vec::new();
    for (batch, outcomes) in join_all(appends).await {
        acked.extend(batch.into_iter().zip(outcomes.into_iter().map(ack_of)));
    }
    for (room, expected) in rooms.iter().zip([320, 160]) {
        let events = check_log(&store, room).await;
        assert_eq!(events.len(), expected, "each publish is in the log once");
        let own: Vec<_> = acked.iter().filter(|(publish, _)| publish.room == *room).collect();
        own.iter().for_each(|(publish, ack)| check_event(&events, publish, ack));
        let mut offsets: Vec<_> = own.iter().map(|(_, ack)| ack.mark.offset.0).collect();
        offsets.sort_unstable();
        assert!(offsets.into_iter().eq(1..=expected as u64), "no two acks name the same offset");
    }
}

/// Else nothing is decided about it, and nothing of its client changes.
pub async fn what_was_derived_is_taken_only_in_the_history_of_its_source(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let (a, own) = (room("a"), RoomId::own_log(&user("bob")));
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut entries = Author::open(&store, "ada", 2).await;
    let first = ack_of(append_one(&store, ada.begins(&a)).await);
    let derived = |publish: &Publish, epoch| {
        let source = Source { room: a.clone(), epoch };
        let grounds = Grounds { derived: Some(source), ..Grounds::default() };
        Publish { session: None, grounds: Some(Box::new(grounds)), ..publish.clone() }
    };
    let entry = entries.message(&own, "an entry");
    let other = Epoch::from_bytes([7; 8]);
    assert_eq!(append_one(&store, derived(&entry, other)).await, Outcome::Fenced);
    assert_eq!(store.room(&own).await.expect("the state is read"), None, "nothing stands");
    let ack = ack_of(append_one(&store, derived(&entry, first.epoch)).await);
    assert_eq!((ack.mark.offset, ack.duplicate), (Offset(1), false));
    let again = ack_of(append_one(&store, derived(&entry, first.epoch)).await);
    assert!(again.duplicate, "it is decided once");
    let (next, last) = (entries.message(&own, "next"), entries.message(&own, "last"));
    let batch = vec![by_admin(ada.room(&a, &RoomChange::Delete)), derived(&next, first.epoch)];
    let outcomes = store.append(batch).await.expect("the append goes through");
    assert!(matches!(outcomes[..], [Outcome::Acked(_), Outcome::Fenced]), "{outcomes:?}");
    let anew = ack_of(append_one(&store, ada.begins(&a)).await);
    assert_eq!(append_one(&store, derived(&last, first.epoch)).await, Outcome::Fenced);
    drop(ack_of(append_one(&store, derived(&last, anew.epoch)).await));
}

/// Kind, target, content type, body and mentions come out as they went in; of a kind that this version does not know
/// nothing is appended.
pub async fn events_are_what_was_published(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let binary = Body::new(Some("application/x-thing"), Bytes::from_static(&[0, 255, 128])).expect("a body");
    let html = Body::new(Some("text/html"), Bytes::from_static("<p>ü</p>".as_bytes())).expect("a body");
    let calling = Mentions::new(true, [user("bob"), user("ünter")]).expect("two are not too many");
    let about = |kind, body| Draft { kind, target: Some(Offset(1)), body };
    let title = Some(Some(Title::new("Plans").expect("a title")));
    let drafts = [
        Draft::message("hello"),
        Draft::message(""),
        about(EventKind::EDIT, html),
        about(EventKind::MESSAGE, binary),
        about(EventKind::REACTION, "👍".into()),
        about(EventKind::REACTION_REMOVED, "👍".into()),
        about(EventKind::PIN, "".into()),
        about(EventKind::UNPIN, "why".into()),
        Draft::message(Body::text("all of you").mentioning(calling)),
        Draft { kind: EventKind::MEMBERSHIP, target: None, body: MembershipChange::Join.to_body() },
        Draft {
            kind: EventKind::ROOM,
            target: None,
            body: RoomChange::Set(Settings { title, ..Settings::default() }).to_body(),
        },
    ];
    let mut published = Vec::new();
    for draft in drafts {
        let publish = informed(&store, ada.next(&room, draft)).await;
        let ack = ack_of(append_one(&store, publish.clone()).await);
        assert!(!ack.duplicate, "a first append is no duplicate");
        assert_eq!(ack.durability, store.durability(), "an ack says what the store promises");
        published.push((publish, ack));
    }
    let later = ada.next(&room, Draft { kind: EventKind(u16::MAX), ..Draft::message("of a later version") });
    assert_eq!(refusal_of(append_one(&store, later).await).code, Code::KindUnsupported);
    let events = check_log(&store, &room).await;
    assert_eq!(events.len(), published.len());
    published.iter().for_each(|(publish, ack)| check_event(&events, publish, ack));
    assert_eq!(events[10].ordinal.0, 4, "messages and nothing else are counted");
}

/// The publishes of a batch stand in each room in the order of the batch, and batches in the order of the calls.
pub async fn the_log_has_the_order_of_the_batch(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let rooms = [room("a"), room("b"), room("c")];
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut batch = |numbers: std::ops::Range<usize>| {
        store.append(numbers.map(|n| ada.message(&rooms[n % 3], &n.to_string())).collect())
    };
    let appends = [batch(0..50), batch(50..60), batch(60..150)];
    for outcomes in join_all(appends).await {
        outcomes.expect("the append goes through").into_iter().for_each(|outcome| drop(ack_of(outcome)));
    }
    for (index, room) in rooms.iter().enumerate() {
        let events = check_log(&store, room).await;
        let texts =
            events.iter().map(|event| event.body.as_ref().and_then(Body::as_text).unwrap_or_default());
        let expected = (0..150).filter(|n| n % 3 == index).map(|n| n.to_string());
        assert!(
            texts.eq(expected),
            "the log of {room} has the order in which its publishes were handed over"
        );
    }
}

/// Whatever a batch mixes, each publish has its own outcome, in the order of the batch, and fresh ones are all there.
pub async fn a_batch_is_decided_whole(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut bob = Author::open(&store, "bob", 2).await;
    let first = ada.message(&room, "first");
    let first_ack = ack_of(append_one(&store, first.clone()).await);
    let mut denied = bob.message(&room, "denied");
    denied.verdict = Verdict::Refuse(Refusal::new(Code::Denied, "not you"));
    let conflict = ada.publish(1, &room, Draft::message("another first"));
    let fresh = [ada.message(&room, "second"), bob.message(&room, "third")];
    let batch = vec![fresh[0].clone(), first, denied, conflict, fresh[1].clone(), fresh[1].clone()];
    let outcomes = store.append(batch).await.expect("the append goes through");
    let [second, repeat, denied, conflict, third, third_again] = outcomes.try_into().expect("six outcomes");
    let (second, third) = (ack_of(second), ack_of(third));
    assert_eq!(ack_of(repeat).mark, first_ack.mark);
    assert_eq!(refusal_of(denied).code, Code::Denied);
    assert_eq!(refusal_of(conflict).code, Code::SeqConflict);
    assert_eq!(ack_of(third_again), crate::publish::Ack { duplicate: true, ..third.clone() });
    let events = check_log(&store, &room).await;
    assert_eq!(events.len(), 3, "what was fresh is in the log, and nothing else");
    check_event(&events, &fresh[0], &second);
    check_event(&events, &fresh[1], &third);
}

/// A batch of nothing is answered with nothing.
pub async fn an_empty_batch_has_no_outcomes(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    assert_eq!(store.append(Vec::new()).await.expect("the append goes through"), Vec::<Outcome>::new());
}

/// Bodies of the largest size, mixed with small ones.
pub async fn large_bodies_are_kept(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let sizes = [1, BODY_BYTES_MAX, BODY_BYTES_MAX, 2, 3, BODY_BYTES_MAX / 2, BODY_BYTES_MAX / 2, 4];
    let batch: Vec<_> = sizes.iter().map(|size| ada.message(&room, &"x".repeat(*size))).collect();
    let outcomes = store.append(batch.clone()).await.expect("the append goes through");
    let events = check_log(&store, &room).await;
    batch.iter().zip(outcomes).for_each(|(publish, outcome)| check_event(&events, publish, &ack_of(outcome)));
}

/// Where a room may not come into being, its first publish is refused, for ever; elsewhere it makes the room.
pub async fn a_room_comes_into_being_only_where_it_may(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut ada = Author::open(&store, "ada", 1).await;
    let nowhere = room("nowhere");
    let may_not = |mut publish: crate::publish::Publish| {
        publish.verdict = Verdict::Append { room: MissingRoom::Refuse };
        publish
    };
    let first = ada.message(&nowhere, "first");
    let refusal = refusal_of(append_one(&store, may_not(first.clone())).await);
    assert_eq!(refusal.code, Code::RoomUnknown);
    assert_eq!(store.room(&nowhere).await.expect("the state is read"), None, "a refusal makes no room");
    assert_eq!(store.rooms(None, 10).await.expect("the rooms are read"), []);
    assert_eq!(refusal_of(append_one(&store, first).await), refusal, "it is repeated, not decided anew");
    let batch = vec![ada.message(&nowhere, "second"), may_not(ada.message(&nowhere, "third"))];
    let outcomes = store.append(batch).await.expect("the append goes through");
    let offsets: Vec<_> = outcomes.into_iter().map(|outcome| ack_of(outcome).mark.offset.0).collect();
    assert_eq!(offsets, [1, 2], "a room that the same batch has made is there");
    let fourth = may_not(ada.message(&nowhere, "fourth"));
    assert_eq!(ack_of(append_one(&store, fourth).await).mark.offset, Offset(3));
}

/// The epoch is drawn with the first event, the same for the whole log, and another in another room.
pub async fn each_room_has_its_own_epoch(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut ada = Author::open(&store, "ada", 1).await;
    let mut epochs = Vec::new();
    for name in ["a", "b", "c"] {
        let room = room(name);
        let first = ack_of(append_one(&store, ada.message(&room, "first")).await);
        let second = ack_of(append_one(&store, ada.message(&room, "second")).await);
        assert_eq!(first.epoch, second.epoch, "a log keeps its epoch");
        let state = store.room(&room).await.expect("the state is read").expect("the room is there");
        assert_eq!(state.epochs.len(), 1, "a log that was never restored has one epoch");
        assert_eq!(state.epoch(), first.epoch);
        assert_eq!(state.epochs[0].before, crate::position::Mark::START);
        epochs.push(first.epoch);
    }
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 3, "each room has an epoch of its own");
}

/// `ts` is the clock's, but never lies before the room's newest, whatever the clock does.
pub async fn time_never_goes_back_in_a_room(factory: &impl Factory) {
    let (store, env) = start(factory).await;
    let (here, there) = (room("here"), room("there"));
    let mut ada = Author::open(&store, "ada", 1).await;
    let noon = env.unix_ms();
    let mut times = Vec::new();
    for (room, clock) in [(&here, noon), (&here, noon - 5_000), (&there, noon - 5_000), (&here, noon + 1)] {
        env.set_unix_ms(clock);
        times.push(ack_of(append_one(&store, ada.message(room, "text")).await).ts);
    }
    assert_eq!(times, [noon, noon, noon - 5_000, noon + 1]);
    check_log(&store, &here).await;
}
