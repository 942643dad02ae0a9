//! `read`: how far a user has read.

use std::time::Duration;

use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::HistoryRange;
use anchor_transport::client::Client;
use futures::StreamExt;
use serde_json::json;

use crate::args::attend::Read;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Says that the user has read a room, and prints how far once that is durable.
///
/// # Errors
/// A sentence.
pub(super) async fn run(context: &Context, arguments: Read) -> Result<Exit, Failure> {
    let Read { in_room, to } = arguments;
    let room = &in_room.room;
    let client = context.reader().await?;
    let mut reading = client.reading();
    let mut output = Output::default();
    let Some(position) = position(&client, &in_room.room, to).await? else {
        print(&mut output, &in_room, Offset::ZERO)?;
        return Ok(Exit::Done);
    };
    client.read(room, position).await?;
    let told = async {
        while let Some(read) = reading.next().await {
            if read.room == *room && read.read >= position.offset {
                return Some(read.read);
            }
        }
        None
    };
    let late = || Failure::new(Exit::TimedOut, "the server did not say that it has noted it; try again");
    match tokio::time::timeout(NOTED_WITHIN, told).await {
        Ok(Some(read)) => print(&mut output, &in_room, read)?,
        Ok(None) => return Err(crate::connection::stopped(&client).await),
        Err(_) => return Err(late()),
    }
    Ok(Exit::Done)
}

/// The place that was read: that of the newest event, or of the newest up to `to`. None where there is none.
async fn position(
    client: &Client,
    room: &anchor_core::id::RoomId,
    to: Option<Offset>,
) -> Result<Option<Position>, Failure> {
    let range = to.map_or(HistoryRange::Newest, |to| HistoryRange::BeforeOffset(to.next()));
    let page = client.history(room, range, 1).await?;
    Ok(page.epoch.zip(page.events.last()).map(|(epoch, event)| Position::at(epoch, event.mark())))
}

fn print(output: &mut Output, in_room: &crate::args::InRoom, read: Offset) -> Result<(), Failure> {
    match in_room.json {
        true => output.json(&json!({ "room": in_room.room.as_str(), "read": read.0 }))?,
        false => output.line(&format!("{} {read}", in_room.room))?,
    }
    output.flush()
}

/// How long the server may take to note what was read. Source: chosen; it writes once a second.
const NOTED_WITHIN: Duration = Duration::from_secs(10);
