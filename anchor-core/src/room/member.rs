//! A user's place in a room.

use crate::position::Offset;

/// What a member may do; each role may all that the ones before it may. [`super::rules`] is the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads.
    ReadOnly,
    /// Writes.
    Member,
    /// Keeps order: removes messages and members.
    Moderator,
    /// Decides what the room is.
    Owner,
}

impl Role {
    /// All roles, the lowest first.
    pub const ALL: [Self; 4] = [Self::ReadOnly, Self::Member, Self::Moderator, Self::Owner];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Whether a user belongs to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Membership {
    /// Asked in, not yet answered.
    Invited,
    /// Is a member.
    Joined,
    /// Left, or declined, or was unbanned.
    Left,
    /// Was removed; may come again.
    Removed,
    /// Was removed and may not come again.
    Banned,
}

impl Membership {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Removed => "removed",
            Self::Banned => "banned",
        }
    }

    /// True while the room is among the user's own: joined, or invited to.
    #[must_use]
    pub const fn is_listed(self) -> bool {
        matches!(self, Self::Invited | Self::Joined)
    }

    /// The membership of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Invited, Self::Joined, Self::Left, Self::Removed, Self::Banned]
            .into_iter()
            .find(|membership| membership.name() == name)
    }
}

/// A user's place in a room, as of the newest event that names the user. A user that was never named has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whether the user belongs to the room.
    pub membership: Membership,
    /// What the user may do while joined, or will once an invitation is accepted.
    pub role: Role,
    /// May not write for the time being.
    pub muted: bool,
    /// The event with which the user joined last; zero if never.
    pub joined_at: Offset,
    /// The event with which that ended; zero while joined, or if the user never joined and was never banned.
    pub ended_at: Offset,
}

impl Member {
    /// The role, if the user has joined.
    #[must_use]
    pub fn joined(&self) -> Option<Role> {
        (self.membership == Membership::Joined).then_some(self.role)
    }
}
