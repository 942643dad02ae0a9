//! One user: talking to somebody, being seen by others, and not wanting to be talked to.

use anchor_core::id::{ClientTag, RoomId, UserId};
use anchor_core::user::{Direct, ProfileText, ReadReceipts};
use clap::{Args, Subcommand, ValueEnum};
use data_encoding::HEXLOWER;

use super::message::Extras;
use super::{room, user};

/// Talk to one user, in a room of the two of you
///
/// Prints `ROOM OFFSET`. The room comes into being with the first message, if the other one takes direct messages from you;
/// without TEXT it is only made, and printed. `tail`, `history` and `chat` read it by its id, which is the same for both.
#[derive(Args, Debug)]
#[command(after_long_help = DM_EXAMPLES)]
pub(crate) struct Dm {
    /// Whom
    #[arg(value_parser = user)]
    pub(crate) to: UserId,

    /// What; several words are one message
    pub(crate) text: Vec<String>,

    #[command(flatten)]
    pub(crate) extras: Extras,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say something to those who read a room now, in passing: it is not kept, and may be lost
#[derive(Args, Debug)]
pub(crate) struct Signal {
    /// The room
    #[arg(value_parser = room)]
    pub(crate) room: RoomId,

    /// What
    pub(crate) text: String,

    /// To this user alone
    #[arg(long, value_name = "USER", value_parser = user)]
    pub(crate) to: Option<UserId>,

    /// To this client alone: the 16 hex digits that --json shows as `client`
    #[arg(long, value_name = "CLIENT", value_parser = client)]
    pub(crate) to_client: Option<ClientTag>,

    /// What the text is, such as application/json; plain text unless given
    #[arg(long, value_name = "TYPE", value_parser = super::message::content_type)]
    pub(crate) content_type: Option<String>,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// See and change what others see of a user
#[derive(Args, Debug)]
pub(crate) struct ProfileArguments {
    #[command(subcommand)]
    pub(crate) command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Print what others see of users, of yourself unless some are named
    Show(ProfileShow),
    /// Change what others see of you; what is not given stays
    Set(ProfileSet),
}

#[derive(Args, Debug)]
pub(crate) struct ProfileShow {
    /// Of whom
    #[arg(value_parser = user)]
    pub(crate) users: Vec<UserId>,

    /// Print a JSON object per user
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ProfileSet {
    /// What you are called; an empty one takes the name away
    #[arg(long, value_parser = line)]
    pub(crate) name: Option<MaybeLine>,

    /// Where a picture of you is; an empty one takes it away
    #[arg(long, value_name = "ADDRESS", value_parser = line)]
    pub(crate) avatar: Option<MaybeLine>,

    /// What you say of being there; an empty one takes it away
    #[arg(long, value_name = "TEXT", value_parser = line)]
    pub(crate) status: Option<MaybeLine>,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A line of a profile; `None` takes it away.
#[derive(Clone, Debug)]
pub(crate) struct MaybeLine(pub(crate) Option<ProfileText>);

/// A user to be blocked, or not to be any more.
#[derive(Args, Debug)]
pub(crate) struct Block {
    /// Whom
    #[arg(value_parser = user)]
    pub(crate) subject: UserId,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say who may open a direct room with you; without WHO, print that and whom you have blocked
#[derive(Args, Debug)]
pub(crate) struct DirectArguments {
    /// Who
    #[arg(value_enum, value_name = "WHO")]
    pub(crate) who: Option<DirectArgument>,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DirectArgument {
    Everyone,
    /// Those who have joined a room that you have joined.
    Shared,
    Nobody,
}

/// Say whether others are told how far you have read; without WHETHER, print that
///
/// What was shown before stays, and so does what your own messages say. `read` goes on telling your other clients.
#[derive(Args, Debug)]
pub(crate) struct ReceiptsArguments {
    /// Whether
    #[arg(value_enum, value_name = "WHETHER")]
    pub(crate) whether: Option<ReceiptsArgument>,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReceiptsArgument {
    Shown,
    Hidden,
}

impl From<ReceiptsArgument> for ReadReceipts {
    fn from(receipts: ReceiptsArgument) -> Self {
        match receipts {
            ReceiptsArgument::Shown => Self::Shown,
            ReceiptsArgument::Hidden => Self::Hidden,
        }
    }
}

impl From<DirectArgument> for Direct {
    fn from(direct: DirectArgument) -> Self {
        match direct {
            DirectArgument::Everyone => Self::Everyone,
            DirectArgument::Shared => Self::Shared,
            DirectArgument::Nobody => Self::Nobody,
        }
    }
}

fn line(text: &str) -> Result<MaybeLine, String> {
    match text {
        "" => Ok(MaybeLine(None)),
        text => ProfileText::new(text).map(|text| MaybeLine(Some(text))).map_err(|error| error.to_string()),
    }
}

fn client(text: &str) -> Result<ClientTag, String> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(ClientTag::from_bytes).ok_or_else(|| "a client is 16 hex digits, as --json shows it".to_owned())
}

const DM_EXAMPLES: &str = "\
Examples:
    anchor-cli --user ada dm bob 'are you there?'
    anchor-cli --user bob tail \"$(anchor-cli --user bob dm ada --json | jq -r .room)\" --follow

Exit codes: see `anchor-cli --help`";
