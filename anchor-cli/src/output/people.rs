//! What people read: one event a line, further lines indented, nothing foreign raw.
//!
//! Every line of ours begins with a digit or a dash, never with a space; see [`crate::escape`] for why that matters.

use std::io::{self, IsTerminal};

use anchor_core::event::Event;
use anchor_core::id::RoomId;
use anchor_core::resume::{Gap, GapReason};
use anchor_core::room::Changes;
use anchor_core::session::frame::Signal;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::words::{self, Words};
use crate::escape;

/// How people see time and events.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    zone: TimeZone,
    utc: bool,
}

impl Style {
    /// Times as the clock on the wall shows them (`TZ`, else the system's zone), or in UTC.
    pub(crate) fn new(zone: Zone) -> Self {
        match zone {
            Zone::Local => Self { zone: TimeZone::system(), utc: false },
            Zone::Utc => Self { zone: TimeZone::UTC, utc: true },
        }
    }

    /// `2026-11-22 14:03:05 #12 ada: hello`
    pub(crate) fn event(&self, room: &RoomId, event: &Event) -> String {
        self.with_heading(&self.place(event), event, words::of(room, event))
    }

    /// As [`Style::event`], as it is now: `2026-11-22 14:03:05 #12 ada [edited] [👍 2]: hello there`
    pub(crate) fn current(&self, room: &RoomId, event: &Event, changes: Option<&Changes>) -> String {
        let words =
            changes.map_or_else(|| words::of(room, event), |changes| words::now(room, event, changes));
        self.with_heading(&self.place(event), event, words)
    }

    /// `14:03 ada: hello`
    pub(crate) fn chat(&self, room: &RoomId, event: &Event) -> String {
        self.with_heading(&self.time(event.ts, "%H:%M"), event, words::of(room, event))
    }

    /// `2026-11-22 14:03:05`
    pub(crate) fn moment(&self, ts: u64) -> String {
        self.time(ts, "%Y-%m-%d %H:%M:%S")
    }

    fn place(&self, event: &Event) -> String {
        format!("{} #{}", self.moment(event.ts), event.offset)
    }

    fn with_heading(&self, at: &str, event: &Event, words: Words) -> String {
        let Words { what, text } = words;
        let heading = format!("{at} {}{what}", escape::name(event.user.as_str()));
        let shown = match text {
            None => heading,
            Some(text) => format!("{heading}: {text}"),
        };
        // The heading has nothing to escape any more; it is broken like the text, should the name be long.
        escape::paragraph(&shown, width())
    }

    fn time(&self, ts: u64, format: &str) -> String {
        let shown = i64::try_from(ts)
            .ok()
            .and_then(|ts| Timestamp::from_millisecond(ts).ok())
            .map(|at| at.to_zoned(self.zone.clone()).strftime(format).to_string());
        match shown {
            // Beyond the year 9999: a server's clock gone wrong, but its message is still to be read.
            None => format!("{ts}ms"),
            Some(shown) if self.utc => shown + "Z",
            Some(shown) => shown,
        }
    }
}

/// Which clock people look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// That of the place.
    Local,
    /// The same everywhere.
    Utc,
}

/// A sentence about events that cannot be had.
pub(crate) fn gap(room: &RoomId, gap: &Gap) -> String {
    let room = escape::line(room.as_str()).to_string();
    let Gap { from, to, .. } = gap;
    match gap.reason {
        GapReason::Trimmed => {
            format!("-- {room}: events {from} to {to} can no longer be had: retention took them away")
        }
        GapReason::Restored => format!(
            "-- {room}: events {from} to {to} were lost: the server was restored from a backup; drop what you had of them"
        ),
        GapReason::History => format!(
            "-- {room}: this is another log than the one read before: drop what you had up to {to}, it is read anew"
        ),
        GapReason::Hidden => {
            format!("-- {room}: events {from} to {to} are for those who were members then")
        }
        GapReason::Skipped => format!("-- {room}: events {from} to {to} were not asked for"),
        GapReason::Deleted => format!("-- {room}: the room was deleted"),
    }
}

/// What somebody said in passing: `-- bob says in passing: hello`
pub(crate) fn signal(signal: &Signal) -> String {
    let who = signal
        .user
        .as_ref()
        .map_or_else(|| "somebody".to_owned(), |user| escape::name(user.as_str()).to_string());
    let said = match signal.body.as_text() {
        Some(text) => escape::line(text).to_string(),
        None => {
            let content_type = escape::line(signal.body.content_type().unwrap_or("no content type"));
            format!("[{content_type}, {} bytes]", signal.body.bytes().len())
        }
    };
    format!("-- {who} says in passing: {said}")
}

/// Columns of the terminal that standard output is, if it is one.
fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (width, _) = terminal_size::terminal_size()?;
    Some(usize::from(width.0))
}

#[cfg(test)]
mod tests;
