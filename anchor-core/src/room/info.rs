//! The settings of a room.

use super::member::Role;
use crate::id::{RoomId, UserId};
use crate::position::Offset;
use crate::text::{Title, Topic};

/// Who is let in. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoomKind {
    /// Everybody may read it and join it, but those who are banned.
    Public,
    /// Members alone, by invitation.
    Group,
    /// Exactly two users; its id follows from theirs, see [`RoomId::direct`].
    Direct,
    /// Made by Anchor itself: announcements, the reports of a room.
    System,
}

impl RoomKind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Group => "group",
            Self::Direct => "direct",
            Self::System => "system",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Public, Self::Group, Self::Direct, Self::System].into_iter().find(|kind| kind.name() == name)
    }
}

/// What those who join later may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HistoryAccess {
    /// Everything that is kept.
    #[default]
    All,
    /// The event with which they joined, and what follows it. Then nobody reads who did not join.
    SinceJoin,
}

impl HistoryAccess {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::SinceJoin => "since_join",
        }
    }

    /// The access of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::All, Self::SinceJoin].into_iter().find(|access| access.name() == name)
    }
}

/// How long the events of a room are kept. What goes is told to readers as `gap trimmed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Retention {
    /// For ever.
    #[default]
    Forever,
    /// So many milliseconds by the event's `ts`.
    Age(u64),
    /// So many of the newest events.
    Count(u64),
}

/// What a room is, as of its newest membership or room event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    /// Who is let in.
    pub kind: RoomKind,
    /// What it is called. Not unique, and no name of anything: that is the room's id.
    pub title: Option<Title>,
    /// What it is about.
    pub topic: Option<Topic>,
    /// Nothing is said in it any more; it can be read.
    pub archived: bool,
    /// What those who join later may read.
    pub history: HistoryAccess,
    /// How long its events are kept.
    pub retention: Retention,
    /// The role of those who join: [`Role::Member`] or [`Role::ReadOnly`].
    pub default_role: Role,
    /// Users that have joined.
    pub members: u64,
    /// Those of them that own it. None in a room that came into being with its first message.
    pub owners: u64,
    /// The pinned messages, the oldest pin first; at most [`crate::limits::PINS_MAX`].
    pub pins: Vec<Offset>,
    /// The newest event that changed anything of this.
    pub changed: Offset,
    /// Of a direct room: the two users, in the order of their ids.
    pub pair: Option<Box<[UserId; 2]>>,
    /// The room that this one belongs to: that of which it holds the reports.
    pub parent: Option<RoomId>,
}

impl RoomInfo {
    /// A room of that kind with default settings and without members.
    #[must_use]
    pub const fn new(kind: RoomKind) -> Self {
        Self {
            kind,
            title: None,
            topic: None,
            archived: false,
            history: HistoryAccess::All,
            retention: Retention::Forever,
            default_role: Role::Member,
            members: 0,
            owners: 0,
            pins: Vec::new(),
            changed: Offset::ZERO,
            pair: None,
            parent: None,
        }
    }

    /// Of a direct room: whom `user`, one of the two, talks to, which may be the same user.
    #[must_use]
    pub fn other_than(&self, user: &UserId) -> Option<&UserId> {
        let [one, other] = self.pair.as_deref()?;
        Some(if one == user { other } else { one })
    }
}
