//! How connections introduce themselves: clients of a run, each with an id that was never used before.

use anchor::System;
use anchor_core::id::{ClientId, RoomId, Seq, UserId};
use anchor_core::position::Position;
use anchor_core::session::frame::{ClientFrame, Hello, ResumeRoom};

/// Names the rooms and clients of one run.
#[derive(Debug)]
pub(super) struct Hellos {
    run: u64,
}

impl Hellos {
    /// Of a run that no other has the name of.
    pub(super) fn new() -> Self {
        let bytes = *ClientId::random(&System).as_bytes();
        Self { run: u64::from_be_bytes(*bytes.first_chunk().expect("16 bytes hold 8")) }
    }

    /// A room that nobody else uses.
    pub(super) fn room(&self, number: usize) -> RoomId {
        RoomId::new(format!("bench-{:08x}-{number}", self.run >> 32)).expect("of a-z 0-9 -")
    }

    /// Client `who` comes, and goes on in rooms after positions.
    pub(super) fn resuming(&self, who: usize, resume: Vec<(RoomId, Position)>) -> ClientFrame {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.run.to_be_bytes());
        id[8..].copy_from_slice(&(who as u64).to_be_bytes());
        ClientFrame::Hello(Hello {
            token: None,
            user: Some(UserId::new(format!("bench-{who}")).expect("a user id")),
            client_id: ClientId::from_bytes(id),
            waits: Seq::FIRST,
            features: Vec::new(),
            resume: resume.into_iter().map(|(room, position)| ResumeRoom::after(room, position)).collect(),
        })
    }
}
