//! The command line of `bench`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, value_parser};

use super::duration;

/// Measure a server: how much it takes, how fast, and what that costs
///
/// Starts a server of its own on a temporary directory, or measures the one that --server names (ANCHOR_SERVER is not looked
/// at), with one thread and plain connections, in rooms of its own. Every delivery is checked: a lost, repeated or reordered
/// one ends it with 9. Times run from the moment at which a message was to be sent, so that waiting counts (no coordinated
/// omission). CPU is the user and system time of the server's process.
#[derive(Args, Debug)]
#[command(after_long_help = AFTER)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) common: Common,

    #[command(subcommand)]
    pub(crate) what: What,
}

/// One scenario, or all.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    #[command(flatten)]
    One(Scenario),
    /// Every scenario as it is by default, one after the other, each against a new server, and a table of all at the end
    ///
    /// `fanout --rate half`, `rooms`, `publish`, `storm`, `idle`, `connect`, `history --publishes-per-s 5000` and `catchup
    /// --events 100000 --readers 10 --probe 200`.
    All,
}

/// What all scenarios take.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = SCENARIOS)]
pub(crate) struct Common {
    /// How long to measure, where the scenario does not end by itself
    #[arg(long, global = true, value_name = "TIME", default_value = "10", value_parser = duration)]
    pub(crate) seconds: Duration,

    /// How long to run before measuring
    #[arg(long, global = true, value_name = "TIME", default_value = "2", value_parser = duration)]
    pub(crate) warm_up: Duration,

    /// Bytes of each message
    #[arg(long, global = true, value_name = "N", default_value_t = 128, value_parser = value_parser!(u64).range(BODY_BYTES))]
    pub(crate) body_bytes: u64,

    /// Print one line of JSON for each scenario
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// The server to start; else `anchor-server` beside this program, else the one in PATH
    #[arg(long, global = true, value_name = "FILE", env = "ANCHOR_SERVER_BIN")]
    pub(crate) server_bin: Option<PathBuf>,

    /// Where that server's temporary directory is made; else where the system has such. Its disk is what is measured
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_under: Option<PathBuf>,

    /// Process of the server that --server names, on this machine: without it neither its CPU nor its memory is told
    #[arg(long, global = true, value_name = "N")]
    pub(crate) pid: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    Fanout(Fanout),
    Rooms(Rooms),
    Publish(Publish),
    Storm(Storm),
    Idle(Idle),
    Connect(Connect),
    History(History),
    Catchup(CatchUp),
}

/// One room, many subscribers, one who publishes: how many deliveries a second
///
/// Closed loop: a message is on its way until it was acknowledged and delivered to every subscriber, and --in-flight of them
/// always are. Open loop: --rate messages a second, whatever becomes of them.
#[derive(Args, Clone, Debug)]
pub(crate) struct Fanout {
    /// Connections that subscribe to the room; one more publishes
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) subscribers: u32,

    /// Messages on their way
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..=256))]
    pub(crate) in_flight: u32,

    /// Open loop: messages a second, or `half` of what the closed loop reaches, which is measured first
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<FanoutRate>,

    /// Percent of the subscribers that never read once they are subscribed; "every subscriber" leaves them out
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent)]
    pub(crate) stalled: f64,
}

/// Many rooms in which everyone publishes and everyone reads: acknowledged publishes and deliveries a second
///
/// Closed loop: each connection has --in-flight messages on their way, each until it is acknowledged.
#[derive(Args, Clone, Debug)]
pub(crate) struct Rooms {
    /// Connections, each of which reads one room and publishes into it
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) connections: u32,

    /// Rooms, over which the connections are spread
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) rooms: u32,

    /// Messages on their way, of each connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=256))]
    pub(crate) in_flight: u32,

    /// Open loop: messages a second, of all connections together
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,
}

/// Each connection publishes into a room of its own, and nobody reads: acknowledged publishes a second
///
/// Closed loop: each connection has --in-flight messages on their way, each until it is acknowledged.
#[derive(Args, Clone, Debug)]
pub(crate) struct Publish {
    /// Connections, each with a room of its own
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) connections: u32,

    /// Messages on their way, of each connection
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..=256))]
    pub(crate) in_flight: u32,

    /// Open loop: messages a second, of all connections together
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,
}

/// Clients that missed messages come back all at once: how long until all of them are current
///
/// Each client has read its room, and goes away. Then messages are published, so that all clients together have missed
/// --missed of them. Then all connect at once: TCP, the upgrade of HTTP, and a hello that resumes. A client is current when it
/// has received everything. Times run from the moment at which they begin to come back.
#[derive(Args, Clone, Debug)]
pub(crate) struct Storm {
    /// Clients that come back
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) clients: u32,

    /// Messages that they have missed, all together: every reader of a message counts
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = value_parser!(u64).range(1..=MISSED_MAX))]
    pub(crate) missed: u64,

    /// Rooms, over which the clients are spread
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) rooms: u32,

    /// How long they stay away once everything is published
    #[arg(long, value_name = "TIME", default_value = "1", value_parser = duration)]
    pub(crate) away: Duration,
}

/// Connections that do nothing: the memory that the server keeps for each
///
/// Every connection reads a room, in which one message stands. The memory is what the server's process has resident, once
/// everything has settled, less what it had with 100 connections, divided by the connections that were opened since. What
/// the kernel keeps for sockets is not part of it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Idle {
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) connections: u32,

    /// Connections of each room
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) room_size: u32,

    /// How long everything may settle before memory is looked at
    #[arg(long, value_name = "TIME", default_value = "3", value_parser = duration)]
    pub(crate) settle: Duration,
}

/// Clients that arrive at an even rate: from hello to welcome
///
/// Open loop: --rate new connections a second, whatever becomes of them. Each resumes a room at its start. Told are the times
/// from hello to welcome, and from the moment at which it was to connect to welcome.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connect {
    /// New connections a second
    #[arg(long, value_name = "N", default_value = "500", value_parser = rate)]
    pub(crate) rate: f64,

    /// Rooms, over which the clients are spread
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) rooms: u32,

    /// Connections that stay; beyond them, the oldest one closes when a new one is welcome
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) keep: u32,
}

/// Pages of 50 at random places of a log: pages a second
///
/// Writes the log first. Closed loop: each connection has 4 requests open, for the page before a position at random.
#[derive(Args, Clone, Debug)]
pub(crate) struct History {
    /// Messages in the log
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u64).range(EVENTS))]
    pub(crate) events: u64,

    /// Connections that ask
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) connections: u32,

    /// Beside them, 64 connections publish so many messages a second, all together
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) publishes_per_s: Option<f64>,
}

/// Readers that read a long log from its start: events a second
///
/// Writes the log first. Then all readers, which are connected, subscribe at once, and each reads to the end. With --probe a
/// further connection publishes into a room of its own, by a thread of its own: for --seconds alone, then for --seconds beside
/// the readers, which read the log again and again. Told is how much longer its acks take.
#[derive(Args, Clone, Debug)]
pub(crate) struct CatchUp {
    /// Messages in the log
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u64).range(EVENTS))]
    pub(crate) events: u64,

    /// Readers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub(crate) readers: u32,

    /// Messages a second of one that publishes beside them
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) probe: Option<f64>,
}

impl Scenario {
    /// What `all` stands for.
    pub(crate) fn all() -> Vec<Self> {
        let lines = [
            "fanout --rate half",
            "rooms",
            "publish",
            "storm",
            "idle",
            "connect",
            "history --publishes-per-s 5000",
            "catchup --events 100000 --readers 10 --probe 200",
        ];
        let parse = |line: &str| {
            let words = std::iter::once("bench").chain(line.split(' '));
            Defaults::parse_from(words).scenario
        };
        lines.into_iter().map(parse).collect()
    }
}

/// A command line of nothing but a scenario.
#[derive(Parser)]
struct Defaults {
    #[command(subcommand)]
    scenario: Scenario,
}

/// How often `fanout` sends a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FanoutRate {
    PerSecond(f64),
    /// Half of what the closed loop reaches.
    Half,
}

impl FromStr for FanoutRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "half" { Ok(Self::Half) } else { rate(text).map(Self::PerSecond) }
    }
}

/// Takes a part of a hundred, which leaves somebody.
fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| (0.0..=99.0).contains(number))
        .ok_or_else(|| "give a number from 0 to 99".to_owned())
}

/// Takes a number above zero of things in a second.
fn rate(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| (RATE_MIN..=RATE_MAX).contains(number))
        .ok_or_else(|| format!("give a number from {RATE_MIN} to {RATE_MAX}"))
}

/// What stands at the end of the long help.
const AFTER: &str = "\
The generator shares the machine with the server: `bench cpu` is what it takes itself. Compare
figures of one machine, taken one after the other.

A run ends in time: beyond what it measures and the log that it writes first, connecting and the last answers may take a minute
each, and what does not come for 10 s is lost, which is a broken promise.

Exit codes: see `anchor-cli --help`";

/// Above the options that all scenarios have.
const SCENARIOS: &str = "Options of every scenario";

/// Most connections of one run. Source: one address has 28,232 ports for connections to one server, by the default of Linux.
const CONNECTIONS_MAX: i64 = 25_000;

/// Bytes of a body. Source: what a message of a run says about itself, and the protocol.
const BODY_BYTES: std::ops::RangeInclusive<u64> = 36..=65_536;

/// Messages of a log that is read. Source: two pages at least, and what fits a disk.
const EVENTS: std::ops::RangeInclusive<u64> = 100..=100_000_000;

/// Things a second. Source: chosen; one in a hundred seconds, and more than any machine does.
const RATE_MIN: f64 = 0.01;
const RATE_MAX: f64 = 1e7;

/// Messages that a storm's clients may have missed. Source: chosen; a minute of publishing at the least.
const MISSED_MAX: u64 = 100_000_000;
