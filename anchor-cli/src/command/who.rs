//! `who`: who is subscribed to a room now.

use serde_json::json;

use crate::args::Who;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::{connection, escape, say};

/// Prints a user a line, in the order of ids.
///
/// # Errors
/// A sentence.
pub(crate) async fn run(context: &Context, arguments: Who) -> Result<Exit, Failure> {
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
    let presence = client.who(&arguments.room).await?;
    let mut output = Output::default();
    for user in &presence.users {
        match arguments.json {
            true => output.json(&json!({ "room": arguments.room.as_str(), "user": user.as_str() }))?,
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
