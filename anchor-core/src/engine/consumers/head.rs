//! What is kept of a consumer: a record for itself, its *head*, and one for each room that it has taken something of.
//!
//! ```text
//! consumer/host/NAME              [generation, series, room or -, paused, holder or -]
//! consumed/host/NAME/SERIES/ROOM  [epoch, offset, chain]
//! ```
//!
//! (`user/HEX` in the place of `host` for what is a user's: the bytes of the user id as hex digits.) The head guards
//! every write of a position: who opens the consumer raises `generation`, and whoever held it before writes nothing any more.
//! `holder` names the client for whose session that was, so that it goes on after a lost connection, and nobody else does.
//! A *series* is one way through the logs: a replay begins another, in one write, whatever positions there are. Those of
//! earlier series are taken away when the consumer is opened.

use std::fmt::Write as _;

use super::name::{ConsumerId, ConsumerName, Scope};
use crate::environment::Environment;
use crate::id::{ClientTag, RoomId, UserId};
use crate::msgpack::{Malformed, Reader, write};
use crate::position::{Chain, Epoch, Offset, Position};
use crate::record::RecordKey;

/// One way of a consumer through the logs, which a replay ends: random. What is done of one counts for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series(u64);

impl Series {
    /// The series that goes by these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// The bytes that it goes by.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub(super) fn random(env: &dyn Environment) -> Self {
        let mut bytes = [0; 8];
        env.fill_random(&mut bytes);
        Self::from_bytes(bytes)
    }
}

/// The record of a consumer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Raised by whoever opens the consumer.
    pub(super) generation: u64,
    pub(super) series: Series,
    pub(super) scope: Scope,
    pub(super) paused: bool,
    /// The client for whose session it was opened; none where the host did.
    pub(super) holder: Option<ClientTag>,
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        write::array(&mut out, 5);
        write::uint(&mut out, self.generation);
        write::uint(&mut out, self.series.0);
        match &self.scope {
            Scope::Room(room) => write::str(&mut out, room.as_str()),
            Scope::All => write::nil(&mut out),
        }
        write::bool(&mut out, self.paused);
        match &self.holder {
            Some(holder) => write::bin(&mut out, holder.as_bytes()),
            None => write::nil(&mut out),
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::from_slice(bytes);
        if reader.array()? < 5 {
            return Err(Malformed("a consumer of fewer than 5 elements"));
        }
        Ok(Self {
            generation: reader.uint()?,
            series: Series(reader.uint()?),
            scope: match reader.nil()? {
                true => Scope::All,
                false => Scope::Room(RoomId::new(reader.str()?).map_err(|_| Malformed("not a room id"))?),
            },
            paused: reader.bool()?,
            holder: match reader.nil()? {
                true => None,
                false => Some(ClientTag::from_bytes(reader.fixed()?)),
            },
        })
    }
}

/// A position as it is kept; the start is no record.
pub(super) fn encode_position(position: &Position) -> Option<Vec<u8>> {
    let epoch = position.epoch.filter(|_| position.offset > Offset::ZERO)?;
    let mut out = Vec::with_capacity(32);
    write::array(&mut out, 3);
    write::bin(&mut out, epoch.as_bytes());
    write::uint(&mut out, position.offset.0);
    write::bin(&mut out, position.chain.as_bytes());
    Some(out)
}

/// A position as it was kept.
pub(super) fn decode_position(bytes: &[u8]) -> Result<Position, Malformed> {
    let mut reader = Reader::from_slice(bytes);
    if reader.array()? < 3 {
        return Err(Malformed("a position of fewer than 3 elements"));
    }
    Ok(Position {
        epoch: Some(Epoch::from_bytes(reader.fixed()?)),
        offset: Offset(reader.uint()?),
        chain: Chain::from_bytes(reader.fixed()?),
    })
}

/// Of which consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All there are: the host's, then the users'.
    All,
    /// The host's.
    Host,
    /// Those of a user.
    User(UserId),
}

impl Whose {
    /// With what the keys of their heads begin.
    pub(super) fn prefix(&self) -> String {
        match self {
            Self::All => "consumer/".to_owned(),
            Self::Host => format!("consumer/{}/", place_of(None)),
            Self::User(user) => format!("consumer/{}/", place_of(Some(user))),
        }
    }
}

/// The key of a consumer's head.
pub(super) fn head_key(id: &ConsumerId) -> RecordKey {
    key(format!("consumer/{}/{}", place_of(id.owner.as_ref()), id.name))
}

/// Which consumer's head it is that has that key.
pub(super) fn id_of(key: &RecordKey) -> Option<ConsumerId> {
    let (place, name) = key.as_str().strip_prefix("consumer/")?.rsplit_once('/')?;
    let name = ConsumerName::new(name).ok()?;
    let owner = match place.strip_prefix("user/") {
        None => None,
        Some(hex) => Some(user_of(hex)?),
    };
    Some(ConsumerId { owner, name })
}

/// With what the keys of all positions of a consumer begin.
pub(super) fn positions_prefix(id: &ConsumerId) -> String {
    format!("consumed/{}/{}/", place_of(id.owner.as_ref()), id.name)
}

/// With what the keys of its positions in a series begin.
pub(super) fn series_prefix(id: &ConsumerId, series: Series) -> String {
    format!("{}{:016x}/", positions_prefix(id), series.0)
}

/// The key of a position; `prefix` is that of the series.
pub(super) fn position_key(prefix: &str, room: &RoomId) -> RecordKey {
    key(format!("{prefix}{room}"))
}

/// Which room's position it is that has that key.
pub(super) fn room_of(prefix: &str, key: &RecordKey) -> Option<RoomId> {
    RoomId::new(key.as_str().strip_prefix(prefix)?).ok()
}

/// A key behind all those that begin with `prefix`.
pub(super) fn behind(prefix: &str) -> RecordKey {
    key(format!("{prefix}\u{10ffff}"))
}

fn place_of(owner: Option<&UserId>) -> String {
    let Some(owner) = owner else { return "host".to_owned() };
    let mut place = "user/".to_owned();
    for byte in owner.as_str().bytes() {
        // Writing to a string does not fail.
        let _ = write!(place, "{byte:02x}");
    }
    place
}

fn user_of(hex: &str) -> Option<UserId> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<_>> = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    UserId::new(std::str::from_utf8(&bytes?).ok()?).ok()
}

fn key(text: String) -> RecordKey {
    RecordKey::new(text).expect("two ids, a name and a few words are a key")
}
