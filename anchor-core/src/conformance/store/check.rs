//! Reads a whole log in every way there is, and compares the ways with each other.

use crate::event::{Body, Event, EventKind};
use crate::id::RoomId;
use crate::limits::{RUN_BYTES_MAX, RUN_EVENTS_MAX};
use crate::position::Mark;
use crate::publish::{Ack, Publish};
use crate::run::{Contents, Run};
use crate::store::{Direction, Place, Read, RoomState, Store};

/// Reads everything of a room that nobody writes to now, asserts all that must hold of a log, and returns its events.
pub async fn check_log(store: &dyn Store, room: &RoomId) -> Vec<Event> {
    let state = store.room(room).await.expect("the room's state is read");
    let heads = store.heads(std::slice::from_ref(room)).await.expect("the head is read");
    assert_eq!(
        heads,
        [state.as_ref().map(|state| (state.epoch(), state.head))],
        "heads and room state agree"
    );
    let Some(state) = state else {
        assert_eq!(runs(store, room, Direction::After(Mark::START.offset)).await.len(), 0);
        return Vec::new();
    };
    assert_eq!(state.horizon, state.before_horizon.offset.next(), "the horizon follows what lies before it");
    let events = read_forward(store, room, &state).await;
    assert_eq!(events, read_backward(store, room, &state).await, "reading back gives what reading on gives");
    check_marks(store, room, &state, &events).await;
    events
}

/// Asserts that the log holds `publish` where `ack` says, as it was published.
pub fn check_event(events: &[Event], publish: &Publish, ack: &Ack) {
    check_event_of_body(events, publish, ack, Some(&publish.draft.body));
}

/// As [`check_event`], where the body that stands in the log is not the one that was published.
pub fn check_event_of_body(events: &[Event], publish: &Publish, ack: &Ack, body: Option<&Body>) {
    let event = events.iter().find(|event| event.offset == ack.mark.offset);
    let event = event.unwrap_or_else(|| panic!("offset {} was acked and is not in the log", ack.mark.offset));
    assert_eq!(event.mark(), ack.mark, "ack and event agree on ordinal and chain");
    assert_eq!((event.seq, event.ts), (ack.seq, ack.ts), "ack and event agree on seq and time");
    assert_eq!((&ack.room, ack.seq), (&publish.room, publish.seq), "an ack names its publish");
    let user = (&event.user, event.client, event.nonce);
    assert_eq!(user, (&publish.client.user, publish.client.tag(), publish.nonce), "who published");
    let content = (event.kind, event.target, event.body.as_ref());
    assert_eq!(content, (publish.draft.kind, publish.draft.target, body), "what");
}

/// Asserts what must hold of a run by itself.
pub fn check_run(run: &Run) {
    assert!(run.len() >= 1 && run.len() <= RUN_EVENTS_MAX, "a run has 1 to 64 events, not {}", run.len());
    assert!(run.encoded().len() <= RUN_BYTES_MAX || run.len() == 1, "a run has 64 KiB or one event");
    let mut at = run.before();
    for event in run.events() {
        let event = event.expect("what a store gives is an event");
        check_follows(at, &event);
        at = event.mark();
        let contents = Contents::of_event(&event);
        assert!(run.contents().has(contents), "a run says what is among its events: {event:?}");
    }
    assert_eq!(at, run.tip(), "a run ends at its tip");
}

/// Asserts that `event` is what may stand behind `before`.
fn check_follows(before: Mark, event: &Event) {
    assert_eq!(event.offset, before.offset.next(), "offsets are dense");
    let counted = u64::from(event.kind == EventKind::MESSAGE);
    assert_eq!(event.ordinal.0, before.ordinal.0 + counted, "ordinals count messages and nothing else");
    assert_ne!(event.chain, before.chain, "every event moves the chain");
}

async fn read_forward(store: &dyn Store, room: &RoomId, state: &RoomState) -> Vec<Event> {
    let mut at = state.before_horizon;
    let mut events: Vec<Event> = Vec::new();
    loop {
        let runs = runs(store, room, Direction::After(at.offset)).await;
        let Some(first) = runs.first() else { break };
        assert!(
            first.first() <= at.offset.next() && first.last() > at.offset,
            "the first run holds the next event"
        );
        check_contiguous(&runs, state);
        for event in runs.iter().flat_map(Run::events) {
            let event = event.expect("what a store gives is an event");
            if event.offset > at.offset {
                check_follows(at, &event);
                at = event.mark();
                events.push(event);
            }
        }
    }
    assert_eq!(at, state.head, "reading on ends at the head");
    assert!(events.is_sorted_by_key(|event| event.ts), "time never goes back in a room");
    events
}

async fn read_backward(store: &dyn Store, room: &RoomId, state: &RoomState) -> Vec<Event> {
    let mut before = state.head.offset.next();
    let mut events: Vec<Event> = Vec::new();
    loop {
        let runs = runs(store, room, Direction::Before(before)).await;
        let Some(last) = runs.last() else { break };
        assert!(
            last.first() < before && last.last() >= before.previous(),
            "the last run holds the event before"
        );
        check_contiguous(&runs, state);
        let read =
            runs.iter().flat_map(Run::events).map(|event| event.expect("what a store gives is an event"));
        let mut earlier: Vec<Event> = read.filter(|event| event.offset < before).collect();
        before = runs[0].first();
        earlier.append(&mut events);
        events = earlier;
    }
    assert_eq!(before, state.horizon, "reading back ends at the horizon");
    events
}

fn check_contiguous(runs: &[Run], state: &RoomState) {
    runs.iter().for_each(check_run);
    assert!(runs[0].first() >= state.horizon, "nothing below the horizon is read");
    assert!(runs.windows(2).all(|pair| pair[0].tip() == pair[1].before()), "runs are contiguous");
    for run in runs {
        assert_eq!(run.epoch(), state.epoch_at(run.first()), "a run tells the epoch of its first event");
        assert_eq!(run.epoch(), state.epoch_at(run.last()), "and never spans two");
    }
}

async fn check_marks(store: &dyn Store, room: &RoomId, state: &RoomState, events: &[Event]) {
    let marks: Vec<Mark> =
        std::iter::once(state.before_horizon).chain(events.iter().map(Event::mark)).collect();
    for (at, mark) in marks.iter().enumerate() {
        let found = store.locate(room, Place::Offset(mark.offset)).await.expect("a mark is found");
        assert_eq!(found, Some(*mark), "locate by offset");
        let newest = marks[at..].iter().rfind(|later| later.ordinal == mark.ordinal);
        let found = store.locate(room, Place::Ordinal(mark.ordinal)).await.expect("a mark is found");
        assert_eq!(found.as_ref(), newest, "locate by ordinal gives the newest point that has it");
    }
}

async fn runs(store: &dyn Store, room: &RoomId, from: Direction) -> Vec<Run> {
    let read = Read { room: room.clone(), from, events_max: CHECK_EVENTS, bytes_max: RUN_BYTES_MAX };
    store.read(read).await.expect("the log is read")
}

/// Events asked for at once. Source: chosen, no divisor of a page, so that reads begin inside of pages.
const CHECK_EVENTS: usize = 23;
