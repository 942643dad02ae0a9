//! Moves that wait: bounded, merged, and written again in a while where they could not be.

use std::collections::BTreeSet;

use super::{MOVES_AT_A_TIME, Move, Moves};
use crate::cursor::Cursors;
use crate::environment::Monotonic;
use crate::id::{RoomId, UserId};
use crate::limits::{CURSORS_EVERY, CURSORS_WAITING_MAX};
use crate::position::{Epoch, Offset};

fn user(n: usize) -> UserId {
    UserId::new(format!("user {n}")).unwrap()
}

fn room() -> RoomId {
    RoomId::new("a").unwrap()
}

fn to(delivered: u64) -> Move {
    let to = Cursors { delivered: Offset(delivered), ..Cursors::default() };
    Move { epoch: Epoch::from_bytes([1; 8]), to, is_large: false }
}

/// Those who wait already still do.
#[test]
fn so_many_moves_wait_and_no_more() {
    let (moves, now) = (Moves::default(), Monotonic::default());
    for n in 0..=CURSORS_WAITING_MAX {
        moves.put(user(n), room(), to(1), now);
    }
    moves.put(user(7), room(), to(9), now);
    let mut taken = Vec::new();
    loop {
        let some = moves.take(now);
        if some.is_empty() {
            break;
        }
        assert!(some.len() <= MOVES_AT_A_TIME);
        taken.extend(some);
    }
    assert_eq!(taken.len(), CURSORS_WAITING_MAX);
    assert_eq!(taken.iter().map(|(key, _)| key).collect::<BTreeSet<_>>().len(), taken.len());
    let merged = taken.iter().find(|((who, _), _)| *who == user(7)).unwrap();
    assert_eq!(merged.1.to.delivered, Offset(9));
    assert_eq!(moves.due(), None);
}

/// Also when more wait than are written at once.
#[test]
fn what_could_not_be_written_is_due_a_while_later() {
    let (moves, now) = (Moves::default(), Monotonic::default());
    for n in 0..=MOVES_AT_A_TIME {
        moves.put(user(n), room(), to(1), now);
    }
    let later = now + CURSORS_EVERY * 3;
    assert!(moves.due().is_some_and(|due| due < later));
    for ((user, room), moved) in moves.take(later) {
        moves.put(user, room, moved, later);
    }
    assert_eq!(moves.due(), Some(later + CURSORS_EVERY));
}
