//! The frame `publish`, written into a buffer that is used again.

use anchor_core::event::EventKind;
use anchor_core::id::RoomId;
use anchor_transport::codec::FrameKind;
use rmp::encode;

use super::body::{Bodies, Mark};

/// Writes `publish` frames with bodies of one length.
#[derive(Debug)]
pub(super) struct PublishWriter {
    bodies: Bodies,
    frame: Vec<u8>,
}

impl PublishWriter {
    pub(super) fn new(bodies: Bodies) -> Self {
        Self { bodies, frame: Vec::new() }
    }

    /// The frame of the message with `mark`, whose author waits for no answer below `waits`.
    pub(super) fn write(&mut self, mark: Mark, waits: u64, room: &RoomId) -> &[u8] {
        self.frame.clear();
        self.write_fields(mark, waits, room).expect("a Vec takes every write");
        &self.frame
    }

    fn write_fields(&mut self, mark: Mark, waits: u64, room: &RoomId) -> Result<(), encode::ValueWriteError> {
        let out = &mut self.frame;
        encode::write_array_len(out, 7)?;
        encode::write_uint(out, FrameKind::Publish.number().into())?;
        encode::write_uint(out, mark.number)?;
        // The nonce; any bits will do where the seq is never used again.
        encode::write_uint(out, mark.number.wrapping_mul(NONCE_FACTOR) >> 32)?;
        encode::write_uint(out, waits)?;
        encode::write_str(out, room.as_str())?;
        encode::write_array_len(out, 4)?;
        encode::write_uint(out, EventKind::MESSAGE.0.into())?;
        out.extend_from_slice(&[MSGPACK_NIL, MSGPACK_NIL]);
        encode::write_str_len(out, u32::try_from(self.bodies.bytes()).unwrap_or(u32::MAX))?;
        self.bodies.write(mark, out);
        out.push(MSGPACK_NIL);
        Ok(())
    }
}

/// Spreads numbers over 64 bits. Source: the golden ratio.
const NONCE_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Source: the MessagePack specification.
const MSGPACK_NIL: u8 = 0xc0;

#[cfg(test)]
mod tests;
