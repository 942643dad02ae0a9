//! How stored values are written and read: MessagePack arrays, the same pieces everywhere.
//!
//! Reading is [`anchor_core::msgpack::Reader`]. Every array may grow at its end: a reader passes over further elements.

use anchor_core::code::Code;
use anchor_core::id::{NUMBER_MAX, Seq};
use anchor_core::msgpack::{Malformed, Reader, write};
use anchor_core::position::{Chain, Epoch, Mark, Offset, Ordinal};
use anchor_core::publish::Refusal;
use anchor_core::run::Contents;

/// Writes MessagePack into a buffer that grows.
#[derive(Debug, Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn array(&mut self, length: usize) -> &mut Self {
        write::array(&mut self.0, length);
        self
    }

    pub(crate) fn uint(&mut self, number: u64) -> &mut Self {
        write::uint(&mut self.0, number);
        self
    }

    pub(crate) fn bin(&mut self, bytes: &[u8]) -> &mut Self {
        write::bin(&mut self.0, bytes);
        self
    }

    pub(crate) fn str(&mut self, text: &str) -> &mut Self {
        write::str(&mut self.0, text);
        self
    }

    pub(crate) fn nil(&mut self) -> &mut Self {
        write::nil(&mut self.0);
        self
    }

    pub(crate) fn bool(&mut self, flag: bool) -> &mut Self {
        write::bool(&mut self.0, flag);
        self
    }

    /// A text, or nil.
    pub(crate) fn optional(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.str(text),
            None => self.nil(),
        }
    }

    pub(crate) fn mark(&mut self, mark: Mark) -> &mut Self {
        self.array(3).uint(mark.offset.0).uint(mark.ordinal.0).bin(mark.chain.as_bytes())
    }

    /// Several pieces as one binary value.
    pub(crate) fn bin_of(&mut self, pieces: &[&[u8]]) -> &mut Self {
        write::bin_length(&mut self.0, pieces.iter().map(|piece| piece.len()).sum());
        pieces.iter().for_each(|piece| self.0.extend_from_slice(piece));
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn clear(&mut self) -> &mut Self {
        self.0.clear();
        self
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Makes room for `bytes` more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// Lets go of memory beyond `bytes` that it is not using.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        self.0.shrink_to(bytes);
    }
}

/// Reads an array of at least `known` elements with `read` and passes over the further ones.
pub(crate) fn fields<'a, T>(
    reader: &mut Reader<'a>,
    known: usize,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let further = reader.array()?.checked_sub(known).ok_or(Malformed("a stored array is too short"))?;
    let value = read(reader)?;
    (0..further).try_for_each(|_| reader.skip())?;
    Ok(value)
}

/// Reads an array of `least` to `known` elements with `read`, which is told how many there are; passes over further ones.
pub(crate) fn growing_fields<'a, T>(
    reader: &mut Reader<'a>,
    least: usize,
    known: usize,
    read: impl FnOnce(&mut Reader<'a>, usize) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let length = reader.array()?;
    if length < least {
        return Err(Malformed("a stored array is too short"));
    }
    let value = read(reader, length.min(known))?;
    (known..length).try_for_each(|_| reader.skip())?;
    Ok(value)
}

/// Reads the bits that say what is among some events.
pub(crate) fn read_contents(reader: &mut Reader<'_>) -> Result<Contents, Malformed> {
    let bits = u8::try_from(reader.uint()?).map_err(|_| Malformed("contents above 8 bits"))?;
    Ok(Contents::from_bits(bits))
}

/// Reads an array of any length, element by element.
pub(crate) fn list<'a, T>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let length = reader.array()?;
    (0..length).map(|_| read(reader)).collect()
}

/// A number that the wire can carry, as every one does that comes from an event or goes into one.
pub(crate) fn read_number(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let number = reader.uint()?;
    if number > NUMBER_MAX { Err(Malformed("a number above 2^53 - 1")) } else { Ok(number) }
}

/// An index into a list of the same value.
pub(crate) fn read_index(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    usize::try_from(reader.uint()?).map_err(|_| Malformed("an index beyond memory"))
}

pub(crate) fn read_offset(reader: &mut Reader<'_>) -> Result<Offset, Malformed> {
    read_number(reader).map(Offset)
}

pub(crate) fn read_mark(reader: &mut Reader<'_>) -> Result<Mark, Malformed> {
    fields(reader, 3, |reader| {
        Ok(Mark {
            offset: read_offset(reader)?,
            ordinal: Ordinal(read_number(reader)?),
            chain: Chain::from_bytes(reader.fixed()?),
        })
    })
}

pub(crate) fn read_epoch(reader: &mut Reader<'_>) -> Result<Epoch, Malformed> {
    reader.fixed().map(Epoch::from_bytes)
}

pub(crate) fn read_seq(reader: &mut Reader<'_>) -> Result<Seq, Malformed> {
    Seq::new(reader.uint()?).map_err(|_| Malformed("not a seq"))
}

pub(crate) fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, Malformed> {
    let code = Code::from_name(reader.str()?).ok_or(Malformed("a code this version does not know"))?;
    Ok(Refusal { code, message: reader.str()?.to_owned() })
}

#[cfg(test)]
mod tests;
