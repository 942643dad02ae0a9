//! Rooms with members, in a run of their own beside the promise: what was committed in them, what their members did and saw,
//! and what must hold of it.
//!
//! ```text
//! every commit and every read of a store -> ledger     what is true
//! every delivery and every ack           -> witness    what somebody was told
//! ledger and witness, at the end         -> verdict    what is wrong
//! every ruling of a host                 -> host       whether what stands is what it allowed
//! every page and thread that was asked   -> answers    and whether it was right at any moment between question and answer
//! every member's own view, at the end    -> views      and its folds
//! ```
//!
//! Who may read what is folded here from the events themselves, without the code that decided it. Logs of clubs are
//! trimmed, by hand and by what a club keeps; they are never restored: of that, other rooms tell.

mod announced;
mod answers;
mod changes;
mod contacts;
mod fold;
mod host;
mod ledger;
mod moments;
mod pages;
mod pair;
mod people;
mod permits;
mod profiles;
mod reports;
mod signals;
mod tap;
mod trims;
mod verdict;
mod views;
mod witness;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use anchor_core::id::{RoomId, UserId};
use anchor_core::room::Membership;

pub use self::announced::may_announce;
use self::answers::Answer;
pub use self::answers::Question;
pub use self::fold::View;
pub use self::host::Ruled;
use self::host::Rulings;
use self::ledger::Ledger;
pub use self::ledger::Life;
pub use self::pair::Pair;
use self::people::People;
use self::permits::Club;
pub use self::signals::Hearer;
pub use self::tap::Tap;
pub use self::trims::Trimming;
use self::trims::Trims;
use self::witness::Witness;
use crate::kernel::{Kernel, lock};

/// What is known of the clubs of a run. Clones are the same.
#[derive(Clone)]
pub struct Society(Arc<Shared>);

struct Shared {
    kernel: Kernel,
    /// Nobody begins anything more.
    is_over: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    ledger: Ledger,
    witness: Witness,
    people: People,
    answers: Vec<Answer>,
    trims: Trims,
    rulings: Rulings,
    /// What is wrong, found at once.
    broken: Vec<String>,
}

impl Society {
    /// Nothing yet.
    #[must_use]
    pub fn new(kernel: Kernel) -> Self {
        Self(Arc::new(Shared { kernel, is_over: AtomicBool::new(false), inner: Mutex::default() }))
    }

    /// From here on nobody begins anything more.
    pub fn end(&self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }

    /// True if nobody is to begin anything more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }

    /// What the newest room of that id holds, as far as anybody has seen it; none if there is none.
    #[must_use]
    pub fn newest(&self, room: &RoomId) -> Option<Life> {
        self.inner().ledger.newest(room).filter(|life| !life.is_deleted()).cloned()
    }

    /// Who belongs to the newest room of that id, and who was ever named in it.
    #[must_use]
    pub fn memberships(&self, room: &RoomId) -> BTreeMap<UserId, Membership> {
        let inner = self.inner();
        let Some(life) = inner.ledger.newest(room) else { return BTreeMap::new() };
        let places = Club::of(life);
        places.places().iter().map(|(user, place)| (user.clone(), place.membership)).collect()
    }

    /// True if a room of that id was asked to be deleted.
    #[must_use]
    pub fn was_deleted(&self, room: &RoomId) -> bool {
        self.inner().witness.deletions.contains(room)
    }

    /// Something of the newest room of that id; none if there is none.
    pub fn look<T>(&self, room: &RoomId, at: impl FnOnce(&Life) -> T) -> Option<T> {
        self.inner().ledger.newest(room).filter(|life| !life.is_deleted()).map(at)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0.inner)
    }
}

/// True for a room that has members in this simulation, two of them or any number.
#[must_use]
pub fn is_club(room: &RoomId) -> bool {
    room.as_str().starts_with("club-") || room.is_direct()
}

/// True for a room that is watched: those with members, what was reported of them, and the announcements.
fn is_watched(room: &RoomId) -> bool {
    is_club(room) || *room == RoomId::announcements() || room.as_str().starts_with("@reports.")
}

impl fmt::Debug for Society {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Society").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
