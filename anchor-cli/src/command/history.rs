//! `history`: a part of a room's past, read backwards page by page and printed forwards.

use std::collections::VecDeque;

use anchor_core::event::{Event, EventKind};
use anchor_core::limits::HISTORY_EVENTS_MAX;
use anchor_core::position::{Epoch, Offset, Ordinal};
use anchor_core::resume::{Gap, GapReason};
use anchor_core::session::frame::HistoryRange;
use anchor_transport::client::Client;

use crate::args::History;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, json, people};
use crate::{connection, say};

/// Prints the newest messages before the given offset, oldest first.
///
/// # Errors
/// A sentence; nothing was printed then.
pub(crate) async fn run(context: &Context, arguments: History) -> Result<Exit, Failure> {
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
    let past = read(&client, &arguments).await?;
    let mut output = Output::default();
    if let Some(gap) = past.gap {
        match arguments.json {
            true => output.json(&json::gap(&arguments.room, &gap))?,
            false => say::note(&people::gap(&arguments.room, &gap)),
        }
    }
    for (epoch, event) in &past.events {
        match arguments.json {
            true => output.json(&json::event(&arguments.room, *epoch, event))?,
            false => output.line(&context.style().event(event))?,
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

#[derive(Default)]
struct Past {
    /// What cannot be had before the events, if reading came to it.
    gap: Option<Gap>,
    events: VecDeque<(Epoch, Event)>,
}

async fn read(client: &Client, arguments: &History) -> Result<Past, Failure> {
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let page_limit = arguments.limit.min(HISTORY_EVENTS_MAX as u64);
    let mut past = Past::default();
    let mut range = arguments.before.map_or(HistoryRange::Newest, HistoryRange::BeforeOffset);
    loop {
        let page = client.history(&arguments.room, range, page_limit).await?;
        past.gap = page.gap.or_else(|| trimmed(page.horizon));
        let Some(epoch) = page.epoch else { return Ok(past) };
        for event in page.events.into_iter().rev() {
            if arguments.events || event.kind == EventKind::MESSAGE {
                past.events.push_front((epoch, event));
            }
            if past.events.len() == limit {
                past.gap = None;
                return Ok(past);
            }
        }
        match page.next {
            Some(next) => range = HistoryRange::Before(next),
            None => return Ok(past),
        }
    }
}

/// What lies before the oldest event that is kept.
fn trimmed(horizon: Offset) -> Option<Gap> {
    let to = horizon.previous();
    (to > Offset::ZERO).then_some(Gap {
        from: Offset(1),
        to,
        reason: GapReason::Trimmed,
        position: None,
        ordinal: Ordinal::default(),
    })
}
