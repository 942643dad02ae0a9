//! Trimming moves the horizon and nothing else.

use super::check::check_log;
use super::{Author, Factory, WRITE_BATCH, ack_of, append_one, by_admin, room, start, write};
use crate::event::Draft;
use crate::id::RoomId;
use crate::position::{Mark, Offset, Ordinal};
use crate::room::change::RoomChange;
use crate::run::Run;
use crate::store::{Direction, Place, Read, RoomState, Store, StoreExt, StoredRoom};

/// Every rule of this page.
pub async fn test_all(factory: &impl Factory) {
    trimming_moves_the_horizon_and_nothing_else(factory).await;
    trimming_everything_leaves_a_log_that_goes_on(factory).await;
    trimming_a_room_without_events_changes_nothing(factory).await;
    what_came_after_a_log_is_not_trimmed_in_its_place(factory).await;
}

/// Who trims has looked at a log before, which may be gone by then: also with the commit that has the trim.
pub async fn what_came_after_a_log_is_not_trimmed_in_its_place(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    for is_at_once in [false, true] {
        let epoch = match store.room(&room).await.expect("the state is read") {
            Some(state) => state.epoch(),
            None => write(&store, &mut ada, &room, (0..9).map(|n| n.to_string())).await[0].epoch,
        };
        let mut batch = vec![by_admin(ada.room(&room, &RoomChange::Delete)), ada.begins(&room)];
        batch.extend((0..9).map(|n| ada.message(&room, &n.to_string())));
        let appending = store.append(batch);
        if is_at_once {
            let (appended, trimmed) = futures::join!(appending, store.trim(&room, epoch, Offset(7)));
            trimmed.expect("nothing is trimmed");
            drop(appended.expect("the append goes through"));
        } else {
            drop(appending.await.expect("the append goes through"));
            store.trim(&room, epoch, Offset(7)).await.expect("nothing is trimmed");
        }
        assert_eq!(check_log(&store, &room).await.len(), 10);
        let after = state(&store, &room).await;
        assert_eq!((after.horizon, after.before_horizon), (Offset(1), Mark::START));
        assert_ne!(after.epoch(), epoch);
    }
}

/// Below the horizon nothing can be read, from it on everything; ordinal and chain of what lies before it stay known.
pub async fn trimming_moves_the_horizon_and_nothing_else(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let other = super::room("other");
    let mut ada = Author::open(&store, "ada", 1).await;
    let acks = write(&store, &mut ada, &room, (0..200).map(|n| n.to_string())).await;
    write(&store, &mut ada, &other, (0..9).map(|n| n.to_string())).await;
    let all = check_log(&store, &room).await;
    let before = state(&store, &room).await;
    for (horizon, reached) in
        [(0, 1), (1, 1), (2, 2), (40, 40), (17, 40), (64, 64), (65, 65), (66, 66), (199, 199)]
    {
        store.trim_newest(&room, Offset(horizon)).await.expect("the room is trimmed");
        let after = state(&store, &room).await;
        let before_horizon = if reached == 1 { Mark::START } else { all[reached - 2].mark() };
        let horizon = Offset(reached as u64);
        assert_eq!(after, RoomState { horizon, before_horizon, ..before.clone() }, "horizon {horizon}");
        assert_eq!(check_log(&store, &room).await, all[reached - 1..], "from the horizon on all is there");
        let below = horizon.previous();
        if below > Offset::ZERO {
            let runs = runs(&store, &room, Direction::After(below.previous())).await;
            assert_eq!(runs, 0, "after an offset below comes nothing, so that no gap is silent");
            let located =
                store.locate(&room, Place::Offset(below.previous())).await.expect("a place is looked up");
            assert_eq!(located, None);
            let ordinal = Ordinal(before_horizon.ordinal.0 - 1);
            let located = store.locate(&room, Place::Ordinal(ordinal)).await.expect("a place is looked up");
            assert_eq!(located, None);
        }
        assert_eq!(runs(&store, &room, Direction::Before(horizon)).await, 0, "before the horizon is nothing");
    }
    assert_eq!(check_log(&store, &other).await.len(), 9, "another room has its own horizon");
    ada.hello(&store).await;
    let next = ack_of(append_one(&store, ada.message(&room, "next")).await);
    assert_eq!(next.mark.offset, Offset(201));
    assert_eq!(next.epoch, acks[0].epoch);
}

/// At most head + 1: then nothing can be read, acks are still repeated, and the log goes on where it was.
pub async fn trimming_everything_leaves_a_log_that_goes_on(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let first = ada.message(&room, "0");
    let ack = ack_of(append_one(&store, first.clone()).await);
    for n in 1..WRITE_BATCH {
        drop(ack_of(append_one(&store, ada.message(&room, &n.to_string())).await));
    }
    let before = state(&store, &room).await;
    store.trim_newest(&room, Offset(1_000_000)).await.expect("the room is trimmed");
    let after = state(&store, &room).await;
    let expected =
        RoomState { horizon: before.head.offset.next(), before_horizon: before.head, ..before.clone() };
    assert_eq!(after, expected);
    assert_eq!(check_log(&store, &room).await, []);
    let rooms = store.rooms(None, 10).await.expect("the rooms are read");
    let stored = StoredRoom { room: room.clone(), state: after, info: None };
    assert_eq!(rooms, [stored], "a room whose events were all trimmed is still a room");
    assert_eq!(ack_of(append_one(&store, first).await).mark, ack.mark, "what was appended is acked again");
    let again = ada.publish(1, &room, Draft::message("other"));
    let code = super::refusal_of(append_one(&store, again).await).code;
    assert_eq!(code, crate::code::Code::SeqConflict);
    let next = ack_of(append_one(&store, ada.message(&room, "next")).await);
    assert_eq!((next.mark.offset, next.epoch), (before.head.offset.next(), before.epoch()));
    assert_eq!(check_log(&store, &room).await.len(), 1);
}

/// There is no log to trim, and none comes into being.
pub async fn trimming_a_room_without_events_changes_nothing(factory: &impl Factory) {
    let (store, _env) = start(factory).await;
    let room = room("nowhere");
    store.trim_newest(&room, Offset(5)).await.expect("nothing is trimmed");
    assert_eq!(store.room(&room).await.expect("the state is read"), None);
    let mut ada = Author::open(&store, "ada", 1).await;
    assert_eq!(ack_of(append_one(&store, ada.message(&room, "text")).await).mark.offset, Offset(1));
}

async fn state(store: &dyn Store, room: &RoomId) -> RoomState {
    store.room(room).await.expect("the state is read").expect("the room is there")
}

/// Events that a read gives.
async fn runs(store: &dyn Store, room: &RoomId, from: Direction) -> usize {
    let read = Read { room: room.clone(), from, events_max: 1_000, bytes_max: usize::MAX };
    store.read(read).await.expect("the log is read").iter().map(Run::len).sum()
}
