//! The command line.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anchor_core::id::{NUMBER_MAX, RoomId, UserId};
use anchor_core::position::Offset;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use self::attend::{Read, Search, Who};
use self::message::{Announce, Edit, Extras, OnMessage, React, Redact, Reply, Thread};
use self::person::{Block, DirectArguments, Dm, ProfileArguments, ReceiptsArguments, Signal};
use self::room::RoomArguments;
use self::work::{ConsumerArguments, WebhookArguments};
use crate::exit;

pub(crate) mod attend;
pub(crate) mod bench;
pub(crate) mod message;
pub(crate) mod person;
pub(crate) mod room;
pub(crate) mod torture;
pub(crate) mod work;

pub(crate) use self::bench::Bench;
pub(crate) use self::torture::Torture;

/// Talk in the rooms of an Anchor server: what is acknowledged is on its disk, in one order for everybody.
#[derive(Debug, Parser)]
#[command(name = "anchor-cli", version, after_help = exit::HELP, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Where the server listens
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "ANCHOR_SERVER",
        default_value = "ws://127.0.0.1:3000",
        value_name = "URL",
        value_parser = server
    )]
    pub(crate) server: String,

    /// Who you are; else your login name
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "ANCHOR_USER", value_name = "NAME", value_parser = user)]
    pub(crate) user: Option<UserId>,

    /// Where messages wait until they are acknowledged; else a directory of this server and user under
    /// $XDG_STATE_HOME. One process at a time
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "ANCHOR_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Stop after so long: 30, 1.5, 500ms, 2m
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "SECONDS", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    /// Show times in UTC instead of local time
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) utc: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Send(Send),
    Tail(Tail),
    History(History),
    Chat(Chat),
    Rooms(Rooms),
    Who(Who),
    Read(Read),
    Search(Search),
    Room(RoomArguments),
    Reply(Reply),
    Thread(Thread),
    Edit(Edit),
    Redact(Redact),
    /// Set a sign on a message
    React(React),
    /// Take a sign of yours back from a message
    Unreact(React),
    /// Put a message up for all to see
    Pin(OnMessage),
    /// Take a pinned message down
    Unpin(OnMessage),
    /// Print the pinned messages of a room, the oldest pin first
    Pins(InRoom),
    Announce(Announce),
    Dm(Dm),
    Signal(Signal),
    Profile(ProfileArguments),
    Direct(DirectArguments),
    Receipts(ReceiptsArguments),
    /// Take no direct messages from a user, and open no direct room with the user
    Block(Block),
    /// Let a blocked user talk to you again
    Unblock(Block),
    Consumer(ConsumerArguments),
    Webhook(WebhookArguments),
    Torture(Torture),
    Bench(Bench),
}

/// What most commands are about, and how they print it.
#[derive(Args, Clone, Debug)]
pub(crate) struct InRoom {
    /// The room
    #[arg(value_parser = room)]
    pub(crate) room: RoomId,

    /// Print a JSON object per line
    #[arg(long, display_order = BEHIND)]
    pub(crate) json: bool,
}

/// Send one message, or one for each line of standard input
///
/// Prints `ROOM OFFSET` for each message once it is on the server's disk, in the order of the lines. A line that is
/// refused goes to stderr with its number and code, and the rest goes on. While the server is away, messages wait in
/// the state directory, and `send` keeps trying.
///
/// After a kill, `send` with the same --state first delivers what was left, once, and prints that too. Lines are taken
/// into the state directory in their order, so what was taken is a beginning of the input.
#[derive(Args, Debug)]
#[command(after_long_help = SEND_AGAIN)]
pub(crate) struct Send {
    /// The room: a-z 0-9 . _ -
    #[arg(value_parser = room)]
    pub(crate) room: RoomId,

    /// The message; without it, each line of standard input is one
    pub(crate) text: Option<String>,

    #[command(flatten)]
    pub(crate) extras: Extras,

    /// Print a JSON object per message, with `line`, `room`, `epoch`, `offset`, `ordinal`, `ts` or, on stdout too,
    /// `line`, `refused` and `message`
    #[arg(long)]
    pub(crate) json: bool,

    /// What to do with messages of which it cannot be told whether they stand in the log, or which the server lost when
    /// it was restored to an earlier day; without this they stay, and `send` ends with 8
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) undecided: Option<WithUndecided>,
}

/// What to do with undecided messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WithUndecided {
    /// Send them as new messages.
    Resend,
    /// Give them up.
    Discard,
}

/// Print a room's log from its last 10 messages on, unless told otherwise
///
/// Joins, titles, edits, reactions and the like stand where they happened, in words. Ends at the newest event, or goes on with
/// --follow. What can no longer be had is told: on stderr, with --json as a line {"gap": …} in its place. Whoever may not
/// read the room any more gets everything up to the event that ended it, a line {"ended": …} with --json, and exit code 4.
#[derive(Args, Debug)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// Begin at the oldest there is
    #[arg(long, group = "range")]
    pub(crate) from_start: bool,

    /// Begin at the last N messages
    #[arg(long, group = "range", value_name = "N", value_parser = value_parser!(u64).range(..=NUMBER_MAX))]
    pub(crate) last: Option<u64>,

    /// Begin after offset N
    #[arg(long, group = "range", value_name = "N", value_parser = offset)]
    pub(crate) after: Option<Offset>,

    /// Go on with what comes
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// End after N that were printed
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// Print messages alone
    #[arg(long)]
    pub(crate) messages: bool,

    /// Leave out what you have written yourself
    #[arg(long)]
    pub(crate) hide_own: bool,

    /// Print what is said in passing too: on stderr, with --json as a line {"signal": …}
    #[arg(long)]
    pub(crate) signals: bool,

    /// Go on where the last `tail ROOM --resume` with this --state ended; the first time at the given range, else at
    /// the oldest there is
    #[arg(long)]
    pub(crate) resume: bool,
}

/// Print a part of a room's past, the newest 50 lines of it unless told otherwise
///
/// Messages are shown as they are now: with their newest text, without it if it was redacted, with the signs set on them. With
/// --json, events stand as they were written, each with a field `changes` if later ones changed it, and those too.
#[derive(Args, Debug)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// Only what stands before offset N
    #[arg(long, value_name = "N", value_parser = offset)]
    pub(crate) before: Option<Offset>,

    /// At most N lines; `tail` prints any number
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u64).range(1..=HISTORY_MAX))]
    pub(crate) limit: u64,

    /// Print messages alone
    #[arg(long)]
    pub(crate) messages: bool,
}

/// Print the rooms there are, each with the offset of its newest event, and how many of its messages you have not read
#[derive(Args, Debug)]
pub(crate) struct Rooms {
    /// Print a JSON object per room
    #[arg(long)]
    pub(crate) json: bool,
}

/// Talk in a room, line by line; `/help` tells the commands
///
/// A message appears among the others once it is on the server's disk. While the server is away, messages wait in the
/// state directory.
#[derive(Args, Debug)]
pub(crate) struct Chat {
    /// The room
    #[arg(value_parser = room, default_value = "lobby")]
    pub(crate) room: RoomId,
}

impl Arguments {
    /// Who speaks: `--user`, else the login name, else `guest`.
    pub(crate) fn user(&self) -> UserId {
        let login =
            || ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| UserId::new(env::var(name).ok()?).ok());
        let guest = || UserId::new("guest").expect("`guest` breaks no rule of user ids");
        self.user.clone().or_else(login).unwrap_or_else(guest)
    }
}

/// What stands at the end of the long help of `send`.
const SEND_AGAIN: &str = "\
A script that was killed in the middle of INPUT goes on so, where nobody else writes into the room and no line was refused:
    anchor-cli send ROOM </dev/null
    n=$(anchor-cli tail ROOM --from-start --messages --json | wc -l)
    tail -n +$((n + 1)) INPUT | anchor-cli send ROOM

Exit codes: see `anchor-cli --help`";

/// Where an option stands in the help that many commands have: behind their own. Source: chosen; no command has so many.
const BEHIND: usize = 100;

/// Above the options that all commands have.
const EVERYWHERE: &str = "Options of every command";

/// Most messages of one `history`, which are held in memory. Source: chosen; more than anybody reads.
const HISTORY_MAX: u64 = 10_000;

/// Takes `ws://HOST:PORT`; also the `http://` address that the server prints, and a bare `HOST:PORT`.
fn server(text: &str) -> Result<String, String> {
    let (scheme, rest) = match text.split_once("://") {
        None => ("ws", text),
        Some(("ws" | "http", rest)) => ("ws", rest),
        Some(("wss" | "https", rest)) => ("wss", rest),
        Some(_) => return Err("give it as ws://HOST:PORT".to_owned()),
    };
    let rest = rest.trim_end_matches('/').trim_end_matches("/v1/ws");
    if rest.is_empty() || rest.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '#' | '?'))
    {
        return Err("give it as ws://HOST:PORT".to_owned());
    }
    Ok(format!("{scheme}://{rest}"))
}

impl Command {
    /// True for a command that takes Ctrl-C itself: it has something to finish.
    pub(crate) const fn takes_interrupt(&self) -> bool {
        matches!(self, Self::Torture(_) | Self::Bench(_))
    }
}

fn room(text: &str) -> Result<RoomId, String> {
    RoomId::new(text).map_err(|error| error.to_string())
}

fn user(text: &str) -> Result<UserId, String> {
    UserId::new(text).map_err(|error| error.to_string())
}

fn offset(text: &str) -> Result<Offset, String> {
    let number: u64 = text.parse().map_err(|_| "an offset is a whole number".to_owned())?;
    if number > NUMBER_MAX { Err("an offset is at most 2^53 - 1".to_owned()) } else { Ok(Offset(number)) }
}

/// Takes seconds, or a number with `ms`, `s`, `m` or `h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    time(text, TIME_MAX)
}

/// A time of at most `longest`, which is named in whole hours where it is exceeded.
pub(crate) fn time(text: &str, longest: Duration) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("give seconds, or a number with ms, s, m or h".to_owned()),
    };
    let number: f64 =
        number.parse().map_err(|_| "give seconds, or a number with ms, s, m or h".to_owned())?;
    let time = Duration::try_from_secs_f64(number * seconds).ok();
    time.filter(|time| !time.is_zero() && *time <= longest)
        .ok_or_else(|| format!("give a time above zero, and at most {}h", longest.as_secs() / 3600))
}

/// The longest time that can be given: a year. Source: chosen; nobody waits longer.
const TIME_MAX: Duration = Duration::from_secs(8760 * 3600);

#[cfg(test)]
mod tests;
