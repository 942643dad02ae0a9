//! The reader of JSON: goes over the text once and builds no tree.
//!
//! Strings without escapes are borrowed; others are left to `serde_json`, and so is what is passed over.

use std::borrow::Cow;

use anchor_core::event::{Body, Event, EventKind};
use anchor_core::id::{ClientTag, NUMBER_MAX, Nonce, Seq, UserId};
use anchor_core::msgpack::{DEPTH_MAX, Malformed};
use anchor_core::position::{Chain, Offset, Ordinal};
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::super::kind::FrameKind;
use super::super::value::{MISSING, NOT_A_USER, Reader, TOO_LARGE};

/// Reads one frame.
#[derive(Debug)]
pub(in super::super) struct FrameReader<'a> {
    shared: &'a Bytes,
    rest: &'a str,
    /// True before the first element of an array.
    first: bool,
}

impl<'a> FrameReader<'a> {
    fn blank(&mut self) {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let blank = self.rest.bytes().take_while(|byte| is_blank(byte)).count();
        self.rest = &self.rest[blank..];
    }

    /// Takes `token` if it comes next, white space before it included.
    fn take(&mut self, token: &str) -> bool {
        self.blank();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str, otherwise: &'static str) -> Result<(), Malformed> {
        if self.take(token) { Ok(()) } else { Err(Malformed(otherwise)) }
    }

    /// Goes to the next element of the array, which is there.
    fn element(&mut self) -> Result<(), Malformed> {
        if !self.more()? {
            return Err(MISSING);
        }
        if !self.first {
            self.expect(",", NO_COMMA)?;
        }
        self.first = false;
        self.blank();
        Ok(())
    }

    /// Takes a string that comes next: its text, borrowed where nothing is escaped.
    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.blank();
        let inside = self.rest.strip_prefix('"').ok_or(Malformed("expected a string"))?;
        let length = plain_length(inside.as_bytes());
        if inside.as_bytes().get(length) == Some(&b'"') {
            self.rest = &inside[length + 1..];
            return Ok(Cow::Borrowed(&inside[..length]));
        }
        self.parse().map(Cow::Owned).ok_or(Malformed("a string with a wrong escape, or without an end"))
    }

    /// Takes a string that comes next, sharing the bytes of the frame where nothing is escaped.
    fn string_bytes(&mut self) -> Result<Bytes, Malformed> {
        Ok(match self.string()? {
            Cow::Borrowed(text) => self.shared.slice_ref(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        })
    }

    /// Takes `{"b64": …}`.
    fn base64(&mut self) -> Result<Bytes, Malformed> {
        self.expect("{", NO_BASE64)?;
        self.blank();
        if self.string()? != "b64" {
            return Err(Malformed(NO_BASE64));
        }
        self.expect(":", NO_BASE64)?;
        self.blank();
        let digits = self.string()?;
        self.expect("}", NO_BASE64)?;
        let bytes = BASE64.decode(digits.as_bytes()).map_err(|_| Malformed("not base64 with its padding"))?;
        Ok(bytes.into())
    }

    /// Passes over the value that comes next, whatever it is.
    fn skip(&mut self) -> Result<(), Malformed> {
        let before = self.rest;
        let IgnoredAny = self.parse().ok_or(Malformed("not JSON"))?;
        let skipped = &before[..before.len() - self.rest.len()];
        if depth(skipped) > DEPTH_MAX { Err(Malformed("nested too deep")) } else { Ok(()) }
    }

    /// Takes the value that comes next, as `serde_json` reads it.
    fn parse<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter();
        let value = values.next()?.ok()?;
        self.rest = &self.rest[values.byte_offset()..];
        Some(value)
    }
}

impl<'a> Reader<'a> for FrameReader<'a> {
    type Outer = ();

    fn new(bytes: &'a Bytes) -> Result<Self, Malformed> {
        let rest = std::str::from_utf8(bytes).map_err(|_| Malformed("text is not valid UTF-8"))?;
        Ok(Self { shared: bytes, rest, first: true })
    }

    fn whole(bytes: &'a Bytes) -> Result<(), Malformed> {
        let mut reader = Self::new(bytes)?;
        reader.blank();
        reader.skip()?;
        reader.finish()
    }

    fn finish(mut self) -> Result<(), Malformed> {
        self.blank();
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("text follows the frame")) }
    }

    fn open(&mut self) -> Result<(), Malformed> {
        self.element()?;
        self.expect("[", "expected an array")?;
        self.first = true;
        Ok(())
    }

    fn close(&mut self, (): ()) -> Result<(), Malformed> {
        while self.more()? {
            self.element()?;
            self.skip()?;
        }
        self.first = false;
        self.expect("]", NO_COMMA)
    }

    fn more(&mut self) -> Result<bool, Malformed> {
        self.blank();
        match (self.rest.as_bytes().first(), self.first) {
            (None, _) => Err(Malformed("ends too early")),
            (Some(b']'), _) => Ok(false),
            (Some(b','), false) | (Some(_), true) => Ok(true),
            (Some(_), false) => Err(Malformed(NO_COMMA)),
        }
    }

    fn nil(&mut self) -> Result<bool, Malformed> {
        if !self.more()? {
            return Ok(true);
        }
        let (rest, first) = (self.rest, self.first);
        self.element()?;
        let is_nil = self.take("null");
        if !is_nil {
            (self.rest, self.first) = (rest, first);
        }
        Ok(is_nil)
    }

    fn kind(&mut self) -> Result<Option<FrameKind>, Malformed> {
        self.text().map(|name| FrameKind::from_name(&name))
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        self.element()?;
        match self.take("true") {
            true => Ok(true),
            false => self.expect("false", "expected true or false").map(|()| false),
        }
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        self.element()?;
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        if digits == 0 || rest.starts_with(['.', 'e', 'E']) || (digits > 1 && number.starts_with('0')) {
            return Err(Malformed("expected an unsigned integer"));
        }
        self.rest = rest;
        number.parse().ok().filter(|number| *number <= NUMBER_MAX).ok_or(TOO_LARGE)
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.element()?;
        self.string()
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let digits = self.text()?;
        let mut bytes = [0; N];
        if digits.len() != 2 * N {
            return Err(Malformed("hex of another length than expected"));
        }
        HEXLOWER.decode_mut(digits.as_bytes(), &mut bytes).map_err(|_| Malformed("not lower-case hex"))?;
        Ok(bytes)
    }

    fn body(&mut self) -> Result<Option<Body>, Malformed> {
        let content_type = if self.nil()? { None } else { Some(self.text()?) };
        if !self.more()? {
            return Err(MISSING);
        }
        if self.nil()? {
            return Ok(None);
        }
        self.element()?;
        let is_text = content_type.as_deref().is_none_or(|name| name.starts_with("text/"));
        let bytes = if is_text { self.string_bytes()? } else { self.base64()? };
        Body::new(content_type.as_deref(), bytes)
            .map(Some)
            .map_err(|_| Malformed("not a body of its content type"))
    }

    fn event(&mut self) -> Result<Event, Malformed> {
        self.open()?;
        let mut event = Event {
            offset: Offset(self.number()?),
            ordinal: Ordinal(self.number()?),
            chain: Chain::from_bytes(self.fixed()?),
            ts: self.number()?,
            user: UserId::new(self.text()?).map_err(|_| NOT_A_USER)?,
            client: ClientTag::from_bytes(self.fixed()?),
            seq: Seq::new(self.number()?).map_err(|_| TOO_LARGE)?,
            nonce: Nonce(u32::try_from(self.number()?).map_err(|_| Malformed("a nonce above 32 bits"))?),
            kind: EventKind(u16::try_from(self.number()?).map_err(|_| Malformed("a kind above 16 bits"))?),
            target: if self.nil()? { None } else { Some(Offset(self.number()?)) },
            body: self.body()?,
        };
        if let Some(mentions) = self.mentions()? {
            event.body = event.body.map(|body| body.mentioning(mentions));
        }
        self.close(())?;
        Ok(event)
    }
}

/// Bytes up to a quote, a backslash or a control character.
fn plain_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(bytes.len())
}

/// How deep arrays and objects nest in a well-formed text.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

const NO_COMMA: &str = "expected a comma or the end of an array";

const NO_BASE64: &str = "expected {\"b64\": \"…\"}";
