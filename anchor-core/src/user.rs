//! What is kept of a user beside the logs: a profile for others to see, and who may begin to talk to them.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::id::UserId;
use crate::limits::BLOCKED_MAX;
pub use crate::text::ProfileText;

/// What others see of a user. Changing it writes nothing to any log: events name the user's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What the user is called; the user id if none.
    pub name: Option<ProfileText>,
    /// Where a picture is: a reference that clients understand, an address as a rule.
    pub avatar: Option<ProfileText>,
    /// What the user says of being there.
    pub status: Option<ProfileText>,
}

/// Who may open a direct room with a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direct {
    /// Everybody.
    Everyone,
    /// Those who have joined a room that the user has joined, too.
    #[default]
    Shared,
    /// Nobody.
    Nobody,
}

impl Direct {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Shared => "shared",
            Self::Nobody => "nobody",
        }
    }

    /// The setting of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Everyone, Self::Shared, Self::Nobody].into_iter().find(|direct| direct.name() == name)
    }
}

/// Whether others are told how far a user has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadReceipts {
    /// They are.
    #[default]
    Shown,
    /// They are not, but for what the user writes: what was read before is still known.
    Hidden,
}

impl ReadReceipts {
    /// Shown if `shown` is true.
    #[must_use]
    pub const fn shown(shown: bool) -> Self {
        if shown { Self::Shown } else { Self::Hidden }
    }

    /// True if they are shown.
    #[must_use]
    pub const fn are_shown(self) -> bool {
        matches!(self, Self::Shown)
    }
}

/// From whom a user takes direct messages. Seen by that user alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Who may open a direct room.
    pub direct: Direct,
    /// Who may not, and may not write into one that there is; at most [`BLOCKED_MAX`].
    pub blocked: BTreeSet<UserId>,
}

/// All that is kept of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRow {
    /// For others to see.
    pub profile: Profile,
    /// For the rules.
    pub contact: Contact,
    /// For receipts.
    pub receipts: ReadReceipts,
}

/// A change of what is kept of a user; the same one again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// Another profile, whole.
    Profile(Profile),
    /// Who may open a direct room.
    Direct(Direct),
    /// Blocks a user.
    Block(UserId),
    /// Lets a user talk again.
    Unblock(UserId),
    /// Whether others are told how far the user has read.
    Receipts(ReadReceipts),
}

impl UserRow {
    /// Makes the change.
    ///
    /// # Errors
    /// [`TooManyBlocked`]; nothing has changed.
    pub fn apply(&mut self, change: UserChange) -> Result<(), TooManyBlocked> {
        match change {
            UserChange::Profile(profile) => self.profile = profile,
            UserChange::Direct(direct) => self.contact.direct = direct,
            UserChange::Block(user) => {
                if self.contact.blocked.len() >= BLOCKED_MAX && !self.contact.blocked.contains(&user) {
                    return Err(TooManyBlocked);
                }
                self.contact.blocked.insert(user);
            }
            UserChange::Unblock(user) => {
                self.contact.blocked.remove(&user);
            }
            UserChange::Receipts(receipts) => self.receipts = receipts,
        }
        Ok(())
    }
}

/// More users blocked than are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a user blocks at most 1,000 others")]
pub struct TooManyBlocked;
