//! What clients say, in each of the three vocabularies, read into one.

use std::fmt;

use anchor::core::limits::BODY_BYTES_MAX;
use anchor::{RoomId, UserId};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use crate::words::Words;

/// Something that a client asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// To append a message. A room that is not named is the one that was joined.
    Say { words: Words, room: Option<RoomId>, text: String, offset: Option<String> },
    /// To hear a room, from behind an offset or from now on.
    Join { words: Words, room: RoomId, user: Option<UserId>, after: Option<u64> },
    /// To hear it no longer.
    Leave { words: Words, room: RoomId },
    /// To tell the others that it writes, or no longer does.
    Typing { room: Option<RoomId>, sign: Sign },
}

/// What there is to tell about somebody who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Somebody writes, until they stop or five seconds have passed.
    Start,
    /// They no longer do.
    Stop,
    /// Somebody touched a key, in a vocabulary that has no more than that.
    Pulse,
}

/// What a client asks for with an event.
type Read = fn(&Arguments) -> Result<Heard, &'static str>;

/// The events of all three vocabularies.
pub(crate) const EVENTS: [(&str, Read); 11] = [
    ("chat message", |said| said.message(Words::ChatMessage)),
    ("message:send", |said| said.message(Words::MessageNew)),
    ("message", |said| said.message(Words::Message)),
    ("room:join", |said| said.join(Words::MessageNew)),
    ("join", |said| said.join(Words::Message)),
    ("room:leave", |said| Ok(Heard::Leave { words: Words::MessageNew, room: said.named_room()? })),
    ("leave", |said| Ok(Heard::Leave { words: Words::Message, room: said.named_room()? })),
    ("typing:start", |said| Ok(Heard::Typing { room: said.room()?, sign: Sign::Start })),
    ("typing:stop", |said| Ok(Heard::Typing { room: said.room()?, sign: Sign::Stop })),
    ("typing", |said| Ok(Heard::Typing { room: said.room()?, sign: Sign::Pulse })),
    ("stop typing", |said| Ok(Heard::Typing { room: said.room()?, sign: Sign::Stop })),
];

/// The arguments of an event, as many as there are: an object, or a text and what belongs to it.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments(Vec<Value>);

impl Arguments {
    fn message(&self, words: Words) -> Result<Heard, &'static str> {
        let text = self.text().ok_or("a message has a text")?.to_owned();
        if text.len() > BODY_BYTES_MAX {
            return Err("a message has at most 65,536 bytes");
        }
        let room = match &self.0[0] {
            Value::String(_) => None,
            _ => self.room()?,
        };
        let offset = match self.field(&["clientOffset", "tempId"]).or(self.0.get(1)) {
            Some(Value::String(offset)) => Some(offset.clone()),
            Some(Value::Number(offset)) => Some(offset.to_string()),
            _ => None,
        };
        if offset.as_ref().is_some_and(|offset| offset.len() > OFFSET_BYTES_MAX) {
            return Err("a client's offset has at most 256 bytes");
        }
        Ok(Heard::Say { words, room, text, offset })
    }

    fn join(&self, words: Words) -> Result<Heard, &'static str> {
        let user = self.field(&["username"]).map(user_id).transpose()?;
        let after = self.field(&["serverOffset"]).and_then(Value::as_u64);
        Ok(Heard::Join { words, room: self.named_room()?, user, after })
    }

    fn named_room(&self) -> Result<RoomId, &'static str> {
        self.room()?.ok_or("which room?")
    }

    fn room(&self) -> Result<Option<RoomId>, &'static str> {
        let bare = self.0.first().filter(|first| first.is_string());
        let Some(room) = bare.or(self.field(&["roomId", "room"])) else { return Ok(None) };
        let room = room.as_str().and_then(|room| RoomId::new(room).ok());
        room.map(Some).ok_or("a room id is a text of a-z 0-9 . _ - and at most 64 characters")
    }

    fn text(&self) -> Option<&str> {
        let first = self.0.first()?;
        first.as_str().or_else(|| self.field(&["content", "text", "message"])?.as_str())
    }

    fn field(&self, names: &[&str]) -> Option<&Value> {
        let object = self.0.first()?;
        names.iter().find_map(|name| object.get(name)).filter(|value| !value.is_null())
    }
}

/// What a client says of itself when it connects: `auth`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Greeting {
    /// Who it says it is.
    pub(crate) user: Option<UserId>,
    /// What it hears from the beginning.
    pub(crate) rooms: Vec<(Words, RoomId, Option<u64>)>,
}

impl Greeting {
    pub(crate) fn read(auth: &Value) -> Result<Self, &'static str> {
        let user = ["username", "userId", "user"].iter().find_map(|name| auth.get(name));
        let user = user.filter(|user| !user.is_null()).map(user_id).transpose()?;
        let rooms = match auth.get("serverOffset") {
            None | Some(Value::Null) => {
                // It does not say where it stands, nor in which words it hears.
                [Words::ChatMessage, Words::MessageNew].map(|words| (words, RoomId::lobby(), None)).into()
            }
            Some(Value::Object(offsets)) if offsets.len() > ROOMS_MAX => return Err("too many rooms"),
            Some(Value::Object(offsets)) => {
                let room = |(room, offset): (&String, &Value)| {
                    let room = RoomId::new(room).map_err(|_| "no room has such an id")?;
                    Ok((Words::MessageNew, room, offset.as_u64()))
                };
                offsets.iter().map(room).collect::<Result<_, &str>>()?
            }
            Some(offset) => vec![(Words::ChatMessage, RoomId::lobby(), Some(offset.as_u64().unwrap_or(0)))],
        };
        Ok(Self { user, rooms })
    }
}

fn user_id(name: &Value) -> Result<UserId, &'static str> {
    let name = name.as_str().and_then(|name| UserId::new(name).ok());
    name.ok_or(
        "a name is a text of 1 to 64 bytes without control characters and without white space at its ends",
    )
}

/// Rooms that one connection hears. Beyond it: refused. Source: chosen; each has a task of its own.
pub(crate) const ROOMS_MAX: usize = 256;

/// Longest offset of a client, in bytes. Beyond it: refused. Source: chosen; a socket's id and a counter take 37.
const OFFSET_BYTES_MAX: usize = 256;

impl<'de> Deserialize<'de> for Arguments {
    /// Says that it is a tuple: of anything else socketioxide gives the first argument alone.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Every;
        impl<'de> Visitor<'de> for Every {
            type Value = Arguments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the arguments of an event")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut arguments: A) -> Result<Arguments, A::Error> {
                let mut all = Vec::new();
                while let Some(argument) = arguments.next_element()? {
                    all.push(argument);
                }
                Ok(Arguments(all))
            }
        }
        deserializer.deserialize_tuple(2, Every)
    }
}

#[cfg(test)]
mod tests;
