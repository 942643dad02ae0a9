//! An entry of a user's own log: what kind of thing concerns the user, and where it stands. Never what it says.

use serde::{Deserialize, Serialize};

use crate::event::Body;
use crate::id::RoomId;
use crate::position::{Epoch, Offset};

/// The content type of an entry.
pub const ENTRY_CONTENT_TYPE: &str = "application/vnd.anchor.entry+json";

/// An entry of a user's own log: `{"kind":"mention","room":"lobby","epoch":"8f1c2d3e4a5b6c7d","offset":7}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// In which room.
    pub room: RoomId,
    /// In which history of it.
    pub epoch: Epoch,
    /// Which event: the message with the mention, be it one of an edit; the reply; the invitation; the beginning of the
    /// direct room.
    pub offset: Offset,
}

/// What concerns a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A message calls the user, or the whole room.
    Mention,
    /// A reply to a message of the user.
    Reply,
    /// The user is asked into a room.
    Invitation,
    /// Somebody has begun to talk to the user.
    Direct,
}

impl EntryKind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mention => "mention",
            Self::Reply => "reply",
            Self::Invitation => "invitation",
            Self::Direct => "direct",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Mention, Self::Reply, Self::Invitation, Self::Direct]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

impl Entry {
    /// The body of an entry.
    ///
    /// # Panics
    /// Never: four short fields are JSON.
    #[must_use]
    pub fn to_body(&self) -> Body {
        let wire = Wire {
            kind: self.kind.name().to_owned(),
            room: self.room.to_string(),
            epoch: self.epoch.to_string(),
            offset: self.offset.0,
        };
        let text = serde_json::to_vec(&wire).expect("three texts and a number are JSON");
        Body::new(Some(ENTRY_CONTENT_TYPE), text.into()).expect("the content type is printable ASCII")
    }

    /// Reads the body of an entry; none if it is not one, or of a kind that this version does not know.
    #[must_use]
    pub fn from_body(body: &Body) -> Option<Self> {
        if body.content_type() != Some(ENTRY_CONTENT_TYPE) {
            return None;
        }
        let Wire { kind, room, epoch, offset } = serde_json::from_slice(body.bytes()).ok()?;
        Some(Self {
            kind: EntryKind::from_name(&kind)?,
            room: RoomId::new(room).ok()?,
            epoch: Epoch::from_hex(&epoch)?,
            offset: Offset(offset),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    kind: String,
    room: String,
    epoch: String,
    offset: u64,
}
