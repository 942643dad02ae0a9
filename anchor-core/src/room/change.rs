//! The bodies of membership events, room events and reports: what is asked for, as JSON text that every client can read and
//! write.
//!
//! ```text
//! {"action":"invite","user":"bob","role":"member"}
//! {"action":"create","kind":"group","title":"Plans"}
//! ```
//!
//! Names that are not known are passed over; an action that is not known is refused.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::info::{HistoryAccess, Retention, RoomKind};
use super::member::Role;
use crate::event::Body;
use crate::id::{InvalidId, RoomId, UserId};
use crate::position::Offset;
use crate::text::{InvalidText, Title, Topic};

/// The body of a membership event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipChange {
    /// Asks a user in.
    Invite {
        /// Whom.
        user: UserId,
        /// With which role; the room's default role if none.
        role: Option<Role>,
    },
    /// Takes an invitation.
    Accept,
    /// Turns an invitation down.
    Decline,
    /// Becomes a member of a public room.
    Join,
    /// Is no member any more.
    Leave,
    /// Removes a member, who may come again.
    Kick {
        /// Whom.
        user: UserId,
    },
    /// Removes a user, who may not come again.
    Ban {
        /// Whom.
        user: UserId,
    },
    /// Lets a banned user come again.
    Unban {
        /// Whom.
        user: UserId,
    },
    /// Takes a member's word away.
    Mute {
        /// Whose.
        user: UserId,
    },
    /// Gives it back.
    Unmute {
        /// Whose.
        user: UserId,
    },
    /// Gives a member another role.
    Role {
        /// Whom.
        user: UserId,
        /// Which.
        role: Role,
    },
}

/// The body of a room event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomChange {
    /// The room comes into being, or one that came into being with its first message gets an owner (admins only).
    Create {
        /// Who is let in.
        kind: RoomKind,
        /// Its first settings; the defaults where absent.
        settings: Settings,
        /// Of a direct room: the other user.
        user: Option<UserId>,
    },
    /// Other settings.
    Set(Settings),
    /// Nothing more is to be said in it.
    Archive,
    /// It goes on.
    Unarchive,
    /// The room, its log and all that belongs to it go away.
    Delete,
}

/// Settings to be changed: those that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What it is called; `Some(None)` takes the title away.
    pub title: Option<Option<Title>>,
    /// What it is about; `Some(None)` takes the topic away.
    pub topic: Option<Option<Topic>>,
    /// What those who join later may read.
    pub history: Option<HistoryAccess>,
    /// How long events are kept.
    pub retention: Option<Retention>,
    /// The role of those who join.
    pub default_role: Option<Role>,
}

/// The body of a report: what a user puts before the moderators of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In which room.
    pub room: RoomId,
    /// Which event.
    pub offset: Offset,
    /// Why, for a person.
    pub reason: Option<String>,
}

impl MembershipChange {
    /// Reads the body of a membership event.
    ///
    /// # Errors
    /// [`InvalidChange`] names the rule that it breaks.
    pub fn from_body(body: &Body) -> Result<Self, InvalidChange> {
        let MembershipWire { action, user, role } = from_text(body)?;
        let user = user.map(UserId::new).transpose()?;
        let role = role.map(|name| Role::from_name(&name).ok_or(InvalidChange::Value("role"))).transpose()?;
        let named = |user: Option<UserId>| user.ok_or(InvalidChange::Missing("user"));
        Ok(match action.as_str() {
            "invite" => Self::Invite { user: named(user)?, role },
            "accept" => Self::Accept,
            "decline" => Self::Decline,
            "join" => Self::Join,
            "leave" => Self::Leave,
            "kick" => Self::Kick { user: named(user)? },
            "ban" => Self::Ban { user: named(user)? },
            "unban" => Self::Unban { user: named(user)? },
            "mute" => Self::Mute { user: named(user)? },
            "unmute" => Self::Unmute { user: named(user)? },
            "role" => Self::Role { user: named(user)?, role: role.ok_or(InvalidChange::Missing("role"))? },
            _ => return Err(InvalidChange::Value("action")),
        })
    }

    /// The body of a membership event.
    #[must_use]
    pub fn to_body(&self) -> Body {
        let role = match self {
            Self::Invite { role, .. } => *role,
            Self::Role { role, .. } => Some(*role),
            _ => None,
        };
        let (action, user) = (self.action().to_owned(), self.named().map(ToString::to_string));
        to_text(&MembershipWire { action, user, role: role.map(|role| role.name().to_owned()) })
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Invite { .. } => "invite",
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Kick { .. } => "kick",
            Self::Ban { .. } => "ban",
            Self::Unban { .. } => "unban",
            Self::Mute { .. } => "mute",
            Self::Unmute { .. } => "unmute",
            Self::Role { .. } => "role",
        }
    }

    /// The user that it names; none where it is about who does it.
    #[must_use]
    pub const fn named(&self) -> Option<&UserId> {
        match self {
            Self::Invite { user, .. }
            | Self::Kick { user }
            | Self::Ban { user }
            | Self::Unban { user }
            | Self::Mute { user }
            | Self::Unmute { user }
            | Self::Role { user, .. } => Some(user),
            Self::Accept | Self::Decline | Self::Join | Self::Leave => None,
        }
    }
}

impl RoomChange {
    /// Reads the body of a room event.
    ///
    /// # Errors
    /// [`InvalidChange`] names the rule that it breaks.
    pub fn from_body(body: &Body) -> Result<Self, InvalidChange> {
        let wire: RoomWire = from_text(body)?;
        Ok(match wire.action.as_str() {
            "create" => {
                let kind = wire.kind.as_deref().ok_or(InvalidChange::Missing("kind"))?;
                let kind = RoomKind::from_name(kind).ok_or(InvalidChange::Value("kind"))?;
                let user = wire.user.as_deref().map(UserId::new).transpose()?;
                Self::Create { kind, user, settings: wire.settings()? }
            }
            "set" => Self::Set(wire.settings()?),
            "archive" => Self::Archive,
            "unarchive" => Self::Unarchive,
            "delete" => Self::Delete,
            _ => return Err(InvalidChange::Value("action")),
        })
    }

    /// The body of a room event, with every text normalised.
    #[must_use]
    pub fn to_body(&self) -> Body {
        let mut wire = match self {
            Self::Create { settings, .. } | Self::Set(settings) => RoomWire::of(settings),
            Self::Archive | Self::Unarchive | Self::Delete => RoomWire::default(),
        };
        wire.action = self.action().to_owned();
        if let Self::Create { kind, user, .. } = self {
            wire.kind = Some(kind.name().to_owned());
            wire.user = user.as_ref().map(ToString::to_string);
        }
        to_text(&wire)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Set(_) => "set",
            Self::Archive => "archive",
            Self::Unarchive => "unarchive",
            Self::Delete => "delete",
        }
    }
}

impl Report {
    /// Reads the body of a report.
    ///
    /// # Errors
    /// [`InvalidChange`] names the rule that it breaks.
    pub fn from_body(body: &Body) -> Result<Self, InvalidChange> {
        let ReportWire { room, offset, reason } = from_text(body)?;
        match offset {
            1..=crate::id::NUMBER_MAX => {
                Ok(Self { room: RoomId::new(room)?, offset: Offset(offset), reason })
            }
            _ => Err(InvalidChange::Value("offset")),
        }
    }

    /// The body of a report.
    #[must_use]
    pub fn to_body(&self) -> Body {
        let Self { room, offset, reason } = self.clone();
        to_text(&ReportWire { room: room.to_string(), offset: offset.0, reason })
    }
}

#[derive(Serialize, Deserialize)]
struct MembershipWire {
    action: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    role: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct RoomWire {
    action: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    user: Option<String>,
    /// An empty one takes the title away.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    title: Option<String>,
    /// As the title.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    history: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    retention: Option<RetentionWire>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    default_role: Option<String>,
}

/// `"forever"`, `{"age_ms": 86400000}`, `{"count": 10000}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RetentionWire {
    Forever,
    AgeMs(u64),
    Count(u64),
}

#[derive(Serialize, Deserialize)]
struct ReportWire {
    room: String,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
}

impl RoomWire {
    fn of(settings: &Settings) -> Self {
        let Settings { title, topic, history, retention, default_role } = settings;
        let text = |text: Option<String>| text.unwrap_or_default();
        Self {
            title: title.as_ref().map(|title| text(title.as_ref().map(ToString::to_string))),
            topic: topic.as_ref().map(|topic| text(topic.as_ref().map(ToString::to_string))),
            history: history.map(|history| history.name().to_owned()),
            retention: retention.map(|retention| match retention {
                Retention::Forever => RetentionWire::Forever,
                Retention::Age(ms) => RetentionWire::AgeMs(ms),
                Retention::Count(events) => RetentionWire::Count(events),
            }),
            default_role: default_role.map(|role| role.name().to_owned()),
            ..Self::default()
        }
    }

    fn settings(&self) -> Result<Settings, InvalidChange> {
        let history = |name: &String| HistoryAccess::from_name(name).ok_or(InvalidChange::Value("history"));
        let default_role = |name: &String| match Role::from_name(name) {
            Some(role @ (Role::ReadOnly | Role::Member)) => Ok(role),
            _ => Err(InvalidChange::Value("default_role")),
        };
        let retention = |wire: &RetentionWire| match *wire {
            RetentionWire::Forever => Ok(Retention::Forever),
            RetentionWire::AgeMs(ms @ 1..=crate::id::NUMBER_MAX) => Ok(Retention::Age(ms)),
            RetentionWire::Count(events @ 1..=crate::id::NUMBER_MAX) => Ok(Retention::Count(events)),
            RetentionWire::AgeMs(_) | RetentionWire::Count(_) => Err(InvalidChange::Value("retention")),
        };
        Ok(Settings {
            title: text("title", self.title.as_deref(), Title::new)?,
            topic: text("topic", self.topic.as_deref(), Topic::new)?,
            history: self.history.as_ref().map(history).transpose()?,
            retention: self.retention.as_ref().map(retention).transpose()?,
            default_role: self.default_role.as_ref().map(default_role).transpose()?,
        })
    }
}

/// A text of the settings, if it is given: an empty one takes it away.
fn text<T>(
    field: &'static str,
    given: Option<&str>,
    new: fn(&str) -> Result<T, InvalidText>,
) -> Result<Option<Option<T>>, InvalidChange> {
    let read = |text: &str| (!text.is_empty()).then(|| new(text)).transpose();
    given.map(read).transpose().map_err(|error| InvalidChange::Text(field, error))
}

fn from_text<'a, T: Deserialize<'a>>(body: &'a Body) -> Result<T, InvalidChange> {
    let text = body.as_text().filter(|_| body.content_type().is_none()).ok_or(InvalidChange::NotJson)?;
    serde_json::from_str(text).map_err(|_| InvalidChange::NotJson)
}

fn to_text(wire: &impl Serialize) -> Body {
    Body::text(serde_json::to_string(wire).expect("texts and numbers are JSON"))
}

/// Why a body is no change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidChange {
    /// It is no JSON object of the right names and types, or has a content type.
    #[error("the body is no JSON object with the fields of this kind of event")]
    NotJson,
    /// A field that the action needs is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("{0} has a value that is not known")]
    Value(&'static str),
    /// An id breaks its rules.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A title or a topic breaks its rules.
    #[error("{0}: {1}")]
    Text(&'static str, InvalidText),
}
