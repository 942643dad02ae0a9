//! `thread`: a message, the replies to it, and with `--follow` what comes of both.

use anchor_core::event::Event;
use anchor_core::limits::HISTORY_EVENTS_MAX;
use anchor_core::position::Offset;
use anchor_core::room::Changes;
use anchor_core::store::Direction;
use anchor_transport::client::{Client, RequestError, ThreadDelivery};
use futures::StreamExt;

use crate::args::message::Thread;
use crate::connection;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::closed::closed;
use crate::output::log::Log;
use crate::say;

/// Prints the thread as it is now, and then what comes.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(super) async fn run(context: &Context, arguments: Thread) -> Result<Exit, Failure> {
    let client = context.reader().await?;
    let log = Log::new(arguments.in_room.clone(), context.style());
    if !arguments.follow {
        return print(&client, &arguments, log).await;
    }
    tokio::select! {
        ended = follow(context, &client, &arguments, log) => ended,
        () = closed() => Err(Failure::OutputClosed),
    }
}

async fn print(client: &Client, arguments: &Thread, mut log: Log<'_>) -> Result<Exit, Failure> {
    let mut from = Direction::After(Offset::ZERO);
    let mut is_first = true;
    loop {
        let page =
            client.thread(&arguments.in_room.room, arguments.root, from, HISTORY_EVENTS_MAX as u64).await?;
        let begins = page.root.iter().filter(|_| is_first);
        for event in begins.chain(&page.replies) {
            let changes = page.changes.iter().find(|changes| changes.target == event.offset);
            log.current(None, event, changes)?;
        }
        log.flush()?;
        is_first = false;
        match page.next {
            Some(next) => from = Direction::After(next),
            None => return Ok(Exit::Done),
        }
    }
}

async fn follow(
    context: &Context,
    client: &Client,
    arguments: &Thread,
    mut log: Log<'_>,
) -> Result<Exit, Failure> {
    let mut connection = connection::Changes::new(client, context.server());
    let mut thread = client.follow_thread(&arguments.in_room.room, arguments.root).await;
    let mut is_begun = false;
    loop {
        let delivery = tokio::select! {
            biased;
            delivery = thread.next() => delivery,
            change = connection.next() => {
                say::note(&change);
                continue;
            }
            failure = connection::stopped(client) => return Err(failure),
        };
        match delivery {
            None => return Err(connection::stopped(client).await),
            Some(ThreadDelivery::Post(post)) => {
                log.current(None, post.event(), told(post.event(), post.changes()))?;
            }
            Some(ThreadDelivery::Current) => {}
            Some(ThreadDelivery::Event { epoch, event }) => log.event(epoch, &event)?,
            Some(ThreadDelivery::Gap(gap)) => {
                log.gap(&gap)?;
                if gap.position.is_none() {
                    log.flush()?;
                    return Ok(Exit::Done);
                }
            }
            Some(ThreadDelivery::Ended { code, message }) if is_begun => {
                return Err(log.ended(code, &message)?);
            }
            // As without --follow.
            Some(ThreadDelivery::Ended { code, message }) => {
                return Err(RequestError::Refused { code, message }.into());
            }
        }
        is_begun = true;
        log.flush()?;
    }
}

/// The changes of an event, if anything has become of it.
fn told<'a>(event: &Event, changes: &'a Changes) -> Option<&'a Changes> {
    let none = Changes { target: event.offset, ..Changes::default() };
    Some(changes).filter(|changes| **changes != none)
}
