//! `thread`: a message, the replies to it, and with `--follow` those that come.

use anchor_core::event::{Event, EventKind};
use anchor_core::limits::HISTORY_EVENTS_MAX;
use anchor_core::position::{Epoch, Offset};
use anchor_core::room::Changes;
use anchor_core::session::frame::From;
use anchor_core::store::Direction;
use anchor_transport::client::{Client, Delivery, Subscription};
use futures::StreamExt;

use crate::args::message::Thread;
use crate::connection::{self, Changes as ConnectionChanges};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::closed::closed;
use crate::output::{Output, json, people};
use crate::say;

/// Prints the thread as it is now, and then what comes.
///
/// # Errors
/// A sentence; what was printed until then is right.
pub(super) async fn run(context: &Context, arguments: Thread) -> Result<Exit, Failure> {
    let client = context.reader()?;
    connection::first(&client, context.server()).await?;
    let mut printer = Printer { context, output: Output::default(), last: arguments.root, arguments };
    // Before the pages are read, so that nothing falls between them and what comes.
    let live = match printer.arguments.follow {
        true => Some(client.subscribe(&printer.arguments.room, From::Now).await),
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
    output: Output,
    /// The newest reply that was printed.
    last: Offset,
}

impl Printer<'_> {
    async fn past(&mut self, client: &Client) -> Result<(), Failure> {
        let Thread { room, root, .. } = &self.arguments;
        let (room, root) = (room.clone(), *root);
        let mut from = Direction::After(Offset::ZERO);
        let mut is_first = true;
        loop {
            let page = client.thread(&room, root, from, HISTORY_EVENTS_MAX as u64).await?;
            let begins = page.root.iter().filter(|_| is_first);
            for event in begins.chain(&page.replies) {
                let changes = page.changes.iter().find(|changes| changes.target == event.offset);
                self.print(None, event, changes)?;
                self.last = self.last.max(event.offset);
            }
            self.output.flush()?;
            is_first = false;
            match page.next {
                Some(next) => from = Direction::After(next),
                None => return Ok(()),
            }
        }
    }

    async fn live(&mut self, client: &Client, mut live: Subscription) -> Result<Exit, Failure> {
        let mut connection = ConnectionChanges::new(client, self.context.server());
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
                        let is_reply =
                            event.kind == EventKind::MESSAGE && event.target == Some(self.arguments.root);
                        if is_reply && event.offset > self.last {
                            self.print(Some(events.epoch), event, None)?;
                        }
                    }
                    self.output.flush()?;
                }
                Some(Delivery::Gap(gap)) => {
                    let room = &self.arguments.room;
                    match self.arguments.json {
                        true => self.output.json(&json::gap(room, &gap))?,
                        false => say::note(&people::gap(room, &gap)),
                    }
                    self.output.flush()?;
                }
                Some(Delivery::Ended { code, message }) => {
                    if self.arguments.json {
                        self.output.json(&json::ended(&self.arguments.room, code, &message))?;
                    }
                    self.output.flush()?;
                    return Err(connection::ended(&message, code));
                }
                Some(_) => {}
            }
        }
    }

    fn print(
        &mut self,
        epoch: Option<Epoch>,
        event: &Event,
        changes: Option<&Changes>,
    ) -> Result<(), Failure> {
        let room = &self.arguments.room;
        match self.arguments.json {
            true => self.output.json(&json::current(room, epoch, event, changes)),
            false => self.output.line(&self.context.style().current(room, event, changes)),
        }
    }
}
