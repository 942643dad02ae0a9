//! The entries of a room's log: their kinds and bodies, and how one is encoded.
//!
//! An event is encoded once, as the MessagePack array of `docs/protocol.md`, and these bytes serve the journal, the
//! pages, the tails and the wire alike. The encoding is in [`encoding`]; the chain over it in [`crate::chain`].

pub mod encoding;
mod key;

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

pub use self::key::{EventKey, InvalidEventKey};
use crate::chain::Link;
use crate::id::{ClientTag, NUMBER_MAX, Nonce, Seq, UserId, length_prefix};
use crate::position::{Chain, Mark, Offset, Ordinal};

/// What an event means. Kinds this version does not know are opaque: they move the cursor and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKind(pub u16);

impl EventKind {
    /// What somebody said; the only kind that counts as unread.
    pub const MESSAGE: Self = Self(1);
    /// Another body for the message at `target`.
    pub const EDIT: Self = Self(2);
    /// The body of the event at `target` is taken away.
    pub const REDACTION: Self = Self(3);
    /// A sign set on the message at `target`.
    pub const REACTION: Self = Self(4);
    /// Somebody joined, left, was invited, removed, …
    pub const MEMBERSHIP: Self = Self(5);
    /// The room's title, topic or settings changed.
    pub const ROOM: Self = Self(6);
    /// A sign taken back from the message at `target`.
    pub const REACTION_REMOVED: Self = Self(7);
    /// The message at `target` is put up for all to see.
    pub const PIN: Self = Self(8);
    /// It no longer is.
    pub const UNPIN: Self = Self(9);
    /// Something put before the moderators of another room.
    pub const REPORT: Self = Self(10);

    /// True for a kind that can be published.
    #[must_use]
    pub const fn is_published(self) -> bool {
        matches!(self.0, 1..=10)
    }

    /// True for a kind that changes what another event says: an edit, a redaction.
    #[must_use]
    pub const fn changes_body(self) -> bool {
        self.0 == Self::EDIT.0 || self.0 == Self::REDACTION.0
    }

    /// True for a kind that says who belongs to the room or what it is.
    #[must_use]
    pub const fn is_of_room(self) -> bool {
        self.0 == Self::MEMBERSHIP.0 || self.0 == Self::ROOM.0
    }

    /// True for what somebody says: a message, or another body for one. Of these alone are mentions, and these alone a host
    /// may change; of everything else the rules read the body as it was sent.
    #[must_use]
    pub const fn is_said(self) -> bool {
        self.0 == Self::MESSAGE.0 || self.0 == Self::EDIT.0
    }

    /// The kind's name in the design's words, if this version knows it.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::MESSAGE => "message",
            Self::EDIT => "edit",
            Self::REDACTION => "redaction",
            Self::REACTION => "reaction",
            Self::MEMBERSHIP => "membership",
            Self::ROOM => "room",
            Self::REACTION_REMOVED => "reaction_removed",
            Self::PIN => "pin",
            Self::UNPIN => "unpin",
            Self::REPORT => "report",
            _ => return None,
        })
    }
}

/// What an event carries: opaque bytes with a content type, UTF-8 text where none is named.
///
/// A body is *text* if its content type is absent or begins with `text/`; such bytes are valid UTF-8.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    content_type: Option<Box<str>>,
    bytes: Bytes,
    mentions: Option<Box<Mentions>>,
}

/// Whom a message calls, beside everybody who reads it. Clients say it; the text is never looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// The whole room.
    pub room: bool,
    /// Users; at most [`MENTIONS_MAX`], each once.
    pub users: Vec<UserId>,
}

impl Mentions {
    /// Mentions of some users, each once.
    ///
    /// # Errors
    /// [`InvalidBody::Mentions`] if there are too many.
    pub fn new(room: bool, users: impl IntoIterator<Item = UserId>) -> Result<Self, InvalidBody> {
        let mut mentions = Self { room, users: Vec::new() };
        for user in users {
            if !mentions.users.contains(&user) {
                mentions.users.push(user);
            }
            if mentions.users.len() > MENTIONS_MAX {
                return Err(InvalidBody::Mentions);
            }
        }
        Ok(mentions)
    }

    /// True if nobody is mentioned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.room && self.users.is_empty()
    }

    /// What goes into every hash of a body that has mentions, behind its bytes: one byte, 1 if the room is mentioned, else
    /// 0, then the users, each behind its length.
    pub(crate) fn hashed(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.room)];
        for user in &self.users {
            bytes.extend_from_slice(&length_prefix(user.as_str().len()));
            bytes.extend_from_slice(user.as_str().as_bytes());
        }
        bytes
    }
}

impl Body {
    /// A plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { content_type: None, bytes: Bytes::from(text.into()), mentions: None }
    }

    /// A body of a content type; `None` is plain text.
    ///
    /// # Errors
    /// [`InvalidBody`] where text is not UTF-8 or the content type is no printable ASCII of 1 to 128 bytes.
    pub fn new(content_type: Option<&str>, bytes: Bytes) -> Result<Self, InvalidBody> {
        if let Some(name) = content_type
            && (name.is_empty()
                || name.len() > CONTENT_TYPE_BYTES_MAX
                || !name.bytes().all(|b| matches!(b, b' '..=b'~')))
        {
            return Err(InvalidBody::ContentType);
        }
        let body = Self { content_type: content_type.map(Into::into), bytes, mentions: None };
        match body.is_text() && std::str::from_utf8(&body.bytes).is_err() {
            true => Err(InvalidBody::NotUtf8),
            false => Ok(body),
        }
    }

    /// True if the content type promises text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.content_type.as_deref().is_none_or(|name| name.starts_with("text/"))
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if self.is_text() { std::str::from_utf8(&self.bytes).ok() } else { None }
    }

    /// The content type, unless it is plain text.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body with those mentions; none of nobody.
    #[must_use]
    pub fn mentioning(mut self, mentions: Mentions) -> Self {
        self.mentions = if mentions.is_empty() { None } else { Some(Box::new(mentions)) };
        self
    }

    /// Whom it mentions, if anybody.
    #[must_use]
    pub fn mentions(&self) -> Option<&Mentions> {
        self.mentions.as_deref()
    }

    /// The same body in memory of its own, where its bytes may be a small part of something larger.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self.clone() }
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// What a client asks to append, before the log gives it a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it means.
    pub kind: EventKind,
    /// The event that it is about, for edits, redactions, reactions and replies; never offset 0.
    pub target: Option<Offset>,
    /// What it carries.
    pub body: Body,
}

impl Draft {
    /// A message.
    #[must_use]
    pub fn message(body: impl Into<Body>) -> Self {
        Self { kind: EventKind::MESSAGE, target: None, body: body.into() }
    }

    /// True if a frame can carry it: what it is about, if anything, is an offset from 1 to [`NUMBER_MAX`].
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.target.is_none_or(|target| (1..=NUMBER_MAX).contains(&target.0))
    }
}

impl<B: Into<Body>> From<B> for Draft {
    fn from(body: B) -> Self {
        Self::message(body)
    }
}

/// One entry of a room's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place: dense from 1.
    pub offset: Offset,
    /// Messages up to and including it.
    pub ordinal: Ordinal,
    /// Digest of the log up to and including it.
    pub chain: Chain,
    /// Milliseconds since the Unix epoch by the server's clock; never decreases within a room. For people.
    pub ts: u64,
    /// Who.
    pub user: UserId,
    /// With which client; derived, not the secret `client_id`.
    pub client: ClientTag,
    /// The client's own number for it.
    pub seq: Seq,
    /// The client's random bits for it.
    pub nonce: Nonce,
    /// What it means.
    pub kind: EventKind,
    /// The event that it is about.
    pub target: Option<Offset>,
    /// What it carries; `None` once redacted.
    pub body: Option<Body>,
}

impl Event {
    /// What its chain covers, but its place and its body.
    #[must_use]
    pub const fn link(&self) -> Link<'_> {
        let Self { kind, ref user, client, seq, nonce, ts, target, .. } = *self;
        Link { kind, user, client, seq, nonce, ts, target }
    }

    /// The point of the log right after this event.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark { offset: self.offset, ordinal: self.ordinal, chain: self.chain }
    }
}

/// Longest content type, in bytes. Source: RFC 6838 section 4.2 allows 127 for each half; real ones are shorter.
pub const CONTENT_TYPE_BYTES_MAX: usize = 128;

/// Users that one message mentions. Source: chosen; who calls more calls the room.
pub const MENTIONS_MAX: usize = 32;

/// Why bytes are no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidBody {
    /// The content type promises text.
    #[error("a text body must be valid UTF-8")]
    NotUtf8,
    /// Not a content type.
    #[error("a content type is printable ASCII of 1 to 128 bytes")]
    ContentType,
    /// More users than a message mentions.
    #[error("a message mentions at most 32 users")]
    Mentions,
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "kind {}", self.0),
        }
    }
}

impl fmt::Debug for Body {
    /// Shows the length, never the content: bodies do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{} bytes]", self.content_type().unwrap_or("text"), self.bytes.len())
    }
}
