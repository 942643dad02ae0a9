//! A checked reader of MessagePack over shared bytes: what events, frames and stored values are decoded with.
//!
//! Never panics, never allocates by an announced length, refuses nesting deeper than [`DEPTH_MAX`]. Writing is
//! [`mod@write`].

pub mod write;

use bytes::Bytes;
use rmp::Marker;
use rmp::decode::{self, NumValueReadError};
use thiserror::Error;

/// Deepest nesting that is skipped over. Source: chosen; the protocol nests four deep.
pub const DEPTH_MAX: usize = 16;

/// Reads values one after another from `bytes`.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    shared: Option<&'a Bytes>,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from bytes that are shared: [`Reader::to_bytes`] then gives slices of them without copying.
    #[must_use]
    pub fn new(bytes: &'a Bytes) -> Self {
        Self { shared: Some(bytes), rest: bytes }
    }

    /// Reads from plain bytes.
    #[must_use]
    pub const fn from_slice(bytes: &'a [u8]) -> Self {
        Self { shared: None, rest: bytes }
    }

    /// True once everything was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes not yet read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The marker of the next value, without taking it.
    ///
    /// # Errors
    /// [`Malformed`] at the end of the bytes.
    pub fn peek(&self) -> Result<Marker, Malformed> {
        self.rest.first().map(|byte| Marker::from_u8(*byte)).ok_or(Malformed("ends too early"))
    }

    /// Takes a nil if one comes next.
    ///
    /// # Errors
    /// [`Malformed`] at the end of the bytes.
    pub fn nil(&mut self) -> Result<bool, Malformed> {
        let is_nil = self.peek()? == Marker::Null;
        if is_nil {
            self.rest = &self.rest[1..];
        }
        Ok(is_nil)
    }

    /// Takes true or false.
    ///
    /// # Errors
    /// [`Malformed`] if the next value is neither.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.raw(1)? {
            [0xc3] => Ok(true),
            [0xc2] => Ok(false),
            _ => Err(Malformed("not true or false")),
        }
    }

    /// Takes an array header: the number of elements that follow.
    ///
    /// # Errors
    /// [`Malformed`] if something else comes, or more elements are announced than bytes are left.
    pub fn array(&mut self) -> Result<usize, Malformed> {
        let (taken, length) = match *self.rest {
            [byte @ 0x90..=0x9f, ..] => (1, usize::from(byte & 0x0f)),
            [0xdc, a, b, ..] => (3, u16::from_be_bytes([a, b]).into()),
            [0xdd, a, b, c, d, ..] => (5, u32::from_be_bytes([a, b, c, d]) as usize),
            _ => return Err(Malformed("expected an array")),
        };
        self.rest = &self.rest[taken..];
        if length > self.rest.len() {
            Err(Malformed("an array announces more than there is"))
        } else {
            Ok(length)
        }
    }

    /// Takes an unsigned integer of any width.
    ///
    /// # Errors
    /// [`Malformed`] if something else comes.
    pub fn uint(&mut self) -> Result<u64, Malformed> {
        // As they are written; what is written wider than it needs to be is none the less a number.
        let (taken, number) = match *self.rest {
            [byte @ 0..=0x7f, ..] => (1, u64::from(byte)),
            [U8, byte, ..] => (2, u64::from(byte)),
            [U16, a, b, ..] => (3, u16::from_be_bytes([a, b]).into()),
            [U32, a, b, c, d, ..] => (5, u32::from_be_bytes([a, b, c, d]).into()),
            [U64, a, b, c, d, e, f, g, h, ..] => (9, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            _ => return self.uint_of_another_kind(),
        };
        self.rest = &self.rest[taken..];
        Ok(number)
    }

    #[cold]
    fn uint_of_another_kind(&mut self) -> Result<u64, Malformed> {
        decode::read_int(&mut self.rest)
            .map_err(|_: NumValueReadError<std::io::Error>| Malformed("expected an unsigned integer"))
    }

    /// Takes a string.
    ///
    /// # Errors
    /// [`Malformed`] if something else comes, or it is not UTF-8.
    pub fn str(&mut self) -> Result<&'a str, Malformed> {
        let (taken, length) = match *self.rest {
            [byte @ 0xa0..=0xbf, ..] => (1, usize::from(byte & 0x1f)),
            [0xd9, byte, ..] => (2, byte.into()),
            [0xda, a, b, ..] => (3, u16::from_be_bytes([a, b]).into()),
            [0xdb, a, b, c, d, ..] => (5, u32::from_be_bytes([a, b, c, d]) as usize),
            _ => return Err(Malformed("expected a string")),
        };
        self.rest = &self.rest[taken..];
        std::str::from_utf8(self.raw(length)?).map_err(|_| Malformed("text is not valid UTF-8"))
    }

    /// Takes binary data.
    ///
    /// # Errors
    /// [`Malformed`] if something else comes.
    pub fn bin(&mut self) -> Result<&'a [u8], Malformed> {
        let (taken, length) = match *self.rest {
            [0xc4, byte, ..] => (2, usize::from(byte)),
            [0xc5, a, b, ..] => (3, u16::from_be_bytes([a, b]).into()),
            [0xc6, a, b, c, d, ..] => (5, u32::from_be_bytes([a, b, c, d]) as usize),
            _ => return Err(Malformed("expected binary data")),
        };
        self.rest = &self.rest[taken..];
        self.raw(length)
    }

    /// Takes binary data of exactly `N` bytes.
    ///
    /// # Errors
    /// [`Malformed`] if something else comes, or another length.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bin()?.try_into().map_err(|_| Malformed("binary data of another length than expected"))
    }

    /// Takes `length` bytes as they are.
    ///
    /// # Errors
    /// [`Malformed`] if fewer are left.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed("ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// `taken`, which this reader gave, as [`Bytes`]: shared where the source is, copied else.
    #[must_use]
    pub fn to_bytes(&self, taken: &'a [u8]) -> Bytes {
        match self.shared {
            Some(shared) => shared.slice_ref(taken),
            None => Bytes::copy_from_slice(taken),
        }
    }

    /// Passes over one value, whatever it is.
    ///
    /// # Errors
    /// [`Malformed`] if it is cut short, no MessagePack, or nested deeper than [`DEPTH_MAX`].
    pub fn skip(&mut self) -> Result<(), Malformed> {
        // Nearly everything that is passed over is a short scalar.
        let bytes = self.rest.first().map_or(0, |marker| usize::from(SCALAR_BYTES[usize::from(*marker)]));
        if bytes > 0 {
            return self.raw(bytes).map(drop);
        }
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed("nested too deep"));
        }
        let marker = self.peek()?;
        self.rest = &self.rest[1..];
        let (length, values) = match marker {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => (0, 0),
            Marker::U8 | Marker::I8 => (1, 0),
            Marker::U16 | Marker::I16 => (2, 0),
            Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
            Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
            Marker::FixStr(length) => (usize::from(length), 0),
            Marker::Str8 | Marker::Bin8 => (self.length(1)?, 0),
            Marker::Str16 | Marker::Bin16 => (self.length(2)?, 0),
            Marker::Str32 | Marker::Bin32 => (self.length(4)?, 0),
            Marker::FixExt1 => (2, 0),
            Marker::FixExt2 => (3, 0),
            Marker::FixExt4 => (5, 0),
            Marker::FixExt8 => (9, 0),
            Marker::FixExt16 => (17, 0),
            Marker::Ext8 => (self.length(1)? + 1, 0),
            Marker::Ext16 => (self.length(2)? + 1, 0),
            Marker::Ext32 => (self.length(4)? + 1, 0),
            Marker::FixArray(count) => (0, usize::from(count)),
            Marker::Array16 => (0, self.length(2)?),
            Marker::Array32 => (0, self.length(4)?),
            Marker::FixMap(count) => (0, 2 * usize::from(count)),
            Marker::Map16 => (0, 2 * self.length(2)?),
            Marker::Map32 => (0, 2 * self.length(4)?),
            Marker::Reserved => return Err(Malformed("a reserved marker")),
        };
        self.raw(length)?;
        (0..values).try_for_each(|_| self.skip_nested(depth + 1))
    }

    fn length(&mut self, width: usize) -> Result<usize, Malformed> {
        Ok(self.raw(width)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }
}

/// Markers of unsigned integers. Source: the MessagePack specification.
const U8: u8 = 0xcc;
const U16: u8 = 0xcd;
const U32: u8 = 0xce;
const U64: u8 = 0xcf;

/// Bytes of a value by its marker, that included, where the marker tells; else zero. Source: the MessagePack
/// specification.
const SCALAR_BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut marker: u8 = 0;
    loop {
        bytes[marker as usize] = match marker {
            // Small integers; nil, false, true.
            0..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 1,
            // Short strings.
            0xa0..=0xbf => 1 + (marker & 0x1f),
            U8 | 0xd0 => 2,
            U16 | 0xd1 => 3,
            U32 | 0xd2 | 0xca => 5,
            U64 | 0xd3 | 0xcb => 9,
            _ => 0,
        };
        if marker == u8::MAX {
            break bytes;
        }
        marker += 1;
    }
};

/// Bytes are not what they should be; says in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

#[cfg(test)]
mod tests;
