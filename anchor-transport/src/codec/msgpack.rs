//! Values as MessagePack. Events are written and read by the core: its stored bytes are those of the wire.

use std::borrow::Cow;

use anchor_core::event::{Body, Event, encoding};
use anchor_core::id::NUMBER_MAX;
use anchor_core::msgpack::{self, Malformed, write};
use anchor_core::run::Run;
use bytes::Bytes;

use super::kind::FrameKind;
use super::value::{MISSING, Reader, TOO_LARGE, Writer};

/// Writes one frame.
#[derive(Debug)]
pub(super) struct FrameWriter(Vec<u8>);

impl FrameWriter {
    /// Appends to `output`.
    pub(super) fn new(output: Vec<u8>) -> Self {
        Self(output)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

impl Writer for FrameWriter {
    fn open(&mut self, elements: usize) {
        write::array(&mut self.0, elements);
    }

    fn close(&mut self) {}

    fn kind(&mut self, kind: FrameKind) {
        self.number(kind.number().into());
    }

    fn nil(&mut self) {
        write::nil(&mut self.0);
    }

    fn flag(&mut self, flag: bool) {
        write::bool(&mut self.0, flag);
    }

    fn number(&mut self, number: u64) {
        write::uint(&mut self.0, number);
    }

    fn text(&mut self, text: &str) {
        write::str(&mut self.0, text);
    }

    fn fixed(&mut self, bytes: &[u8]) {
        write::bin(&mut self.0, bytes);
    }

    fn body(&mut self, body: Option<&Body>) {
        encoding::write_body(&mut self.0, body);
    }

    fn event(&mut self, event: &Event) {
        encoding::write_event(&mut self.0, event);
    }

    fn runs(&mut self, runs: &[Run]) {
        self.open(runs.iter().map(Run::len).sum());
        runs.iter().for_each(|run| self.0.extend_from_slice(run.encoded()));
        self.close();
    }
}

/// Reads one frame.
#[derive(Debug)]
pub(super) struct FrameReader<'a> {
    values: msgpack::Reader<'a>,
    /// Elements left of the array it stands in.
    left: usize,
}

impl FrameReader<'_> {
    fn element(&mut self) -> Result<&mut Self, Malformed> {
        self.left = self.left.checked_sub(1).ok_or(MISSING)?;
        Ok(self)
    }
}

impl<'a> Reader<'a> for FrameReader<'a> {
    type Outer = usize;

    fn new(bytes: &'a Bytes) -> Result<Self, Malformed> {
        Ok(Self { values: msgpack::Reader::new(bytes), left: 1 })
    }

    fn whole(bytes: &'a Bytes) -> Result<(), Malformed> {
        let mut reader = Self::new(bytes)?;
        reader.values.skip()?;
        reader.finish()
    }

    fn finish(self) -> Result<(), Malformed> {
        if self.values.is_empty() { Ok(()) } else { Err(Malformed("bytes follow the frame")) }
    }

    fn open(&mut self) -> Result<usize, Malformed> {
        let elements = self.element()?.values.array()?;
        Ok(std::mem::replace(&mut self.left, elements))
    }

    fn close(&mut self, outer: usize) -> Result<(), Malformed> {
        let left = std::mem::replace(&mut self.left, outer);
        (0..left).try_for_each(|_| self.values.skip())
    }

    fn more(&mut self) -> Result<bool, Malformed> {
        Ok(self.left > 0)
    }

    fn nil(&mut self) -> Result<bool, Malformed> {
        if self.left == 0 {
            return Ok(true);
        }
        let is_nil = self.values.nil()?;
        self.left -= usize::from(is_nil);
        Ok(is_nil)
    }

    fn kind(&mut self) -> Result<Option<FrameKind>, Malformed> {
        self.number().map(FrameKind::from_number)
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        self.element()?.values.bool()
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let number = self.element()?.values.uint()?;
        if number > NUMBER_MAX { Err(TOO_LARGE) } else { Ok(number) }
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.element()?.values.str().map(Cow::Borrowed)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.element()?.values.fixed()
    }

    fn body(&mut self) -> Result<Option<Body>, Malformed> {
        self.left = self.left.checked_sub(2).ok_or(MISSING)?;
        encoding::read_body(&mut self.values)
    }

    fn event(&mut self) -> Result<Event, Malformed> {
        encoding::read(&mut self.element()?.values)
    }
}
