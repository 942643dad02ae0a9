//! A position comes back as it was saved, and only one process has it.

use std::fs;

use anchor_core::id::RoomId;
use anchor_core::position::{Chain, Epoch, Offset, Position};

use super::Cursor;
use crate::exit::{Exit, Failure};

fn exit(failure: Failure) -> Exit {
    match failure {
        Failure::Said { exit, .. } => exit,
        Failure::OutputClosed | Failure::Interrupted => Exit::Done,
    }
}

#[test]
fn a_position_comes_back() {
    let state = tempfile::tempdir().unwrap();
    let room = RoomId::new("..").unwrap();
    let position = Position {
        epoch: Some(Epoch::from_bytes([7; 8])),
        offset: Offset(3),
        chain: Chain::from_bytes([8; 8]),
    };
    let cursor = Cursor::open(state.path(), &room).unwrap();
    assert_eq!(cursor.load().unwrap(), None);
    for saved in [Position::START, position] {
        cursor.save(&saved).unwrap();
        assert_eq!(cursor.load().unwrap(), Some(saved));
    }
    drop(cursor);
    assert_eq!(Cursor::open(state.path(), &room).unwrap().load().unwrap(), Some(position));
}

#[test]
fn a_cursor_has_one_holder() {
    let state = tempfile::tempdir().unwrap();
    let held = Cursor::open(state.path(), &RoomId::lobby()).unwrap();
    assert_eq!(exit(Cursor::open(state.path(), &RoomId::lobby()).unwrap_err()), Exit::StateHeld);
    assert!(Cursor::open(state.path(), &RoomId::new("other").unwrap()).is_ok());
    drop(held);
    assert!(Cursor::open(state.path(), &RoomId::lobby()).is_ok());
}

#[test]
fn a_damaged_position_is_told_not_ignored() {
    let state = tempfile::tempdir().unwrap();
    let cursor = Cursor::open(state.path(), &RoomId::lobby()).unwrap();
    for damaged in
        ["", "{", "{\"offset\":1}", "{\"epoch\":\"00\",\"offset\":1,\"chain\":\"0000000000000000\"}"]
    {
        fs::write(state.path().join("cursors/lobby.json"), damaged).unwrap();
        assert_eq!(exit(cursor.load().unwrap_err()), Exit::Failure, "{damaged}");
    }
}
