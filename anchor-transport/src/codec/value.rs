//! What both encodings can write and read: the values that frames are made of.
//!
//! A frame is an array of values, arrays among them. Readers keep count of the array they stand in: an element that is
//! not there any more reads as absent, and what is left over at the end is passed over.

use std::borrow::Cow;

use anchor_core::event::{Body, Event, MENTIONS_MAX, Mentions};
use anchor_core::id::UserId;
use anchor_core::msgpack::Malformed;
use anchor_core::run::Run;
use bytes::Bytes;

use super::kind::FrameKind;

/// Writes values one after another.
pub(super) trait Writer: Sized {
    /// Begins an array of so many elements, which follow.
    fn open(&mut self, elements: usize);

    /// Ends the array begun last.
    fn close(&mut self);

    /// The type of a frame.
    fn kind(&mut self, kind: FrameKind);

    /// An absent value.
    fn nil(&mut self);

    /// Yes or no.
    fn flag(&mut self, flag: bool);

    /// A number of at most 2^53 - 1.
    fn number(&mut self, number: u64);

    /// A text.
    fn text(&mut self, text: &str);

    /// Bytes of a length that the reader knows.
    fn fixed(&mut self, bytes: &[u8]);

    /// Two elements: content type and body.
    fn body(&mut self, body: Option<&Body>);

    /// Mentions, as an array.
    fn mentions(&mut self, mentions: &Mentions) {
        self.open(2);
        self.flag(mentions.room);
        self.list(&mentions.users, |writer, user| writer.text(user.as_str()));
        self.close();
    }

    /// An event, as an array.
    fn event(&mut self, event: &Event);

    /// The events of runs, as one array.
    ///
    /// Events that do not decode (a damaged store) are logged, and they and all behind them in their run are missing in
    /// JSON: what follows does not fit then, and no reader takes it. MessagePack takes them as they are.
    fn runs(&mut self, runs: &[Run]);

    /// A value that may be absent.
    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.nil(),
        }
    }

    /// An array of alike items.
    fn list<'t, T: 't>(&mut self, items: &'t [T], mut write: impl FnMut(&mut Self, &'t T)) {
        self.open(items.len());
        items.iter().for_each(|item| write(self, item));
        self.close();
    }
}

/// Reads values one after another. Every error leaves the reader at an unknown place: nothing is read after it.
pub(super) trait Reader<'a>: Sized {
    /// What is remembered of an array while one inside of it is read.
    type Outer;

    /// Stands before the one value that `bytes` are.
    fn new(bytes: &'a Bytes) -> Result<Self, Malformed>;

    /// Checks that `bytes` are one whole value, whatever it is.
    fn whole(bytes: &'a Bytes) -> Result<(), Malformed>;

    /// Checks that nothing follows.
    fn finish(self) -> Result<(), Malformed>;

    /// Takes an element that is an array and stands before its first element.
    fn open(&mut self) -> Result<Self::Outer, Malformed>;

    /// Passes over what is left of the array that was opened last.
    fn close(&mut self, outer: Self::Outer) -> Result<(), Malformed>;

    /// True if another element follows in this array.
    fn more(&mut self) -> Result<bool, Malformed>;

    /// True if the next element is absent; it is taken then.
    fn nil(&mut self) -> Result<bool, Malformed>;

    /// The type of a frame; `None` for one that this version does not know.
    fn kind(&mut self) -> Result<Option<FrameKind>, Malformed>;

    /// Takes yes or no.
    fn flag(&mut self) -> Result<bool, Malformed>;

    /// Takes a number of at most 2^53 - 1.
    fn number(&mut self) -> Result<u64, Malformed>;

    /// Takes a text.
    fn text(&mut self) -> Result<Cow<'a, str>, Malformed>;

    /// Takes `N` bytes.
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed>;

    /// Takes two elements, content type and body, which are both there; `None` if the body is nil.
    fn body(&mut self) -> Result<Option<Body>, Malformed>;

    /// Takes mentions that may be absent.
    fn mentions(&mut self) -> Result<Option<Mentions>, Malformed> {
        if self.nil()? {
            return Ok(None);
        }
        let outer = self.open()?;
        let room = self.flag()?;
        let inner = self.open()?;
        let mut users = Vec::new();
        while self.more()? {
            if users.len() == MENTIONS_MAX {
                return Err(TOO_MANY_MENTIONS);
            }
            users.push(UserId::new(self.text()?).map_err(|_| NOT_A_USER)?);
        }
        self.close(inner)?;
        self.close(outer)?;
        Mentions::new(room, users).map(Some).map_err(|_| TOO_MANY_MENTIONS)
    }

    /// Takes an event.
    fn event(&mut self) -> Result<Event, Malformed>;
}

/// A number above what every language holds exactly.
pub(super) const TOO_LARGE: Malformed = Malformed("a number above 2^53 - 1");

/// A text that is no id of a user.
pub(super) const NOT_A_USER: Malformed = Malformed("not a user id");

/// More users than one message calls.
const TOO_MANY_MENTIONS: Malformed = Malformed("more mentions than a message has");

/// An element that must be there is not.
pub(super) const MISSING: Malformed = Malformed("a value is missing");
