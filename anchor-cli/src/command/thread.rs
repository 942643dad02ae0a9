//! `thread`: a message, the replies to it, and with `--follow` what comes of both.

use std::collections::BTreeSet;

use anchor_core::event::{Event, EventKind};
use anchor_core::limits::HISTORY_EVENTS_MAX;
use anchor_core::position::{Offset, Position};
use anchor_core::session::frame::From;
use anchor_core::store::Direction;
use anchor_transport::client::{Client, Delivery, Subscription};
use futures::StreamExt;

use crate::args::message::Thread;
use crate::connection::{self, Changes};
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
    let mut printer = Printer { context, arguments, log, replies: BTreeSet::new() };
    // Before the pages are read, so that nothing falls between them and what comes.
    let live = match printer.arguments.follow {
        true => Some(client.subscribe(&printer.arguments.in_room.room, From::Now).await),
        false => None,
    };
    printer.past(&client).await?;
    match live {
        None => Ok(Exit::Done),
        Some(live) => tokio::select! {
            ended = printer.live(&client, live) => ended,
            () = closed() => Err(Failure::OutputClosed),
        },
    }
}

struct Printer<'a> {
    context: &'a Context,
    arguments: Thread,
    log: Log<'a>,
    /// The newest of the replies that were printed.
    replies: BTreeSet<Offset>,
}

impl Printer<'_> {
    async fn past(&mut self, client: &Client) -> Result<(), Failure> {
        let (room, root) = (self.arguments.in_room.room.clone(), self.arguments.root);
        let mut from = Direction::After(Offset::ZERO);
        let mut is_first = true;
        loop {
            let page = client.thread(&room, root, from, HISTORY_EVENTS_MAX as u64).await?;
            let begins = page.root.iter().filter(|_| is_first);
            for event in begins.chain(&page.replies) {
                let changes = page.changes.iter().find(|changes| changes.target == event.offset);
                self.log.current(None, event, changes)?;
            }
            page.replies.iter().for_each(|reply| self.know(reply.offset));
            self.log.flush()?;
            is_first = false;
            match page.next {
                Some(next) => from = Direction::After(next),
                None => return Ok(()),
            }
        }
    }

    async fn live(&mut self, client: &Client, mut live: Subscription) -> Result<Exit, Failure> {
        let mut connection = Changes::new(client, self.context.server());
        loop {
            let delivery = tokio::select! {
                biased;
                delivery = live.next() => delivery,
                change = connection.next() => {
                    say::note(&change);
                    continue;
                }
                failure = connection::stopped(client) => return Err(failure),
            };
            match delivery {
                None => return Err(connection::stopped(client).await),
                Some(Delivery::Events(events)) => {
                    for event in &events.events {
                        if self.is_new(event) {
                            self.log.event(events.epoch, event)?;
                            if event.kind == EventKind::MESSAGE {
                                self.know(event.offset);
                            }
                        }
                    }
                }
                Some(Delivery::Gap(gap)) => {
                    self.log.gap(&gap)?;
                    let Some(position) = gap.position else { break };
                    self.forget(position);
                }
                Some(Delivery::Ended { code, message }) => return Err(self.log.ended(code, &message)?),
                Some(Delivery::Started { .. } | Delivery::Hidden { .. }) => {}
            }
            self.log.flush()?;
        }
        self.log.flush()?;
        Ok(Exit::Done)
    }

    /// True for a reply that was not printed, and for what changes a message of the thread.
    fn is_new(&self, event: &Event) -> bool {
        let Some(target) = event.target else { return false };
        match event.kind {
            EventKind::MESSAGE => target == self.arguments.root && Some(&event.offset) > self.replies.last(),
            _ => target == self.arguments.root || self.replies.contains(&target),
        }
    }

    fn know(&mut self, reply: Offset) {
        self.replies.insert(reply);
        if self.replies.len() > REPLIES_MAX {
            self.replies.pop_first();
        }
    }

    /// Behind a gap stands something else where a restored log had something, which is not taken for that.
    fn forget(&mut self, behind: Position) {
        self.replies.split_off(&behind.offset.next());
    }
}

/// Replies of which it is told what becomes of them: the newest. Source: chosen; a few megabytes, and more than a person
/// has in view.
const REPLIES_MAX: usize = 100_000;
