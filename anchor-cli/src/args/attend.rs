//! Being there: `read`, `who`, `search`.

use anchor_core::position::Offset;
use clap::{Args, value_parser};

use super::{BEHIND, InRoom, offset};

/// Say that you have read a room, all of it unless told otherwise
///
/// All of your clients hear of it, and so do others who look at the room. Prints `ROOM OFFSET` once it is on the server's disk: how
/// far you have read, which may be further than what was said now.
#[derive(Args, Debug)]
pub(crate) struct Read {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// Only up to the event at this offset
    #[arg(long, value_name = "OFFSET", value_parser = offset)]
    pub(crate) to: Option<Offset>,
}

/// Print who is subscribed to a room now
///
/// With --presence: who has joined it or reads it, each with `online`, `away` or `offline`, and when somebody went. With --watch:
/// that, how far everybody has read, and who types, now and whenever it changes. Rooms of more than 256 members are told as numbers
/// and a sample.
#[derive(Args, Debug)]
pub(crate) struct Who {
    #[command(flatten)]
    pub(crate) in_room: InRoom,

    /// Print how users are there, those who are gone too
    #[arg(long)]
    pub(crate) presence: bool,

    /// Go on with what changes, receipts and typing among it
    #[arg(long, short)]
    pub(crate) watch: bool,

    /// End after N lines, those of how it stands at first among them
    #[arg(long, value_name = "N", requires = "watch")]
    pub(crate) count: Option<u64>,
}

/// Look for words in what was said, in all rooms that you may read, the newest first
///
/// All WORDS must stand in a message; "several words" in quotes of their own stand as they do there. from:USER, in:ROOM,
/// before:DAY and after:DAY narrow it.
#[derive(Args, Debug)]
#[command(after_long_help = SEARCH_EXAMPLES)]
pub(crate) struct Search {
    /// What to look for
    #[arg(required = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,

    /// At most N messages
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u64).range(1..=SEARCH_MAX))]
    pub(crate) limit: u64,

    /// Print a JSON object per message
    #[arg(long, display_order = BEHIND)]
    pub(crate) json: bool,
}

/// Most messages of one `search`. Source: chosen; more than anybody reads.
const SEARCH_MAX: u64 = 1_000;

const SEARCH_EXAMPLES: &str = "\
Examples:
    anchor-cli search summer in:plans
    anchor-cli search '\"where to\" from:ada' before:2026-06-01 --json

Exit codes: see `anchor-cli --help`";
