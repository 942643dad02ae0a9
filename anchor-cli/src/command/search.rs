//! `search`: words in what was said.

use anchor_core::limits::SEARCH_HITS_MAX;
use anchor_core::search::FoundMessage;

use crate::args::attend::Search;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, json};
use crate::say;

/// Prints what was found, the newest first: below a line that names the room, or a JSON object each.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(super) async fn run(context: &Context, arguments: Search) -> Result<Exit, Failure> {
    let Search { words, limit, json } = arguments;
    let text = words.join(" ");
    let client = context.reader().await?;
    let mut output = Output::default();
    let (mut left, mut after, mut in_room) = (limit, None, None);
    loop {
        let found = client.search(&text, left.min(SEARCH_HITS_MAX as u64), after).await?;
        for FoundMessage { room, epoch, event } in &found.messages {
            match json {
                true => output.json(&json::event(room, *epoch, event))?,
                false => {
                    if in_room.as_ref() != Some(room) {
                        output.line(&format!("-- {room}"))?;
                        in_room = Some(room.clone());
                    }
                    output.line(&context.style().event(room, event))?;
                }
            }
        }
        output.flush()?;
        left = left.saturating_sub(found.messages.len() as u64);
        after = found.next;
        if after.is_none() || left == 0 {
            if found.lag > 0 {
                say::note(&format!("-- {} events are not searched yet", found.lag));
            }
            return Ok(Exit::Done);
        }
    }
}
