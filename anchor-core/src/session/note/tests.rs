//! The line of notes is bounded, and what waits is overtaken.

use std::collections::VecDeque;

use super::{Note, Notes};
use crate::id::RoomId;
use crate::limits::NOTES_WAITING_MAX;
use crate::position::{Epoch, Offset};
use crate::session::action::{Action, Ask};
use crate::session::frame::CursorFrame;

fn cursor(n: usize, read: u64) -> Note {
    let room = RoomId::new(format!("room-{n}")).unwrap();
    Note::Cursor(CursorFrame {
        room,
        epoch: Epoch::from_bytes([1; 8]),
        delivered: None,
        read: Some(Offset(read)),
    })
}

#[test]
fn so_many_notes_wait_and_later_ones_are_dropped() {
    let (mut notes, mut out) = (Notes::default(), VecDeque::new());
    for n in 0..NOTES_WAITING_MAX + 2 {
        notes.put(cursor(n, 1), &mut out);
    }
    assert_eq!(out.len(), 1, "one is under way");
    notes.put(cursor(5, 9), &mut out);
    let mut told = Vec::new();
    while let Some(action) = out.pop_front() {
        let Action::Ask(Ask::Note(note)) = action else { panic!("no note") };
        told.push(*note);
        assert!(!notes.is_idle());
        notes.noted(&mut out);
    }
    assert_eq!(told.len(), NOTES_WAITING_MAX + 1);
    assert!(notes.is_idle());
    assert_eq!(told[5], cursor(5, 9), "what waits is overtaken in its place");
    assert!(!told.contains(&cursor(NOTES_WAITING_MAX + 1, 1)));
}
