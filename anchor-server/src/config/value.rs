//! The syntax of values, one function for each kind; an error is one sentence that shows a right one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use anchor_core::id::UserId;
use anchor_core::limits::RECEIPTS_MEMBERS_LIMIT;
use anchor_webhook::Allowance;
use anchor_webhook::address::NotAnAllowance;
use tracing_subscriber::EnvFilter;

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMode {
    /// Anyone may take any name.
    Open,
}

impl AuthMode {
    /// Its name in options and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// As [`LogFormat::Human`] on a terminal, else as [`LogFormat::Json`].
    Auto,
    /// For eyes.
    Human,
    /// One JSON object a line.
    Json,
}

/// The origin of a web page: scheme, host and port, as a browser sends it; or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Whether a page whose browser sends `origin` is meant.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.0 == "*" || self.0.eq_ignore_ascii_case(origin)
    }
}

impl FromStr for Origin {
    type Err = String;

    /// A sentence that shows a right one, if this is none.
    fn from_str(text: &str) -> Result<Self, String> {
        origin(text)
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| {
        "give an IP address and a port, such as 127.0.0.1:3000, 0.0.0.0:3000 (every IPv4 address of this machine) or \
         [::1]:3000"
            .to_owned()
    })
}

pub(super) fn auth(text: &str) -> Result<AuthMode, String> {
    match text {
        "open" => Ok(AuthMode::Open),
        _ => Err("the auth mode there is: open (anyone may take any name)".to_owned()),
    }
}

pub(super) fn user(text: &str) -> Result<UserId, String> {
    UserId::new(text).map_err(|error| format!("{error}; give the name that the admin takes, such as ada"))
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("give true or false".to_owned()),
    }
}

pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1), ("", 1)];
    units
        .iter()
        .find_map(|(unit, size)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*size)
        })
        .ok_or_else(|| "give bytes, or a number with KiB, MiB, GiB or TiB, such as 256MiB".to_owned())
}

pub(super) fn span(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    units
        .iter()
        .find_map(|(unit, milliseconds)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*milliseconds).filter(|total| *total <= SPAN_MS_MAX).map(Duration::from_millis)
        })
        .ok_or_else(|| "give a number with ms, s, m or h, such as 10s, and at most 24h".to_owned())
}

pub(super) fn heartbeat(text: &str) -> Result<Duration, String> {
    let heartbeat = span(text)?;
    match (HEARTBEAT_MIN..=HEARTBEAT_MAX).contains(&heartbeat) {
        true => Ok(heartbeat),
        false => Err("give a time from 100ms to 10m".to_owned()),
    }
}

pub(super) fn connections(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    number
        .filter(|number| (1..=CONNECTIONS_MAX).contains(number))
        .ok_or_else(|| format!("give a number from 1 to {CONNECTIONS_MAX}"))
}

pub(super) fn receipts_members(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    number
        .filter(|number| *number <= RECEIPTS_MEMBERS_LIMIT)
        .ok_or_else(|| format!("give a number from 0 to {RECEIPTS_MEMBERS_LIMIT}"))
}

pub(super) fn rate(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "give a number from 1 on".to_owned())
}

pub(super) fn origin(text: &str) -> Result<Origin, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let plain = host.is_some_and(|host| {
        !host.is_empty()
            && !host.contains(|c: char| "/?#@".contains(c) || c.is_whitespace() || c.is_control())
    });
    if plain || text == "*" {
        Ok(Origin(text.to_owned()))
    } else {
        Err("give scheme, host and port as a browser sends them, such as https://chat.example.org".to_owned())
    }
}

pub(super) fn allowance(text: &str) -> Result<Allowance, String> {
    text.parse().map_err(|error: NotAnAllowance| error.to_string())
}

pub(super) fn webhook_time(text: &str) -> Result<Duration, String> {
    let time = span(text)?;
    match (WEBHOOK_TIME_MIN..=WEBHOOK_TIME_MAX).contains(&time) {
        true => Ok(time),
        false => Err("give a time from 100ms to 2m".to_owned()),
    }
}

pub(super) fn log(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("give a level (error, warn, info, debug, trace, off), or a list such as \
                       info,anchor_core=debug"
            .to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err("give auto, human or json".to_owned()),
    }
}

/// Longest time that can be given. Source: chosen; a day.
const SPAN_MS_MAX: u64 = 24 * 3_600_000;

/// What clients take a heartbeat for at least and at most, whatever they are told. Source: the client of `anchor-transport`.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);
const HEARTBEAT_MAX: Duration = Duration::from_secs(600);

/// Shortest and longest times of a webhook. Source: chosen; a stop waits for what is on its way, and a room for its turn.
const WEBHOOK_TIME_MIN: Duration = Duration::from_millis(100);
const WEBHOOK_TIME_MAX: Duration = Duration::from_secs(120);

/// Most connections that can be asked for. Source: chosen; ten times what one process is built for.
const CONNECTIONS_MAX: usize = 10_000_000;
