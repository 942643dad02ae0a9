//! What must outlive the process: publishes not yet acknowledged, the client's ids, its newest acks, its cursors.
//!
//! The machine keeps all of it in memory and says what changes; a [`keeper`] makes the changes durable in their order.
//! Invariants: an entry is durable before it is sent; the seqs of an identity only rise; an entry belongs to one
//! generation of the client's ids at a time.

pub(super) mod directory;
pub(super) mod keeper;
mod record;

use std::collections::{BTreeMap, HashMap, VecDeque};

use anchor_core::event::Draft;
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::position::Position;

use super::notice::{Undecided, UndecidedId};

/// Which of the ids that this installation has had: a client that finds itself copied takes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Generation(pub u32);

/// Names an entry: in the order in which entries are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EntryKey {
    /// Under which of the client's ids it goes.
    pub generation: Generation,
    /// Its number there.
    pub seq: Seq,
}

/// A publish that is not yet known to be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its random bits.
    pub nonce: Nonce,
    /// Into which room.
    pub room: RoomId,
    /// What.
    pub draft: Draft,
    /// The newest position of the room that was known when it was queued: the log before it cannot hold this publish.
    pub known: Position,
    /// The seqs that are reserved for it in the generations after its own, should it turn out never to have been
    /// appended there. They are drawn before anything else of those generations, which keeps the order.
    pub slots: Vec<Seq>,
}

/// One of the client's ids and how far its seqs went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The secret.
    pub id: ClientId,
    /// The highest seq that was ever stored under it.
    pub highest: Seq,
    /// The highest seq that was ever acknowledged under it.
    pub highest_acked: Seq,
}

/// An acknowledged publish, kept for a server that may be restored to an earlier day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Into which room.
    pub room: RoomId,
    /// What.
    pub draft: Draft,
    /// Where it stood.
    pub position: Position,
}

/// Everything that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// Whose client it is, once a server has said so.
    pub user: Option<UserId>,
    /// The client's ids; the newest is the one in use.
    pub identities: BTreeMap<Generation, Identity>,
    /// The outbox.
    pub entries: BTreeMap<EntryKey, Entry>,
    /// The newest acknowledged publishes, oldest first.
    pub kept: VecDeque<(EntryKey, Kept)>,
    /// What a person must decide.
    pub undecided: BTreeMap<UndecidedId, Undecided>,
    /// Saved positions by name and room.
    pub cursors: HashMap<(String, RoomId), Position>,
}

/// One step of [`Saved`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The user became known.
    User(UserId),
    /// The client took an id, or its marks changed.
    Identity(Generation, Identity),
    /// Nothing is left of an id.
    ForgetIdentity(Generation),
    /// An entry came, or its slots changed. Raises the highest seq of its identity.
    Put(EntryKey, Entry),
    /// An entry was decided other than by an ack.
    Remove(EntryKey),
    /// An entry was acknowledged. Raises the highest acknowledged seq of its identity.
    Acked(EntryKey, Kept),
    /// An acknowledged publish is no longer kept.
    Unkeep(EntryKey),
    /// A publish became undecided.
    Undecided(Undecided),
    /// A person decided.
    Decided(UndecidedId),
    /// A position was saved.
    Cursor(String, RoomId, Position),
}

impl Identity {
    /// An id that was never used.
    pub(super) const fn new(id: ClientId) -> Self {
        Self { id, highest: Seq::ZERO, highest_acked: Seq::ZERO }
    }
}

#[cfg(test)]
mod tests;
