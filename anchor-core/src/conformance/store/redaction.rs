//! A redacted body is gone from every read before its redaction is acked; the chain stays.

use super::check::check_log;
use super::club::Club;
use super::{Author, Factory, Reopen, ack_of, append_one, room, start, write};
use crate::event::{Body, Event, EventKind, Mentions};
use crate::id::RoomId;
use crate::position::Offset;
use crate::run::Contents;
use crate::store::{Direction, Place, Read, Store};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    a_redacted_body_is_gone_and_the_chain_stays(factory).await;
    the_edits_of_a_redacted_message_go_with_it(factory).await;
    a_message_may_be_redacted_in_the_batch_that_brought_it(factory).await;
    what_was_read_before_stays_as_it_was(factory).await;
    every_page_loses_its_bodies(factory).await;
}

/// What is there of it after the store was opened anew.
pub async fn test_reopen(factory: &impl Reopen) {
    redactions_are_kept(factory).await;
}

/// Body, content type and mentions; not who, when, and what it was about. Marks are as before.
pub async fn a_redacted_body_is_gone_and_the_chain_stays(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let mut club = Club::found(&store, "club").await;
    let mentions = Mentions::new(false, [club.ada.user().clone()]).expect("one is not too many");
    let html = Body::new(Some("text/html"), "<p>secret</p>".into()).expect("a body").mentioning(mentions);
    for body in [Body::text("kept"), html, Body::text("kept, too")] {
        drop(ack_of(append_one(&store, club.eve.next(&club.room, body.into())).await));
    }
    let before = check_log(&store, &club.room).await;
    redact(&store, &mut club.bob, &club.room, 7).await;
    let after = check_log(&store, &club.room).await;
    assert_eq!(after.len(), before.len() + 1);
    for (event, was) in after.iter().zip(&before) {
        let body = if event.offset == Offset(7) { None } else { was.body.clone() };
        assert_eq!(*event, Event { body, ..was.clone() });
    }
    assert_nowhere(&store, &club.room, "secret").await;
}

/// Before and behind other edits, in the same batch or not; edits of other messages stay.
pub async fn the_edits_of_a_redacted_message_go_with_it(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    for text in ["first", "second"] {
        drop(ack_of(append_one(&store, ada.message(&room, text)).await));
    }
    for (target, body) in [(1, "first edit"), (2, "another"), (1, "second edit"), (1, "third edit")] {
        let edit = ada.about(&store, &room, EventKind::EDIT, target, body).await;
        drop(ack_of(append_one(&store, edit).await));
    }
    let reaction = ada.about(&store, &room, EventKind::REACTION, 1, "👍").await;
    drop(ack_of(append_one(&store, reaction).await));
    let edit = ada.about(&store, &room, EventKind::EDIT, 1, "last edit").await;
    let redaction = ada.about(&store, &room, EventKind::REDACTION, 1, "why").await;
    let outcomes = store.append(vec![edit, redaction]).await.expect("the append goes through");
    outcomes.into_iter().for_each(|outcome| drop(ack_of(outcome)));
    assert_eq!(without_bodies(&store, &room).await, [1, 3, 5, 6, 8]);
    for gone in ["first", "edit"] {
        assert_nowhere(&store, &room, gone).await;
    }
    let again = ada.about(&store, &room, EventKind::REDACTION, 1, "").await;
    let refusal = super::refusal_of(append_one(&store, again).await);
    assert_eq!(refusal.code, crate::code::Code::Unchanged);
    let edit = ada.about(&store, &room, EventKind::EDIT, 1, "back again").await;
    let refusal = super::refusal_of(append_one(&store, edit).await);
    assert_eq!(refusal.code, crate::code::Code::TargetUnknown);
}

/// Nobody ever reads it.
pub async fn a_message_may_be_redacted_in_the_batch_that_brought_it(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let first = ack_of(append_one(&store, ada.message(&room, "first")).await);
    let secret = ada.message(&room, "secret");
    let draft = crate::event::Draft { kind: EventKind::REDACTION, target: Some(Offset(2)), body: "".into() };
    let target = crate::publish::Target {
        epoch: first.epoch,
        kind: EventKind::MESSAGE,
        user: ada.user().clone(),
        root: None,
    };
    let mut redaction = ada.next(&room, draft);
    redaction.grounds =
        Some(Box::new(crate::publish::Grounds { target: Some(target), ..Default::default() }));
    let batch = vec![secret, redaction, ada.message(&room, "behind")];
    let outcomes = store.append(batch).await.expect("the append goes through");
    outcomes.into_iter().for_each(|outcome| drop(ack_of(outcome)));
    assert_eq!(without_bodies(&store, &room).await, [2]);
    assert_nowhere(&store, &room, "secret").await;
}

/// A run is shared by those who have it: a redaction makes another.
pub async fn what_was_read_before_stays_as_it_was(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    write(&store, &mut ada, &room, (0..10).map(|n| n.to_string())).await;
    let runs = read(&store, &room, Direction::After(Offset::ZERO)).await;
    let encoded: Vec<_> = runs.iter().map(|run| run.encoded().clone()).collect();
    redact(&store, &mut ada, &room, 4).await;
    assert!(runs.iter().map(crate::run::Run::encoded).eq(&encoded));
    assert_eq!(without_bodies(&store, &room).await, [4]);
}

/// First and last events of pages, old ones and new ones; what lies between keeps its body.
pub async fn every_page_loses_its_bodies(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    write(&store, &mut ada, &room, (0..300).map(|n| format!("text {n}."))).await;
    let redacted = [1, 2, 64, 65, 128, 129, 200, 299, 300];
    for offset in redacted {
        redact(&store, &mut ada, &room, offset).await;
        assert_nowhere(&store, &room, &format!("text {}.", offset - 1)).await;
    }
    assert_eq!(without_bodies(&store, &room).await, redacted);
}

/// In old pages and in new ones; and what is appended and redacted behind it.
pub async fn redactions_are_kept(factory: &impl Reopen) {
    let (mut store, env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    write(&store, &mut ada, &room, (0..150).map(|n| format!("text {n}."))).await;
    let edit = ada.about(&store, &room, EventKind::EDIT, 3, "edited text").await;
    drop(ack_of(append_one(&store, edit).await));
    redact(&store, &mut ada, &room, 3).await;
    redact(&store, &mut ada, &room, 150).await;
    let mut redacted = vec![3, 150, 151];
    for round in 1..=3 {
        let before = check_log(&store, &room).await;
        store = factory.reopen(store, &env).await;
        assert_eq!(check_log(&store, &room).await, before, "what was readable is, what was not is not");
        for gone in ["text 2.", "text 149.", "edited"] {
            assert_nowhere(&store, &room, gone).await;
        }
        ada.hello(&store).await;
        redact(&store, &mut ada, &room, 10 * round).await;
        redacted.push(10 * round);
    }
    redacted.sort_unstable();
    assert_eq!(without_bodies(&store, &room).await, redacted);
}

async fn redact(store: &dyn Store, author: &mut Author, room: &RoomId, offset: u64) {
    let redaction = author.about(store, room, EventKind::REDACTION, offset, "").await;
    let ack = ack_of(append_one(store, redaction).await);
    let runs = read(store, room, Direction::After(ack.mark.offset.previous())).await;
    let contents = Contents::REDACTIONS.and(Contents::TARGETED);
    assert!(runs[0].contents().has(contents), "a run says that a redaction is in it");
    let mark = store.locate(room, Place::Offset(Offset(offset))).await.expect("a place is looked up");
    assert!(mark.is_some(), "the event is still there");
}

/// The offsets of the events that have no body.
async fn without_bodies(store: &dyn Store, room: &RoomId) -> Vec<u64> {
    let events = check_log(store, room).await;
    events.iter().filter(|event| event.body.is_none()).map(|event| event.offset.0).collect()
}

/// Asserts that no read, forward or backward, from wherever, gives any bytes that hold `text`.
async fn assert_nowhere(store: &dyn Store, room: &RoomId, text: &str) {
    let head = store.room(room).await.expect("the state is read").expect("the room is there").head.offset;
    for offset in 0..=head.0 {
        for from in [Direction::After(Offset(offset)), Direction::Before(Offset(offset + 1))] {
            for run in read(store, room, from).await {
                let has = run.encoded().windows(text.len()).any(|window| window == text.as_bytes());
                assert!(!has, "{text:?} is still in the run from {} to {}", run.first(), run.last());
            }
        }
    }
}

async fn read(store: &dyn Store, room: &RoomId, from: Direction) -> Vec<crate::run::Run> {
    let read = Read { room: room.clone(), from, events_max: 1, bytes_max: 1 };
    store.read(read).await.expect("the log is read")
}
