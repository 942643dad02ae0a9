//! `history`: a part of a room's past, read backwards page by page and printed forwards.

use std::collections::{BTreeMap, VecDeque};

use anchor_core::event::{Event, EventKind};
use anchor_core::limits::HISTORY_EVENTS_MAX;
use anchor_core::position::{Epoch, Offset, Position};
use anchor_core::resume::Gap;
use anchor_core::room::Changes;
use anchor_core::session::frame::HistoryRange;
use anchor_transport::client::Client;

use crate::args::History;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::log::Log;

/// Prints what there is before the given offset, oldest first.
///
/// # Errors
/// A sentence; nothing was printed then.
pub(crate) async fn run(context: &Context, arguments: History) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let past = read(&client, &arguments).await?;
    let mut log = Log::new(arguments.in_room, context.style());
    for gap in &past.gaps {
        log.gap(gap)?;
    }
    for (epoch, event) in &past.events {
        log.current(Some(*epoch), event, past.changes.get(&event.offset))?;
    }
    log.flush()?;
    Ok(Exit::Done)
}

#[derive(Default)]
struct Past {
    /// What cannot be had before the events, if reading came to it.
    gaps: Vec<Gap>,
    events: VecDeque<(Epoch, Event)>,
    /// What later events made of them.
    changes: BTreeMap<Offset, Changes>,
}

async fn read(client: &Client, arguments: &History) -> Result<Past, Failure> {
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let page_limit = arguments.limit.min(HISTORY_EVENTS_MAX as u64);
    let mut past = Past::default();
    let mut range = arguments.before.map_or(HistoryRange::Newest, HistoryRange::BeforeOffset);
    loop {
        let page = client.history(&arguments.in_room.room, range, page_limit).await?;
        if let Some(gap) = page.gap {
            past.gaps = vec![gap];
            return Ok(past);
        }
        let Some(epoch) = page.epoch else {
            past.gaps = missing(client, arguments, page.horizon).await?;
            return Ok(past);
        };
        past.changes.extend(page.changes.into_iter().map(|changes| (changes.target, changes)));
        for event in page.events.into_iter().rev() {
            if is_printed(arguments, event.kind) {
                past.events.push_front((epoch, event));
            }
            if past.events.len() == limit {
                return Ok(past);
            }
        }
        match page.next {
            Some(next) => range = HistoryRange::Before(next),
            None => {
                past.gaps = missing(client, arguments, page.horizon).await?;
                return Ok(past);
            }
        }
    }
}

/// For people, what changed a message is shown with that.
fn is_printed(arguments: &History, kind: EventKind) -> bool {
    match arguments.messages {
        true => kind == EventKind::MESSAGE,
        false => arguments.in_room.json || !AMENDMENTS.contains(&kind),
    }
}

/// What lies before the oldest event that can be read, as a reader is told who begins at the start: pages that are read
/// backwards say where it ends, and not why it cannot be had.
async fn missing(client: &Client, arguments: &History, horizon: Offset) -> Result<Vec<Gap>, Failure> {
    let mut gaps = Vec::new();
    let mut position = (horizon > Offset(1)).then_some(Position::START);
    while let Some(after) = position {
        let page = client.history(&arguments.in_room.room, HistoryRange::After(after), 1).await?;
        // The next gap begins where this one ends.
        position = page.gap.and_then(|gap| gap.position);
        gaps.extend(page.gap);
    }
    Ok(gaps)
}

/// Kinds of events that a page folds into what they are about.
const AMENDMENTS: [EventKind; 6] = [
    EventKind::EDIT,
    EventKind::REDACTION,
    EventKind::REACTION,
    EventKind::REACTION_REMOVED,
    EventKind::PIN,
    EventKind::UNPIN,
];
