//! `room …`: what a room is, and who belongs to it.

use std::time::Duration;

use anchor_core::id::{NUMBER_MAX, RoomId, UserId};
use anchor_core::position::Offset;
use anchor_core::room::change::{RoomChange, Settings};
use anchor_core::room::{HistoryAccess, Retention, Role, RoomKind, Title, Topic};
use clap::{Args, Subcommand, ValueEnum, value_parser};

use super::{InRoom, offset, room, time, user};

/// Make rooms, say who belongs to them, and look at both
///
/// Each change prints `ROOM OFFSET`: the event that made it, which everybody in the room sees. Where it is so already it
/// prints `ROOM unchanged`, and ends with 0 too. A refusal ends with 4 and its name. `docs/guide/rooms.md` tells who may do
/// what.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RoomArguments {
    #[command(subcommand)]
    pub(crate) command: RoomCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// Make a room that you own
    Create(Create),
    /// Print rooms: those that you may read, unless told otherwise
    List(List),
    /// Print what a room is, and your place in it
    Show(InRoom),
    /// Change a room's settings
    Set(Set),
    /// Say nothing more in a room; it can be read
    Archive(InRoom),
    /// Go on with an archived room
    Unarchive(InRoom),
    /// Delete a room, its log and all that belongs to it, for everybody and for good
    Delete(InRoom),
    /// Become a member of a public room
    Join(InRoom),
    /// Be a member no more
    Leave(InRoom),
    /// Ask a user in
    Invite(Invite),
    /// Take an invitation
    Accept(InRoom),
    /// Turn an invitation down
    Decline(InRoom),
    /// Remove a member, who may come again
    Kick(Subject),
    /// Remove a user, who may not come again
    Ban(Subject),
    /// Let a banned user come again
    Unban(Subject),
    /// Take a member's word away
    Mute(Subject),
    /// Give a member's word back
    Unmute(Subject),
    /// Give a member another role
    Role(GiveRole),
    /// Print who belongs to a room
    Members(Members),
    /// Put an event before the moderators of its room
    Report(Report),
    /// Print what was reported of a room; for its moderators
    Reports(InRoom),
}

#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its id, which never changes: a-z 0-9 . _ -
    #[arg(value_parser = room)]
    pub(crate) room: RoomId,

    /// Who is let in
    #[arg(long, value_enum, default_value_t = CreateKind::Public)]
    pub(crate) kind: CreateKind,

    #[command(flatten)]
    pub(crate) settings: SettingArguments,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CreateKind {
    /// Everybody reads it, and members write.
    Public,
    /// Members alone, by invitation.
    Group,
}

#[derive(Args, Debug)]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    #[command(flatten)]
    pub(crate) settings: SettingArguments,
}

#[derive(Args, Debug)]
pub(crate) struct SettingArguments {
    /// What it is called; an empty one takes the title away
    #[arg(long, value_parser = title)]
    title: Option<MaybeTitle>,

    /// What it is about; an empty one takes the topic away
    #[arg(long, value_parser = topic)]
    topic: Option<MaybeTopic>,

    /// What those who join later may read
    #[arg(long, value_enum)]
    history: Option<HistoryArgument>,

    /// Keep events for so long: 12h, 8760h; what is older goes within minutes
    #[arg(long, group = "keep", value_name = "TIME", value_parser = age)]
    keep_for: Option<Duration>,

    /// Keep so many of the newest events
    #[arg(long, group = "keep", value_name = "N", value_parser = value_parser!(u64).range(1..=NUMBER_MAX))]
    keep_newest: Option<u64>,

    /// Keep all events for ever
    #[arg(long, group = "keep")]
    keep_all: bool,

    /// The role of those who join
    #[arg(long, value_enum, value_name = "ROLE")]
    default_role: Option<JoiningRole>,
}

/// A title; `None` takes it away. A type of its own, since `clap` reads an `Option` in another way.
#[derive(Clone, Debug)]
pub(crate) struct MaybeTitle(Option<Title>);

/// As [`MaybeTitle`].
#[derive(Clone, Debug)]
pub(crate) struct MaybeTopic(Option<Topic>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistoryArgument {
    /// Everything that is kept.
    All,
    /// What follows their joining.
    SinceJoin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum JoiningRole {
    Member,
    ReadOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArgument {
    /// Decides what the room is.
    Owner,
    /// Keeps order: removes messages and members.
    Moderator,
    /// Writes.
    Member,
    /// Reads.
    ReadOnly,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only rooms that you have joined or are invited to
    #[arg(long, group = "which")]
    pub(crate) mine: bool,

    /// Only public rooms that are not archived, with TEXT in their id or title if given
    #[arg(long, group = "which", value_name = "TEXT", num_args = 0..=1, default_missing_value = "")]
    pub(crate) public: Option<String>,

    /// Print a JSON object per room
    #[arg(long)]
    pub(crate) json: bool,
}

/// A user, and a room that the user belongs to or is to.
#[derive(Args, Debug)]
pub(crate) struct Subject {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// Whom
    #[arg(value_parser = user)]
    pub(crate) subject: UserId,
}

#[derive(Args, Debug)]
pub(crate) struct Invite {
    #[command(flatten)]
    pub(crate) of: Subject,

    /// With which role; that of all who join unless given
    #[arg(long, value_enum)]
    pub(crate) role: Option<RoleArgument>,
}

#[derive(Args, Debug)]
pub(crate) struct GiveRole {
    #[command(flatten)]
    pub(crate) of: Subject,

    /// Which role
    #[arg(value_enum)]
    pub(crate) role: RoleArgument,
}

#[derive(Args, Debug)]
pub(crate) struct Members {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// Also those who are invited, have left, were removed or are banned
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// Which event
    #[arg(value_parser = offset)]
    pub(crate) offset: Offset,

    /// Why
    pub(crate) reason: Option<String>,
}

impl Create {
    /// The body of the event.
    pub(crate) fn change(&self) -> RoomChange {
        RoomChange::Create { kind: self.kind.into(), settings: self.settings.settings(), user: None }
    }
}

impl SettingArguments {
    /// Those that are given.
    pub(crate) fn settings(&self) -> Settings {
        let age =
            |time: Duration| Retention::Age(u64::try_from(time.as_millis()).unwrap_or(NUMBER_MAX).max(1));
        let retention = self.keep_for.map(age).or(self.keep_newest.map(Retention::Count));
        Settings {
            title: self.title.clone().map(|MaybeTitle(title)| title),
            topic: self.topic.clone().map(|MaybeTopic(topic)| topic),
            history: self.history.map(|history| match history {
                HistoryArgument::All => HistoryAccess::All,
                HistoryArgument::SinceJoin => HistoryAccess::SinceJoin,
            }),
            retention: retention.or(self.keep_all.then_some(Retention::Forever)),
            default_role: self.default_role.map(|role| match role {
                JoiningRole::Member => Role::Member,
                JoiningRole::ReadOnly => Role::ReadOnly,
            }),
        }
    }
}

impl From<CreateKind> for RoomKind {
    fn from(kind: CreateKind) -> Self {
        match kind {
            CreateKind::Public => Self::Public,
            CreateKind::Group => Self::Group,
        }
    }
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Owner => Self::Owner,
            RoleArgument::Moderator => Self::Moderator,
            RoleArgument::Member => Self::Member,
            RoleArgument::ReadOnly => Self::ReadOnly,
        }
    }
}

fn age(text: &str) -> Result<Duration, String> {
    time(text, AGE_MAX)
}

fn title(text: &str) -> Result<MaybeTitle, String> {
    match text {
        "" => Ok(MaybeTitle(None)),
        text => Title::new(text).map(|title| MaybeTitle(Some(title))).map_err(|error| error.to_string()),
    }
}

fn topic(text: &str) -> Result<MaybeTopic, String> {
    match text {
        "" => Ok(MaybeTopic(None)),
        text => Topic::new(text).map(|topic| MaybeTopic(Some(topic))).map_err(|error| error.to_string()),
    }
}

/// The longest that events can be kept for short of for ever. Source: the protocol's largest number, of milliseconds.
const AGE_MAX: Duration = Duration::from_millis(NUMBER_MAX);

const EXAMPLES: &str = "\
Examples:
    anchor-cli --user ada room create plans --kind group --title 'Plans for May'
    anchor-cli --user ada room invite plans bob
    anchor-cli --user bob room accept plans
    anchor-cli --user ada room role plans bob moderator
    anchor-cli --user bob room set plans --topic 'Where we go' --keep-for 720h
    anchor-cli --user ada room kick plans bob
    anchor-cli room list --public plan --json

Exit codes: see `anchor-cli --help`";
