//! `consumer …`: durable consumers, and what they take.

use anchor_core::code::Code;
use anchor_core::engine::ConsumerName;
use anchor_core::limits::CONSUMERS_PAGE_MAX;
use anchor_core::session::frame::{ConsumerChange, ConsumerListing, From};
use anchor_transport::client::{Consumer, RequestError, Work};
use serde_json::json;

use crate::args::work::{ConsumerCommand, ConsumerList, ConsumerRun, OneConsumer, Replay};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, json};

/// Runs a command of consumers.
///
/// # Errors
/// A sentence.
pub(super) async fn run(context: &Context, command: ConsumerCommand) -> Result<Exit, Failure> {
    match command {
        ConsumerCommand::List(arguments) => list(context, arguments).await,
        ConsumerCommand::Run(arguments) => take(context, arguments).await,
        ConsumerCommand::Pause(of) => change(context, of, ConsumerChange::Pause, "paused").await,
        ConsumerCommand::Resume(of) => change(context, of, ConsumerChange::Resume, "resumed").await,
        ConsumerCommand::Replay(Replay { of, place }) => {
            change(context, of, ConsumerChange::Replay(place.from()), "replayed").await
        }
        ConsumerCommand::Remove(of) => change(context, of, ConsumerChange::Remove, "removed").await,
    }
}

/// Prints `NAME ROOM LAG` for each: `*` for all rooms, `?` for what is not known.
async fn list(context: &Context, arguments: ConsumerList) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let mut output = Output::default();
    let mut after = None;
    loop {
        let page = client.consumers(arguments.whose.whose(), after, CONSUMERS_PAGE_MAX as u64).await?;
        for ConsumerListing { name, room, paused, lag } in page.consumers {
            let room = room.as_ref().map(|room| room.as_str());
            if arguments.json {
                let line = json!({ "name": name.as_str(), "room": room, "paused": paused, "lag": lag });
                output.json(&line)?;
            } else {
                let lag = lag.map_or("?".to_owned(), |lag| lag.to_string());
                let paused = if paused { " (paused)" } else { "" };
                output.line(&format!("{name} {} {lag}{paused}", room.unwrap_or("*")))?;
            }
        }
        output.flush()?;
        after = page.next;
        if after.is_none() {
            return Ok(Exit::Done);
        }
    }
}

/// Prints events and gaps; what was printed is done.
async fn take(context: &Context, arguments: ConsumerRun) -> Result<Exit, Failure> {
    let ConsumerRun { name, room, from_start, count, .. } = arguments;
    let client = context.reader().await?;
    let from = if from_start { From::Start } else { From::Now };
    let mut consumer = client.consume(name, room, from);
    let mut output = Output::default();
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let work = consumer.next().await.map_err(|error| lost(&consumer, error))?;
        match &work {
            Work::Events(events) => {
                for event in &events.events {
                    if left == 0 {
                        break;
                    }
                    left -= 1;
                    output.json(&json::event(&events.room, events.epoch, event))?;
                    // What is not printed is not done.
                    output.flush()?;
                    let position = anchor_core::position::Position::at(events.epoch, event.mark());
                    consumer.done(&events.room, position);
                }
            }
            Work::Gap { room, gap } => {
                output.json(&json::gap(room, gap))?;
                output.flush()?;
                if let Some(position) = gap.position {
                    consumer.done(room, position);
                }
            }
        }
    }
    consumer.flush().await.map_err(|error| lost(&consumer, error))?;
    Ok(Exit::Done)
}

/// Says of a consumer that another has now how to have it back.
fn lost(consumer: &Consumer, error: RequestError) -> Failure {
    match error {
        RequestError::Refused { code: Code::Replaced, .. } => {
            let name = consumer.name();
            Failure::new(
                Exit::Refused,
                format!("refused (replaced): another takes from {name} now; run this again to take it over"),
            )
        }
        error => error.into(),
    }
}

async fn change(
    context: &Context,
    of: OneConsumer,
    change: ConsumerChange,
    what: &str,
) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    client.change_consumer(of.whose.whose(), of.name.clone(), change).await?;
    changed(&of.name, what, of.json)
}

/// Prints `NAME paused`, or `{"name":"bot","paused":true}`.
pub(super) fn changed(name: &ConsumerName, what: &str, json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    match json {
        true => output.json(&json!({ "name": name.as_str(), what: true }))?,
        false => output.line(&format!("{name} {what}"))?,
    }
    output.flush()?;
    Ok(Exit::Done)
}
