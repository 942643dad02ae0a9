//! `who`: who is subscribed to a room now.

use serde_json::json;

use crate::args::InRoom;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::{escape, say};

/// Prints a user a line, in the order of ids.
///
/// # Errors
/// A sentence.
pub(crate) async fn run(context: &Context, in_room: InRoom) -> Result<Exit, Failure> {
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
