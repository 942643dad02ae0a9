//! What must outlive the process: publishes not yet acknowledged, the client's ids, its newest acks, its cursors.
//!
//! The machine keeps all of it in memory and says what changes; a [`keeper`] makes the changes durable in their order.
//! Invariants: an entry is durable before it is sent; the seqs of an identity only rise; an entry belongs to one
//! generation of the client's ids at a time.

pub(super) mod directory;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(super) mod keeper;
mod record;
pub(super) mod storage;
mod tables;

use std::collections::{BTreeMap, HashMap, VecDeque};

use anchor_core::event::Draft;
use anchor_core::id::{ClientId, Nonce, RoomId, Seq, UserId};
use anchor_core::position::Position;

use super::notice::{Undecided, UndecidedId};

/// One of the ids that this installation publishes under.
///
/// A client that finds itself copied *takes* a new random one for what is new. What turns out never to have been appended
/// under an id goes out, with its seq, under one that is *derived* from that: two copies that settle the same publish come
/// to the same key, so it is appended once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Generation {
    /// How many ids were taken before.
    pub taken: u32,
    /// How many derivations lie between the id that was taken and this one.
    pub derived: u32,
}

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
}

/// An id that was taken and how far its seqs went.
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
    /// The ids that were taken; the newest is the one in use.
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
    /// An entry came. Raises the highest seq of its identity.
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
    /// A saved position is of no use any more.
    ForgetCursor(String, RoomId),
}

impl Generation {
    /// The first id of an installation.
    pub(super) const FIRST: Self = Self { taken: 0, derived: 0 };

    /// The id that is taken after this one.
    pub(super) const fn next_taken(self) -> Self {
        Self { taken: self.taken + 1, derived: 0 }
    }

    /// The id under which goes out what was never appended under this one.
    pub(super) const fn next_derived(self) -> Self {
        Self { derived: self.derived + 1, ..self }
    }

    /// The id that was taken and that this one is derived from, if it is not the same.
    pub(super) const fn root(self) -> Self {
        Self { derived: 0, ..self }
    }
}

impl Identity {
    /// An id that was never used.
    pub(super) const fn new(id: ClientId) -> Self {
        Self { id, highest: Seq::ZERO, highest_acked: Seq::ZERO }
    }

    /// The id of `generation`, of which this is the root. As secret as that: nobody else can derive it.
    pub(super) fn id_of(&self, generation: Generation) -> ClientId {
        (0..generation.derived).fold(self.id, |id, _| {
            let mut derived = [0; 16];
            derived.copy_from_slice(&blake3::derive_key(DERIVED, id.as_bytes())[..16]);
            ClientId::from_bytes(derived)
        })
    }
}

/// What a derived id is derived for.
const DERIVED: &str = "anchor.v1 client_id for publishes that were never appended";

#[cfg(test)]
pub(super) mod tests;
