//! The key of an event: what names it among all events of all rooms, for whoever gets it more than once.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::id::RoomId;
use crate::position::{Epoch, Offset};

/// Names one event of one room for ever: `room/epoch/offset`, the epoch as 16 hex digits. The idempotency key of whatever is
/// derived from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Which room.
    pub room: RoomId,
    /// In which history it was written.
    pub epoch: Epoch,
    /// Its place.
    pub offset: Offset,
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.room, self.epoch, self.offset)
    }
}

impl FromStr for EventKey {
    type Err = InvalidEventKey;

    fn from_str(text: &str) -> Result<Self, InvalidEventKey> {
        let mut parts = text.splitn(3, '/');
        let mut next = || parts.next().ok_or(InvalidEventKey);
        let room = RoomId::new(next()?).map_err(|_| InvalidEventKey)?;
        let epoch = Epoch::from_hex(next()?).ok_or(InvalidEventKey)?;
        let offset = offset(next()?).ok_or(InvalidEventKey)?;
        Ok(Self { room, epoch, offset })
    }
}

/// The offset that is written like this: one key has one text.
fn offset(digits: &str) -> Option<Offset> {
    let is_written_so =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    is_written_so.then(|| digits.parse().ok().map(Offset)).flatten()
}

/// A text that is no key of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the key of an event is room/epoch/offset, as in lobby/8f1c2d3e4a5b6c7d/17")]
pub struct InvalidEventKey;

#[cfg(test)]
mod tests {
    use super::EventKey;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let text = "@ed97257b4a4010a6e6b3787cee0d7ed3/8f1c2d3e4a5b6c7d/17";
        assert_eq!(text.parse::<EventKey>().unwrap().to_string(), text);
        for wrong in [
            "",
            "lobby",
            "lobby/8f1c2d3e4a5b6c7d",
            "lobby/8F1c2d3e4a5b6c7d/17",
            "lobby/1/17",
            "a/8f1c2d3e4a5b6c7d/1/2",
            "Lobby/8f1c2d3e4a5b6c7d/1",
            "lobby/8f1c2d3e4a5b6c7d/+17",
            "lobby/8f1c2d3e4a5b6c7d/017",
            "lobby/8f1c2d3e4a5b6c7d/",
        ] {
            assert!(wrong.parse::<EventKey>().is_err(), "{wrong}");
        }
    }
}
