//! The command line, and with it the one list of options.
//!
//! An option `--disk-reserve` is `ANCHOR_DISK_RESERVE` in the environment and `disk-reserve` in the file. Each source may
//! leave values out; [`Settings::or`] lays one source over another, [`Settings::into_config`] adds the defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anchor_core::id::UserId;
use anchor_webhook::Allowance;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::value::{self, AuthMode, LogFormat, Origin};
use super::{Config, ConfigError};
use crate::exit::EXIT_CODES_HELP;

/// The whole command line of `anchor-server`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "anchor-server",
    version,
    about = "Durable real-time chat: HTTP and WebSocket on one port, the data in one directory",
    after_help = EXIT_CODES_HELP,
)]
pub struct CommandLine {
    /// TOML file that holds options under the same names [env: ANCHOR_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Readies a copy of an older data directory that was put in place: every room begins a new epoch.
    ///
    /// Without it, clients that saw later events than the copy holds could not tell them from those written after it.
    /// Run it once, after the copy was put in place and before the server is started.
    Restore,
    /// Makes the data directory as small as it can be, while no server runs on it.
    ///
    /// Files grow by doubling, and what was trimmed leaves room in them that only later messages use. Takes some seconds
    /// for each GB; nothing is lost if it is interrupted.
    Compact,
}

impl CommandLine {
    /// Reads the arguments of a process, the program's name first.
    ///
    /// # Errors
    /// [`ConfigError::Flags`], also for `--help` and `--version`.
    pub fn parse_arguments<A>(arguments: impl IntoIterator<Item = A>) -> Result<Self, ConfigError>
    where
        A: Into<std::ffi::OsString> + Clone,
    {
        let matches = with_variables(Self::command()).try_get_matches_from(arguments)?;
        Ok(Self::from_arg_matches(&matches)?)
    }
}

/// A value of each option, from one source or several.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Settings {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = value::address)]
    pub(super) listen: Option<SocketAddr>,
    /// Directory that holds the data; made if it does not exist [default: ./anchor-data]
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) data: Option<PathBuf>,
    /// How a client shows who it is. open: anyone may take any name [default: open on a loopback address, else none]
    #[arg(long, value_name = "MODE", value_parser = value::auth)]
    pub(super) auth: Option<AuthMode>,
    /// User that may do everything in every room, and speak to everybody; may be given again. With `--auth open` names are
    /// believed: whoever takes this one is an admin
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = value::user)]
    pub(super) admin: Option<Vec<UserId>>,
    /// Whether a public room comes into being with its first publish [default: true]
    #[arg(long, value_name = "BOOL", value_parser = value::switch)]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(super) create_rooms: Option<bool>,
    /// Whether what is said is kept in an index, in the directory `search` of the data, and can be searched for [default: true]
    #[arg(long, value_name = "BOOL", value_parser = value::switch)]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(super) search: Option<bool>,
    /// Free space on the disk below which publishes wait, such as 1GiB [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = value::bytes)]
    pub(super) disk_reserve: Option<u64>,
    /// Members of a room beyond which they are counted: nobody is told one by one who has read and who is there [default: 256]
    #[arg(long, value_name = "N", value_parser = value::receipts_members)]
    pub(super) receipts_members: Option<usize>,
    /// WebSocket connections at once; a further one is answered by 503 [default: 10000]
    #[arg(long, value_name = "N", value_parser = value::connections)]
    pub(super) max_connections: Option<usize>,
    /// Web page origin that may connect beside this server's own page, such as https://example.org; `*`: any
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', value_parser = value::origin)]
    pub(super) allow_origin: Option<Vec<Origin>>,
    /// Silence after which either side of a connection says that it is there; three of them end it [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = value::heartbeat)]
    pub(super) heartbeat: Option<Duration>,
    /// How long a stop waits for sessions to take their goodbye [default: 8s]
    #[arg(long, value_name = "TIME", value_parser = value::span)]
    pub(super) drain: Option<Duration>,
    /// What clients are told at a stop: when a server will be back [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = value::span)]
    pub(super) back_in: Option<Duration>,
    /// What clients are told at a stop: how many of them return in each second [default: 1000]
    #[arg(long, value_name = "N", value_parser = value::rate)]
    pub(super) return_rate: Option<u32>,
    /// Address, network or host that webhooks may reach beside the public internet, such as 10.1.2.3, 10.0.0.0/8 or
    /// hooks.internal; may be given again
    #[arg(long, value_name = "WHERE", value_delimiter = ',', value_parser = value::allowance)]
    pub(super) webhook_allow: Option<Vec<Allowance>>,
    /// Whether webhooks may be sent without encryption, to http:// [default: false]
    #[arg(long, value_name = "BOOL", value_parser = value::switch)]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(super) webhook_http: Option<bool>,
    /// How long a webhook may take to connect [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = value::webhook_time)]
    pub(super) webhook_connect: Option<Duration>,
    /// How long a webhook may take from the name to the end of the answer [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = value::webhook_time)]
    pub(super) webhook_timeout: Option<Duration>,
    /// What is logged: a level, or a list such as info,anchor_core=debug [default: info]
    #[arg(long, value_name = "FILTER", value_parser = value::log, global = true)]
    pub(super) log: Option<String>,
    /// How log lines look: human, json, or auto (human on a terminal) [default: auto]
    #[arg(long, value_name = "FORMAT", value_parser = value::log_format, global = true)]
    pub(super) log_format: Option<LogFormat>,
}

impl Settings {
    /// Each value from here; where there is none, from `lower`.
    pub(super) fn or(self, lower: Self) -> Self {
        Self {
            listen: self.listen.or(lower.listen),
            data: self.data.or(lower.data),
            auth: self.auth.or(lower.auth),
            admin: self.admin.or(lower.admin),
            create_rooms: self.create_rooms.or(lower.create_rooms),
            search: self.search.or(lower.search),
            disk_reserve: self.disk_reserve.or(lower.disk_reserve),
            receipts_members: self.receipts_members.or(lower.receipts_members),
            max_connections: self.max_connections.or(lower.max_connections),
            allow_origin: self.allow_origin.or(lower.allow_origin),
            heartbeat: self.heartbeat.or(lower.heartbeat),
            drain: self.drain.or(lower.drain),
            back_in: self.back_in.or(lower.back_in),
            return_rate: self.return_rate.or(lower.return_rate),
            webhook_allow: self.webhook_allow.or(lower.webhook_allow),
            webhook_http: self.webhook_http.or(lower.webhook_http),
            webhook_connect: self.webhook_connect.or(lower.webhook_connect),
            webhook_timeout: self.webhook_timeout.or(lower.webhook_timeout),
            log: self.log.or(lower.log),
            log_format: self.log_format.or(lower.log_format),
        }
    }

    /// The configuration; what no source gave is as in [`Config::default`].
    pub(super) fn into_config(self) -> Config {
        let default = Config::default();
        Config {
            listen: self.listen.unwrap_or(default.listen),
            data: self.data.unwrap_or(default.data),
            auth: self.auth.or(default.auth),
            admins: self.admin.unwrap_or(default.admins),
            create_rooms: self.create_rooms.unwrap_or(default.create_rooms),
            search: self.search.unwrap_or(default.search),
            disk_reserve_bytes: self.disk_reserve.unwrap_or(default.disk_reserve_bytes),
            receipts_members_max: self.receipts_members.unwrap_or(default.receipts_members_max),
            connections_max: self.max_connections.unwrap_or(default.connections_max),
            allow_origins: self.allow_origin.unwrap_or(default.allow_origins),
            heartbeat: self.heartbeat.unwrap_or(default.heartbeat),
            drain_within: self.drain.unwrap_or(default.drain_within),
            back_in: self.back_in.unwrap_or(default.back_in),
            returns_per_second: self.return_rate.unwrap_or(default.returns_per_second),
            webhook_allow: self.webhook_allow.unwrap_or(default.webhook_allow),
            webhook_http: self.webhook_http.unwrap_or(default.webhook_http),
            webhook_connect_within: self.webhook_connect.unwrap_or(default.webhook_connect_within),
            webhook_within: self.webhook_timeout.unwrap_or(default.webhook_within),
            log: self.log.unwrap_or(default.log),
            log_format: self.log_format.unwrap_or(default.log_format),
        }
    }
}

/// A parser of the options alone, for the sources that are no command line.
pub(super) fn options_command() -> clap::Command {
    let command = clap::Command::new("anchor-server").no_binary_name(true);
    Settings::augment_args(command.disable_help_flag(true).disable_version_flag(true))
}

/// The name of an option in the environment.
pub(super) fn variable_of(option: &str) -> String {
    format!("ANCHOR_{}", option.replace('-', "_").to_ascii_uppercase())
}

/// Says at each option how it is named in the environment.
fn with_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|argument| {
        let variable = argument.get_long().map(variable_of);
        match (variable, argument.get_help().map(ToString::to_string)) {
            (Some(variable), Some(help)) if !help.contains("[env:") => {
                argument.help(format!("{help} [env: {variable}]"))
            }
            _ => argument,
        }
    })
}
