//! The command line of `torture`, and of the processes that it starts.

use std::path::PathBuf;
use std::time::Duration;

use anchor_core::id::RoomId;
use clap::{Args, Subcommand, value_parser};

use super::{duration, room};

/// Prove the promise on this machine: real servers and clients, killed and cut off, and every answer checked
///
/// Starts a server on a temporary directory and many clients that publish and read through a proxy; kills both with
/// `kill -9`, cuts, stalls and delays their connections, copies the state of clients. Then the faults stop, everybody
/// catches up, and what all of them saw is checked against each promise. Prints a row for each, and ends with 9 if one is
/// broken. Ctrl-C stops early and judges what there is; a second one stops at once.
///
/// With --server it takes that server as it is, writes into rooms of its own there (`torture-…`), and kills clients only.
/// ANCHOR_SERVER is not looked at: nobody shall torture a server by accident.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_long_help = AFTER)]
pub(crate) struct Torture {
    #[command(flatten)]
    pub(crate) run: Run,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How to torture.
#[derive(Args, Clone, Debug)]
pub(crate) struct Run {
    /// How long things go wrong: 30, 90s, 10m. Starting and catching up come on top
    #[arg(long, value_name = "TIME", default_value = "30", value_parser = duration)]
    pub(crate) duration: Duration,

    /// Repeats the plan of a run: what goes wrong when. A number; else a random one, which is printed
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How often something is killed with `kill -9`: every other time the server
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(..=100_000))]
    pub(crate) kills: u32,

    /// Clients that publish and read, a process each
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u16).range(1..=500))]
    pub(crate) clients: u16,

    /// Rooms
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u16).range(1..=500))]
    pub(crate) rooms: u16,

    /// Publishes of each client, per second
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) rate: u32,

    /// The server to start; else `anchor-server` beside this program, else the one in PATH
    #[arg(long, value_name = "FILE", env = "ANCHOR_SERVER_BIN")]
    pub(crate) server_bin: Option<PathBuf>,

    /// Write the history, for `torture check` or a checker of your own; a run that fails always keeps it
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    /// Print JSON: an object per promise, one per violation, and a last one about the run
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(Check),
    #[command(hide = true)]
    Client(Client),
    #[command(hide = true)]
    Keep(Keep),
}

/// Check a saved history again, or one that another client wrote: docs/history.md tells the format
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The history: JSON lines; `-` reads standard input
    pub(crate) file: PathBuf,

    /// Print JSON: an object per promise, one per violation, and a last one about the history
    #[arg(long)]
    pub(crate) json: bool,
}

/// One client of a torture run, started by it: publishes, reads, and writes down what it does and sees
#[derive(Args, Debug)]
pub(crate) struct Client {
    /// Where to write it down
    #[arg(long)]
    pub(crate) journal: PathBuf,

    /// Chooses what it does
    #[arg(long)]
    pub(crate) seed: u64,

    /// Its name in the history as one who reads
    #[arg(long)]
    pub(crate) reader: u64,

    /// Its name in the history as one who publishes; without it, it only reads
    #[arg(long)]
    pub(crate) author: Option<u64>,

    /// The number of its first publish
    #[arg(long, default_value_t = 1)]
    pub(crate) next: u64,

    /// Whose state was copied: each publish is an author of its own, for their order is not promised
    #[arg(long)]
    pub(crate) is_copied: bool,

    /// Publishes per second
    #[arg(long, default_value_t = 1)]
    pub(crate) rate: u32,

    /// Rooms to publish to: the first the most, the last hardly ever
    #[arg(long = "publish", value_parser = room)]
    pub(crate) publishes: Vec<RoomId>,

    /// Rooms to read
    #[arg(long = "read", value_parser = room)]
    pub(crate) reads: Vec<RoomId>,

    /// The server has another clock: its beats cannot be held against acks
    #[arg(long)]
    pub(crate) skips_beats: bool,

    /// Takes its time over each delivery
    #[arg(long)]
    pub(crate) is_slow: bool,
}

/// Starts a program, ends it when told to or when nobody is there to tell, and ends with it
#[derive(Args, Debug)]
pub(crate) struct Keep {
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// What stands at the end of the long help.
const AFTER: &str = "\
A run that fails keeps its history, the data of the server and the state of each client, and says where. A seed repeats the
plan; how far each process has come by then is for the operating system to decide.

Exit codes: see `anchor-cli --help`";
