//! What a server says. Frames that come for every message are read where they lie, without a copy; all others as
//! `anchor_transport::codec` reads them.

use anchor_core::event::EventKind;
use anchor_core::msgpack::{Malformed, Reader};
use anchor_core::session::frame::ServerFrame;
use anchor_transport::codec::{Encoding, FrameKind};
use bytes::Bytes;

use crate::exit::{Exit, Failure};

/// A frame of a server.
#[derive(Debug)]
pub(crate) enum Said<'a> {
    Events(EventsSeen<'a>),
    Ack(AckSeen<'a>),
    Page(PageSeen<'a>),
    Other(Box<ServerFrame>),
}

/// An `events` frame, its events still to be taken.
#[derive(Debug)]
pub(crate) struct EventsSeen<'a> {
    pub(crate) room: &'a str,
    pub(crate) epoch: [u8; 8],
    /// The offset of the first event.
    pub(crate) first: u64,
    left: usize,
    reader: Reader<'a>,
}

/// A `page` frame, its events still to be taken.
#[derive(Debug)]
pub(crate) struct PageSeen<'a> {
    /// That of the request.
    pub(crate) id: u64,
    pub(crate) events: EventsSeen<'a>,
}

/// What is looked at of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventSeen<'a> {
    pub(crate) offset: u64,
    pub(crate) chain: [u8; 8],
    /// The public name of the client that published it.
    pub(crate) client: [u8; 8],
    pub(crate) seq: u64,
    /// Of a message that is plain text, else empty.
    pub(crate) body: &'a str,
}

/// What is looked at of an `ack`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AckSeen<'a> {
    pub(crate) seq: u64,
    pub(crate) epoch: [u8; 8],
    pub(crate) offset: u64,
    pub(crate) chain: [u8; 8],
    pub(crate) is_duplicate: bool,
    pub(crate) durability: &'a str,
}

impl<'a> Said<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// A sentence where it is none.
    pub(crate) fn read(frame: &'a [u8]) -> Result<Self, String> {
        let mut reader = Reader::from_slice(frame);
        let said = |error: Malformed| error.to_string();
        let kind = reader.array().and_then(|_| reader.uint()).map_err(said)?;
        match FrameKind::from_number(kind) {
            Some(FrameKind::Events) => EventsSeen::read(reader).map(Self::Events).map_err(said),
            Some(FrameKind::Ack) => AckSeen::read(reader).map(Self::Ack).map_err(said),
            Some(FrameKind::Page) => PageSeen::read(reader).map(Self::Page).map_err(said),
            _ => Encoding::MessagePack
                .decode_server(&Bytes::copy_from_slice(frame))
                .map(|frame| Self::Other(Box::new(frame)))
                .map_err(|error| error.to_string()),
        }
    }
}

impl<'a> EventsSeen<'a> {
    /// What `events` and `page` have in common.
    fn read(mut reader: Reader<'a>) -> Result<Self, Malformed> {
        let room = reader.str()?;
        let epoch = if reader.nil()? { [0; 8] } else { reader.fixed()? };
        let first = reader.uint()?;
        let left = reader.array()?;
        Ok(Self { room, epoch, first, left, reader })
    }

    /// Takes the next event, after which `None`.
    ///
    /// # Errors
    /// A sentence where it is none.
    pub(crate) fn next(&mut self) -> Result<Option<EventSeen<'a>>, Failure> {
        let broken =
            |error: Malformed| Failure::new(Exit::Failure, format!("the server sends no event: {error}"));
        self.next_event().map_err(broken)
    }

    fn next_event(&mut self) -> Result<Option<EventSeen<'a>>, Malformed> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let reader = &mut self.reader;
        let further =
            reader.array()?.checked_sub(ELEMENTS).ok_or(Malformed("an event of fewer than 12 elements"))?;
        let offset = reader.uint()?;
        reader.uint()?;
        let chain = reader.fixed()?;
        reader.uint()?;
        reader.str()?;
        let client = reader.fixed()?;
        let seq = reader.uint()?;
        reader.uint()?;
        let is_message = reader.uint()? == u64::from(EventKind::MESSAGE.0);
        reader.skip()?;
        let is_plain = reader.nil()?;
        let mut body = "";
        if !is_plain {
            reader.skip()?;
            reader.skip()?;
        } else if !is_message {
            reader.skip()?;
        } else if !reader.nil()? {
            body = reader.str()?;
        }
        (0..further).try_for_each(|_| reader.skip())?;
        Ok(Some(EventSeen { offset, chain, client, seq, body }))
    }
}

impl<'a> PageSeen<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, Malformed> {
        let id = reader.uint()?;
        Ok(Self { id, events: EventsSeen::read(reader)? })
    }
}

impl<'a> AckSeen<'a> {
    fn read(mut reader: Reader<'a>) -> Result<Self, Malformed> {
        let seq = reader.uint()?;
        reader.str()?;
        let (epoch, offset, chain) = (reader.fixed()?, reader.uint()?, reader.fixed()?);
        reader.uint()?;
        reader.uint()?;
        let is_duplicate = reader.raw(1)? == [MSGPACK_TRUE];
        Ok(Self { seq, epoch, offset, chain, is_duplicate, durability: reader.str()? })
    }
}

/// Elements of an event. Source: `docs/protocol.md`.
const ELEMENTS: usize = 12;

/// Source: the MessagePack specification.
const MSGPACK_TRUE: u8 = 0xc3;

#[cfg(test)]
mod tests;
