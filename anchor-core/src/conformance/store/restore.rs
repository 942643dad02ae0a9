//! What is there after a backup was restored: the same, and another history begins in every room.

use super::check::check_log;
use super::{Author, Restore, ack_of, append_one, room, start, write};
use crate::event::Draft;
use crate::id::RoomId;
use crate::position::{Mark, Offset, Position};
use crate::publish::Ack;
use crate::resume::{Gap, GapReason, Resume, decide};
use crate::store::{RoomState, Store};

/// Every rule of this page.
pub async fn test_all(factory: &impl Restore) {
    a_restore_begins_an_epoch_in_every_room(factory).await;
    old_positions_resume_up_to_the_fork(factory).await;
    outcomes_keep_the_epoch_they_were_written_in(factory).await;
}

/// The new epoch begins behind the head; what was there keeps its own, and no run spans both.
pub async fn a_restore_begins_an_epoch_in_every_room(factory: &impl Restore) {
    let (mut store, env) = start(factory).await;
    let rooms = [room("a"), room("b")];
    let mut ada = Author::open(&store, "ada", 1).await;
    for room in &rooms {
        write(&store, &mut ada, room, (0..10).map(|n| n.to_string())).await;
    }
    for restores in 1..=3 {
        let before = [state(&store, &rooms[0]).await, state(&store, &rooms[1]).await];
        store = factory.restore(store, &env).await;
        ada.hello(&store).await;
        for (room, before) in rooms.iter().zip(&before) {
            let after = state(&store, room).await;
            assert_eq!(after.epochs[..restores], before.epochs, "older epochs are kept");
            assert_eq!(after.epochs.len(), restores + 1, "one epoch is added");
            assert_eq!(after.epochs[restores].before, before.head, "it begins behind the head");
            assert!(before.epochs.iter().all(|start| start.epoch != after.epoch()), "it is a new one");
            check_log(&store, room).await;
            write(&store, &mut ada, room, (0..5).map(|n| n.to_string())).await;
            assert_eq!(state(&store, room).await.epochs, after.epochs, "and lasts until the next restore");
            check_log(&store, room).await;
        }
        let epochs = [state(&store, &rooms[0]).await.epoch(), state(&store, &rooms[1]).await.epoch()];
        assert_ne!(epochs[0], epochs[1], "each room has an epoch of its own");
    }
}

/// A reader whose newest event is in the backup goes on; one that has more is told from where on it differs.
pub async fn old_positions_resume_up_to_the_fork(factory: &impl Restore) {
    let (store, env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let acks = write(&store, &mut ada, &room, (0..10).map(|n| n.to_string())).await;
    let store = factory.restore(store, &env).await;
    let restored = state(&store, &room).await;
    let at_fork = acks[9].position();
    assert_eq!(decide(&at_fork, Some(&restored), None), Resume::From(at_fork));
    let lost = Mark { offset: Offset(12), ..acks[9].mark };
    let beyond = Position::at(acks[9].epoch, lost);
    let gap = Gap {
        from: Offset(11),
        to: Offset(12),
        reason: GapReason::Restored,
        position: Some(at_fork),
        ordinal: acks[9].mark.ordinal,
    };
    assert_eq!(decide(&beyond, Some(&restored), None), Resume::Gap(gap));
}

/// A repeat is acked where it stands: in the history of before the restore.
pub async fn outcomes_keep_the_epoch_they_were_written_in(factory: &impl Restore) {
    let (store, env) = start(factory).await;
    let room = room("a");
    let mut ada = Author::open(&store, "ada", 1).await;
    let ack = ack_of(append_one(&store, ada.message(&room, "once")).await);
    let store = factory.restore(store, &env).await;
    ada.hello(&store).await;
    let again = ada.publish(1, &room, Draft::message("once"));
    assert_eq!(ack_of(append_one(&store, again).await), Ack { duplicate: true, ..ack.clone() });
    let next = ack_of(append_one(&store, ada.message(&room, "next")).await);
    assert_ne!(next.epoch, ack.epoch);
    assert_eq!(next.mark.offset, Offset(2));
}

async fn state(store: &dyn Store, room: &RoomId) -> RoomState {
    store.room(room).await.expect("the state is read").expect("the room is there")
}
