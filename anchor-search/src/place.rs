//! Where a hit stands among all hits: a total order, the newest first, that a search goes on in.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use anchor_core::id::RoomId;
use anchor_core::position::{Epoch, Offset};

/// A message that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// In which room.
    pub room: RoomId,
    /// In which history.
    pub epoch: Epoch,
    /// At which offset.
    pub offset: Offset,
    /// When, in milliseconds since the Unix epoch.
    pub ts: u64,
    /// The event that the words are of: the message itself, or its newest edit. Who may not read that must not learn that it
    /// matches.
    pub version: Offset,
}

/// The place of a hit: newer times come first, in one room higher offsets.
///
/// Two hits are at the same place only where they have one time and one offset, and ids of rooms with the same 64 bits of BLAKE3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) ts: u64,
    pub(crate) offset: u64,
    pub(crate) tie: u64,
}

/// A text that is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what to go on behind is none of the places of an earlier answer")]
pub struct NoPlace;

impl Match {
    /// Where it stands among all hits.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { ts: self.ts, offset: self.offset.0, tie: tie(&self.room) }
    }
}

impl Ord for Place {
    /// In the order of an answer.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |place: &Self| Reverse((place.ts, place.offset, place.tie));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{:016x}", self.ts, self.offset, self.tie)
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(NoPlace);
        let (ts, offset, tie) = (part()?, part()?, part()?);
        let place = Self {
            ts: ts.parse().map_err(|_| NoPlace)?,
            offset: offset.parse().map_err(|_| NoPlace)?,
            tie: u64::from_str_radix(tie, 16).map_err(|_| NoPlace)?,
        };
        // One way to write each, so that nothing else passes for one.
        if place.to_string() == text { Ok(place) } else { Err(NoPlace) }
    }
}

/// What decides between two rooms.
pub(crate) fn tie(room: &RoomId) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&blake3::hash(room.as_str().as_bytes()).as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}
