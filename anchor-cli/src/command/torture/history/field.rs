//! The fields of a line: checked where they are read, and never shown otherwise than they are written.

use std::fmt;

use anchor_core::code::Code;
use anchor_core::id::{RoomId, Seq};
use anchor_core::publish::Durability;
use anchor_core::resume::GapReason;
use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes, as twice as many hexadecimal digits.
#[derive(Clone, Copy)]
pub(crate) struct Hex<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| D::Error::custom(format_args!("{text:?} is not {} of 0-9 a-f", 2 * N)))
    }
}

/// True for what may be left out.
pub(crate) const fn is_zero(nonce: &u32) -> bool {
    *nonce == 0
}

/// A number of a publish.
pub(crate) mod seq {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(seq: &Seq, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(seq.get())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seq, D::Error> {
        Seq::new(u64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The name of a room.
pub(crate) mod room {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(room: &RoomId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(room.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RoomId, D::Error> {
        RoomId::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Names of rooms.
pub(crate) mod rooms {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(rooms: &[RoomId], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rooms.iter().map(RoomId::as_str))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RoomId>, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names.into_iter().map(|name| RoomId::new(name).map_err(D::Error::custom)).collect()
    }
}

/// Things that have a name on the wire.
macro_rules! named {
    ($module:ident, $type:ty) => {
        pub(crate) mod $module {
            use super::*;

            pub(crate) fn serialize<S: Serializer>(value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.name())
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let name = String::deserialize(deserializer)?;
                <$type>::from_name(&name)
                    .ok_or_else(|| D::Error::custom(format_args!("{name:?} is no {}", stringify!($module))))
            }
        }
    };
}

named!(code, Code);
named!(durability, Durability);
named!(reason, GapReason);
