//! A publish and its answers.

use crate::chain::keyed_hash_of;
use crate::code::Code;
use crate::event::{Body, Draft, EventKind, Mentions};
use crate::id::{ClientKey, Nonce, RoomId, Seq, SessionNumber, UserId, length_prefix};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::position::{Epoch, Mark, Offset, Position};

/// One publish as the session hands it to the store, decided by the store against the client's window first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Who publishes, with which client.
    pub client: ClientKey,
    /// Which session of the client hands it over; a lower number than the client's newest is fenced. `None` for an
    /// entry of an older `client_id` that its user settles.
    pub session: Option<SessionNumber>,
    /// The client's number for it.
    pub seq: Seq,
    /// The client's random bits for it.
    pub nonce: Nonce,
    /// The lowest seq in the outbox as it stands on the client's disk: the floor.
    pub waits: Seq,
    /// Into which room.
    pub room: RoomId,
    /// What to append.
    pub draft: Draft,
    /// What the session decided, for the case that the window does not know this seq.
    pub verdict: Verdict,
    /// What was found out before it was handed over; none for most.
    pub grounds: Option<Box<Grounds>>,
}

/// What is known of a publish before a store decides it, beside what its client says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// The user is an admin of the server.
    pub admin: bool,
    /// The engine itself derived it from what stands in another log: what goes into users' own logs.
    pub derived: Option<Source>,
    /// The event that it is about, where it names one that there is.
    pub target: Option<Target>,
    /// What the host would have appended instead of the body that was sent; of messages and edits alone. The fingerprint is of
    /// what was sent.
    pub body: Option<Body>,
}

/// The log that a publish was derived from. It is taken only while the room is in that history: what was derived from a log
/// that has been set back since, or deleted, is to be derived anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Of which room.
    pub room: RoomId,
    /// Its newest epoch.
    pub epoch: Epoch,
}

/// What never changes of an event that another one is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// In which history it was written.
    pub epoch: Epoch,
    /// What it means.
    pub kind: EventKind,
    /// Who wrote it.
    pub user: UserId,
    /// Of a reply: the message that began its thread.
    pub root: Option<Offset>,
}

impl Publish {
    /// The log that it was derived from, if the engine itself did so.
    #[must_use]
    pub fn derived_from(&self) -> Option<&Source> {
        self.grounds.as_ref()?.derived.as_ref()
    }

    /// Tells two publishes of the same seq apart: BLAKE3-128 keyed by the `client_id`, over room, kind, target, content
    /// type, body, nonce and mentions, as they were sent; never over `waits`.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut key = [0; 32];
        key[..16].copy_from_slice(self.client.id.as_bytes());
        let (room, body) = (self.room.as_str(), &self.draft.body);
        let content_type = body.content_type().unwrap_or("");
        let mentions = body.mentions().map(Mentions::hashed).unwrap_or_default();
        let hash = keyed_hash_of(
            &key,
            &[
                &length_prefix(room.len()),
                room.as_bytes(),
                &length_prefix(content_type.len()),
                content_type.as_bytes(),
                &length_prefix(body.bytes().len()),
                body.bytes(),
                &self.draft.kind.0.to_be_bytes(),
                &self.draft.target.unwrap_or_default().0.to_be_bytes(),
                &self.nonce.0.to_be_bytes(),
                &mentions,
            ],
        );
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hash.as_bytes()[..16]);
        Fingerprint(fingerprint)
    }
}

/// See [`Publish::fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// What the session decided about a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Append it.
    Append {
        /// Whether the room may come into being with it; else a room without events is refused `room_unknown`.
        room: MissingRoom,
    },
    /// Refuse it, durably and for ever.
    Refuse(Refusal),
}

/// What a publish to a room without events does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingRoom {
    /// The room comes into being.
    Create,
    /// The publish is refused `room_unknown`.
    Refuse,
}

/// Why a publish will never stand in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub code: Code,
    /// One sentence for a person.
    pub message: String,
}

impl Refusal {
    /// A refusal; a message beyond [`MESSAGE_BYTES_MAX`] is cut.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        Self { code, message }
    }
}

/// Where a publish stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The client's number for it.
    pub seq: Seq,
    /// In which room.
    pub room: RoomId,
    /// In which history.
    pub epoch: Epoch,
    /// Its offset, ordinal and chain.
    pub mark: Mark,
    /// The event's time, in milliseconds since the Unix epoch.
    pub ts: u64,
    /// True if it was appended by an earlier publish of the same seq.
    pub duplicate: bool,
    /// What it survives.
    pub durability: Durability,
}

impl Ack {
    /// The position of the event.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::at(self.epoch, self.mark)
    }
}

/// What an acknowledged event survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// Nothing: it is gone with the process.
    Memory,
    /// The loss of power.
    Disk,
    /// The loss of the node.
    Replicated,
}

impl Durability {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Replicated => "replicated",
        }
    }

    /// The durability of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Memory, Self::Disk, Self::Replicated].into_iter().find(|durability| durability.name() == name)
    }
}

/// What became of a publish that was handed to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It stands in the log.
    Acked(Ack),
    /// It never will. Durable, and repeated for the same seq, unless the code is `seq_conflict`, `seq_forgotten` or
    /// `seq_skipped`, which follow from the window.
    Refused(Refusal),
    /// The window has no room for it: neither appended nor refused. This session's later publishes are not either.
    WindowFull,
    /// A newer session of this client exists, or the log that it was derived from is another by now: neither appended nor
    /// refused.
    Fenced,
}
