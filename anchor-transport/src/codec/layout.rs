//! The one definition of each frame: its fields and their order, for both encodings.
//!
//! Frames of a client are in [`client`], those of a server in [`server`]. What they are made of: [`rooms`] and their
//! members, [`users`], who is [`watching`], what is [`consuming`], what later events [`changes`], and all else in [`parts`].

mod changes;
mod client;
mod consuming;
mod parts;
mod rooms;
mod server;
mod users;
mod watching;

use anchor_core::code::Code;
use anchor_core::msgpack::Malformed;

pub(super) use self::client::{client_size_hint, read_client, write_client};
pub(super) use self::server::{read_server, server_size_hint, write_page, write_run, write_server};
use super::value::Reader;

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// The code of the answer, where the bytes are well-formed and an id is known.
    pub(super) code: Code,
    /// The innermost field concerned; empty if none is.
    pub(super) field: &'static str,
    /// Which rule it breaks.
    pub(super) why: &'static str,
}

impl Fault {
    /// A frame of a type that is not known, or that goes the other way.
    pub(super) const UNSUPPORTED: Self =
        Self { code: Code::Unsupported, field: "", why: "a type that this version does not take" };

    const fn new(code: Code, why: &'static str) -> Self {
        Self { code, field: "", why }
    }

    const fn invalid(why: &'static str) -> Self {
        Self::new(Code::Invalid, why)
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed(why): Malformed) -> Self {
        Self::invalid(why)
    }
}

/// Reads fields by name and lists with a bound.
trait Fields<'a>: Reader<'a> {
    /// A value, whose fault names the field.
    fn field<T, E: Into<Fault>>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, Fault> {
        read(self).map_err(|error| {
            let fault = error.into();
            if fault.field.is_empty() { Fault { field: name, ..fault } } else { fault }
        })
    }

    /// A value that may be absent.
    fn option<T, E: Into<Fault>>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Option<T>, Fault> {
        self.field(name, |reader| match reader.nil()? {
            true => Ok(None),
            false => read(reader).map(Some).map_err(Into::into),
        })
    }

    /// An array of values, whose elements beyond those read are passed over.
    fn array<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.field(name, |reader| {
            let outer = reader.open()?;
            let value = read(reader)?;
            reader.close(outer)?;
            Ok::<T, Fault>(value)
        })
    }

    /// An array of alike items, at most `max` of them, else `too_many`; an absent one is empty.
    fn list<T>(
        &mut self,
        name: &'static str,
        (max, too_many): (usize, Code),
        mut read: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        if self.nil()? {
            return Ok(Vec::new());
        }
        self.array(name, |reader| {
            let mut items = Vec::new();
            while reader.more()? {
                if items.len() == max {
                    return Err(Fault::new(too_many, "more entries than the limit"));
                }
                items.push(read(reader)?);
            }
            Ok(items)
        })
    }
}

impl<'a, R: Reader<'a>> Fields<'a> for R {}

/// Lists of a server are as long as its frames allow; each entry was read before the next is stored.
const ANY_NUMBER: (usize, Code) = (usize::MAX, Code::Invalid);
