//! `who`: who reads a room now, and how users are there.

use std::sync::Arc;

use anchor_core::id::{RoomId, UserId};
use anchor_core::session::frame::{Receipt, Sighting};
use anchor_transport::client::Watched;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::args::InRoom;
use crate::args::attend::Who;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::output::people::Style;
use crate::{connection, escape, say};

/// Prints a user a line, in the order of ids; or how things stand, and what changes.
///
/// # Errors
/// A sentence.
pub(crate) async fn run(context: &Context, arguments: Who) -> Result<Exit, Failure> {
    let Who { in_room, presence, watch, count } = arguments;
    match presence || watch {
        true => attend(context, &in_room, watch.then(|| count.unwrap_or(u64::MAX))).await,
        false => subscribed(context, &in_room).await,
    }
}

async fn subscribed(context: &Context, in_room: &InRoom) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let presence = client.who(&in_room.room).await?;
    let mut output = Output::default();
    for user in &presence.users {
        match in_room.json {
            true => output.json(&json!({ "room": in_room.room.as_str(), "user": user.as_str() }))?,
            false => output.line(&escape::line(user.as_str()).to_string())?,
        }
    }
    output.flush()?;
    let more = presence.total.saturating_sub(presence.users.len() as u64);
    if more > 0 {
        say::note(&format!("-- and {more} more"));
    }
    Ok(Exit::Done)
}

/// Prints how users are there; then, up to so many lines, what changes.
async fn attend(context: &Context, in_room: &InRoom, lines: Option<u64>) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let mut watch = client.watch(&in_room.room).await;
    let mut output = Output::default();
    let mut known: Option<Arc<Watched>> = None;
    let mut left = lines;
    while let Some(state) = watch.next().await {
        let state = state?;
        for news in news(known.as_deref(), &state, lines.is_some()) {
            if left == Some(0) {
                break;
            }
            match in_room.json {
                true => output.json(&news.json(&in_room.room))?,
                false => output.line(&news.line(context.style()))?,
            }
            left = left.map(|left| left - 1);
        }
        output.flush()?;
        if matches!(left, None | Some(0)) {
            return Ok(Exit::Done);
        }
        known = Some(state);
    }
    Err(connection::stopped(&client).await)
}

/// Something that is told of a room.
enum News<'s> {
    Sighting(&'s Sighting),
    Numbers { online: u64, away: u64 },
    Receipt(&'s Receipt),
    Typing(&'s [UserId]),
}

/// What is new in `state`; receipts and typing only for who watches.
fn news<'s>(known: Option<&Watched>, state: &'s Watched, is_watching: bool) -> Vec<News<'s>> {
    let mut news = Vec::new();
    let is_new =
        |sighting: &&Sighting| known.is_none_or(|known| known.present.get(&sighting.user) != Some(sighting));
    news.extend(state.present.values().filter(is_new).map(News::Sighting));
    let numbers = |state: &Watched| (state.online, state.away);
    if state.receipts.is_none() && known.is_none_or(|known| numbers(known) != numbers(state)) {
        news.push(News::Numbers { online: state.online, away: state.away });
    }
    if !is_watching {
        return news;
    }
    for receipt in state.receipts.iter().flat_map(|receipts| receipts.values()) {
        let before = known.and_then(|known| known.receipts.as_ref()?.get(&receipt.user));
        if before != Some(receipt) {
            news.push(News::Receipt(receipt));
        }
    }
    if known.map_or(!state.typing.is_empty(), |known| known.typing != state.typing) {
        news.push(News::Typing(&state.typing));
    }
    news
}

impl News<'_> {
    fn json(&self, room: &RoomId) -> Value {
        let room = room.as_str();
        match self {
            Self::Sighting(Sighting { user, presence, seen }) => {
                json!({ "room": room, "user": user.as_str(), "presence": presence.name(), "seen": seen })
            }
            Self::Numbers { online, away } => json!({ "room": room, "online": online, "away": away }),
            Self::Receipt(Receipt { user, delivered, read, .. }) => json!({
                "room": room,
                "user": user.as_str(),
                "delivered": delivered.map(|offset| offset.0),
                "read": read.0,
            }),
            Self::Typing(users) => {
                let users: Vec<_> = users.iter().map(UserId::as_str).collect();
                json!({ "room": room, "typing": users })
            }
        }
    }

    fn line(&self, style: &Style) -> String {
        match self {
            Self::Sighting(Sighting { user, presence, seen }) => {
                let since = seen.map(|seen| format!(" since {}", style.moment(seen))).unwrap_or_default();
                format!("{} {}{since}", presence.name(), escape::name(user.as_str()))
            }
            Self::Numbers { online, away } => format!("-- {online} online, {away} away"),
            Self::Receipt(Receipt { user, delivered, read, .. }) => {
                let delivered = delivered.map(|offset| format!(", has #{offset}")).unwrap_or_default();
                format!("-- {} has read #{read}{delivered}", escape::name(user.as_str()))
            }
            Self::Typing([]) => "-- nobody types".to_owned(),
            Self::Typing(users) => {
                let users: Vec<_> =
                    users.iter().map(|user| escape::name(user.as_str()).to_string()).collect();
                format!("-- {} types", users.join(", "))
            }
        }
    }
}
