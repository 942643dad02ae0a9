//! A session that publishes frames which were made before, so that making them is not in what is measured.

use anchor_core::engine::Anchor;
use anchor_core::id::RoomId;
use anchor_transport::codec::Encoding;
use bytes::Bytes;

use crate::connection::Connection;
use crate::sample;

/// A session, and the frames that it has left to send.
#[derive(Debug)]
pub struct Publisher {
    connection: Connection,
    frames: std::vec::IntoIter<Bytes>,
    together: usize,
}

impl Publisher {
    /// A connection of the client `number` that has said `hello`, and is to send so many `publishes` to `room`, so many
    /// of them `together`.
    #[must_use]
    pub fn new(
        anchor: &Anchor,
        encoding: Encoding,
        number: usize,
        room: &RoomId,
        together: usize,
        publishes: usize,
    ) -> Self {
        let mut connection = Connection::accept(anchor, encoding);
        connection.receive(&encoding.encode_client(&sample::hello(&sample::client(number), Vec::new())));
        let frame = |at: usize| {
            let waits = at - at % together + 1;
            encoding.encode_client(&sample::publish_frame(at as u64 + 1, waits as u64, room))
        };
        let frames: Vec<Bytes> = (0..publishes).map(frame).collect();
        Self { connection, frames: frames.into_iter(), together }
    }

    /// Waits for `welcome`, while `step` drives the store.
    pub fn open(&mut self, mut step: impl FnMut()) {
        while self.connection.turn() {
            step();
        }
        self.connection.take_written();
    }

    /// Sends the next that go together to a store that answers at once, until their acks are encoded.
    pub fn publish(&mut self) {
        self.send();
        self.take_acks();
    }

    /// Hands the next that go together to the store.
    pub fn send(&mut self) {
        for frame in self.frames.by_ref().take(self.together) {
            self.connection.receive(&frame);
        }
        self.connection.turn();
    }

    /// Encodes the acks of what was sent.
    ///
    /// # Panics
    /// If the store has not answered.
    pub fn take_acks(&mut self) {
        self.connection.turn();
        assert_eq!(self.connection.take_written().answers, self.together, "every publish is answered");
    }
}
