//! Work that is taken from the log: `consumer`, `webhook`.

use anchor_core::engine::ConsumerName;
use anchor_core::event::{EventKey, EventKind};
use anchor_core::id::RoomId;
use anchor_core::position::Offset;
use anchor_core::session::frame::{From, WebhookSecret, Whose};
use clap::{Args, Subcommand};

use super::{BEHIND, offset, room};

/// Take events from the log, each at least once, and go on where that ended
///
/// A consumer is a named cursor that the server keeps for you. Whoever runs it last has it: the one that ran it before ends with 4.
#[derive(Args, Debug)]
#[command(after_long_help = CONSUMER_EXAMPLES)]
pub(crate) struct ConsumerArguments {
    #[command(subcommand)]
    pub(crate) command: ConsumerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConsumerCommand {
    /// Print your consumers, each with how many events wait for it
    List(ConsumerList),
    /// Print what comes next for a consumer, a JSON object per line, and note it as done once it is printed
    Run(ConsumerRun),
    /// Give a consumer nothing until it is resumed
    Pause(OneConsumer),
    /// Go on with a paused consumer
    Resume(OneConsumer),
    /// Go on from another place
    Replay(Replay),
    /// Take a consumer away
    Remove(OneConsumer),
}

#[derive(Args, Debug)]
pub(crate) struct ConsumerList {
    #[command(flatten)]
    pub(crate) whose: WhoseArgument,

    /// Print a JSON object per consumer
    #[arg(long, display_order = BEHIND)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ConsumerRun {
    /// Its name; it comes into being
    #[arg(value_parser = name)]
    pub(crate) name: ConsumerName,

    /// Of which room; of all rooms unless given, for admins
    #[arg(long, value_name = "ROOM", value_parser = room)]
    pub(crate) room: Option<RoomId>,

    /// Begin a new one at the oldest there is, instead of with what comes next
    #[arg(long)]
    pub(crate) from_start: bool,

    /// End after N events that were printed
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// Print a JSON object per line, as it does without, too
    #[arg(long, display_order = BEHIND)]
    json: bool,
}

/// A consumer or webhook, and what to print.
#[derive(Args, Debug)]
pub(crate) struct OneConsumer {
    /// Which
    #[arg(value_parser = name)]
    pub(crate) name: ConsumerName,

    #[command(flatten)]
    pub(crate) whose: WhoseArgument,

    /// Print a JSON object
    #[arg(long, display_order = BEHIND)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct WhoseArgument {
    /// Of the server's own consumers, not of yours; for admins
    #[arg(long)]
    server_own: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) of: OneConsumer,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// Where to go on.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// At the oldest there is
    #[arg(long)]
    from_start: bool,

    /// With what comes next
    #[arg(long)]
    from_now: bool,

    /// After the event at this offset, where it is of one room
    #[arg(long, value_name = "OFFSET", value_parser = offset)]
    after: Option<Offset>,
}

/// Send events to addresses on the web, signed and at least once; for admins
#[derive(Args, Debug)]
#[command(after_long_help = WEBHOOK_EXAMPLES)]
pub(crate) struct WebhookArguments {
    #[command(subcommand)]
    pub(crate) command: WebhookCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Print the webhooks, each with how it is doing
    List(WebhookList),
    /// Set up a webhook, or change one
    Add(WebhookAdd),
    /// Take a webhook away, with its dead letters
    Remove(OneWebhook),
    /// Send nothing until it is resumed
    Pause(OneWebhook),
    /// Go on with a paused webhook
    Resume(OneWebhook),
    /// Go on from another place
    Replay(WebhookReplay),
    /// Print what a webhook has given up
    Dead(WebhookDead),
    /// Send dead letters again, all unless one is named
    Retry(WebhookLetter),
    /// Give dead letters up for good, all unless one is named
    Drop(WebhookLetter),
}

#[derive(Args, Debug)]
pub(crate) struct WebhookList {
    /// Print a JSON object per webhook
    #[arg(long, display_order = BEHIND)]
    pub(crate) json: bool,
}

/// What a webhook has given up.
#[derive(Args, Debug)]
pub(crate) struct WebhookDead {
    /// Which
    #[arg(value_parser = name)]
    pub(crate) name: ConsumerName,

    /// Print a JSON object per letter
    #[arg(long, display_order = BEHIND)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct OneWebhook {
    /// Which
    #[arg(value_parser = name)]
    pub(crate) name: ConsumerName,

    /// Print a JSON object
    #[arg(long, display_order = BEHIND)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct WebhookAdd {
    #[command(flatten)]
    pub(crate) of: OneWebhook,

    /// Where to send to: https://HOST/PATH
    pub(crate) url: String,

    /// Of which room; of all rooms unless given
    #[arg(long, value_name = "ROOM", value_parser = room)]
    pub(crate) room: Option<RoomId>,

    /// What to sign with: whsec_ and the base64 of 24 to 64 random bytes; a webhook that there is keeps its own
    #[arg(long, env = "ANCHOR_WEBHOOK_SECRET", hide_env_values = true, value_name = "TEXT", value_parser = secret)]
    pub(crate) secret: Option<WebhookSecret>,

    /// Events of this kind, as --json shows it (message, edit, membership, …); may be given again. All unless given
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    pub(crate) kinds: Vec<EventKind>,
}

#[derive(Args, Debug)]
pub(crate) struct WebhookReplay {
    #[command(flatten)]
    pub(crate) of: OneWebhook,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct WebhookLetter {
    #[command(flatten)]
    pub(crate) of: OneWebhook,

    /// Which letter: ROOM/EPOCH/OFFSET, as `webhook dead` prints it
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<EventKey>,
}

impl WhoseArgument {
    /// Whose consumers are meant.
    pub(crate) const fn whose(self) -> Whose {
        if self.server_own { Whose::Server } else { Whose::Mine }
    }
}

impl Place {
    /// From where.
    pub(crate) fn from(&self) -> From {
        match (self.after, self.from_start) {
            (Some(offset), _) => From::Offset(offset),
            (None, true) => From::Start,
            (None, false) => From::Now,
        }
    }
}

fn name(text: &str) -> Result<ConsumerName, String> {
    ConsumerName::new(text).map_err(|error| error.to_string())
}

fn secret(text: &str) -> Result<WebhookSecret, String> {
    if text.is_empty() { Err("a secret is not empty".to_owned()) } else { Ok(WebhookSecret(text.to_owned())) }
}

fn kind(text: &str) -> Result<EventKind, String> {
    let named = (0..=KINDS_NAMED_MAX).map(EventKind).find(|kind| kind.name() == Some(text));
    let kind = named.or_else(|| text.parse().ok().map(EventKind));
    kind.ok_or_else(|| "a kind is a name, such as message, or a number".to_owned())
}

/// The highest number of a kind that has a name, or above. Source: chosen.
const KINDS_NAMED_MAX: u16 = 255;

const CONSUMER_EXAMPLES: &str = "\
Examples:
    anchor-cli --user bot consumer run tickets --room lobby
    anchor-cli --user bot consumer list
    anchor-cli --user bot consumer replay tickets --after 17

Exit codes: see `anchor-cli --help`";

const WEBHOOK_EXAMPLES: &str = "\
Examples:
    ANCHOR_WEBHOOK_SECRET=... anchor-cli --user root webhook add tickets https://example.org/hook --room lobby --kind message
    anchor-cli --user root webhook dead tickets
    anchor-cli --user root webhook retry tickets

Exit codes: see `anchor-cli --help`";
